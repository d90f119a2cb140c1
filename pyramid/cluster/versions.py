"""Versions of what decides the bytes of a result: processes of one cluster have equal ones."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from lazytile import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = "Python"
OWN = "lazytile"
PACKAGES = ("numpy", "zarr", "numcodecs", "google-crc32c", "isal", "deflate", "Pillow", "pyproj", "lerc", "netCDF4")
"""Arrays, codecs of chunks, encoders of images, positions, sources."""
_MODULES = {"google-crc32c": "google_crc32c", "Pillow": "PIL"}


def own_versions() -> dict[str, str]:
    """Return the versions in this process: Python's major and minor one, lazytile's, and those of ``PACKAGES``.

    Returns:
        By name; packages that are not installed are left out.
    """
    found = {PYTHON: f"{sys.version_info.major}.{sys.version_info.minor}", OWN: __version__}
    for package in PACKAGES:
        # What is imported counts: it may be another copy than the one that the metadata describe.
        imported = getattr(sys.modules.get(_MODULES.get(package, package)), "__version__", None)
        if isinstance(imported, str):
            found[package] = imported
            continue
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def difference(own: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Compare the versions of two processes.

    Args:
        own: Versions of this process.
        theirs: Versions of the other one.

    Returns:
        The first difference, such as ``has numpy 2.1.0, this process has 2.2.0``; empty where there is none. A package
        that only one of them has is no difference: work that needs it says so.
    """
    for name, here in own.items():
        there = theirs.get(name, here)
        if there != here:
            return f"has {name} {there}, this process has {here}"
    return ""
