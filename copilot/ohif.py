"""OHIF's own release, pinned to the byte."""

from typing import Final

INSTALLED: Final = "ohif/dist"
