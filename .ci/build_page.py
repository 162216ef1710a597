"""Build the reading station's page into copilot/static, if what it is made of has changed."""

import hashlib
from typing import Final

from npm import ROOT, installed, npm

WEB: Final = ROOT / "web"
BUILT: Final = ROOT / "copilot" / "static"
_STAMP: Final = BUILT / ".made-of"


def main() -> None:
    """Build, or leave what is there."""
    digest = _digest()
    if _STAMP.is_file() and _STAMP.read_text() == digest:
        return
    installed(WEB)
    npm(WEB, "run", "build", "--silent")
    _STAMP.write_text(digest)


def _digest() -> str:
    """Return the digest of everything the page is made of."""
    digest = hashlib.sha256()
    for path in sorted(WEB.rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            digest.update(str(path.relative_to(WEB)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
