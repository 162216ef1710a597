"""Install Cornerstone's adapters, which a test has read our measurement reports."""

from npm import ROOT, installed

if __name__ == "__main__":
    installed(ROOT / "tests" / "conformance" / "cornerstone")
