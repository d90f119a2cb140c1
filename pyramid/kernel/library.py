"""The shared library of the native kernel: finding, loading and checking it."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.kernel.build import FOLDER, LEVELS, library_name
from lazytile.pyramid.kernel.structs import host_address, layout

if TYPE_CHECKING:
    from pathlib import Path

_POINTER, _INT, _LONG, _DOUBLE = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_double
_SETS = {1: "SSE2", 3: "AVX2", 4: "AVX-512"}
"""What people call the levels of x86-64."""


@dataclass(frozen=True, slots=True)
class Library:
    """The functions of one variant of the library: ``pixels.cpp``, ``reduction.cpp`` and ``png.cpp`` explain them."""

    scratch: Any
    run: Any
    paint: Any
    mesh_chunks: Any
    hillshade: Any
    halve: Any
    count: Any
    reduce: Any
    select: Any
    bin: Any
    png_room: Any
    png: Any
    instructions: str
    """The instruction set that the variant uses, for people; empty where there is only one."""


def library_path() -> Path:
    """Return where the library of these sources lies, whether it is there or not."""
    return FOLDER / library_name()


def load_library(path: Path, level: int | None = None) -> Library:
    """Load a library and check that it can be relied on.

    Args:
        path: The file.
        level: Level of the x86-64 instruction set to use, by default the best that this processor has.

    Returns:
        The functions.

    Raises:
        EngineError: There is no such library or level, or it fails a check.
    """
    if not path.is_file():
        raise EngineError(f"the native kernel is not built: there is no {path}")
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(f"the native kernel {path} cannot be loaded: {error}") from error
    best = int(loaded.lt_level())
    chosen = best if level is None else level
    if chosen not in LEVELS or chosen > best:
        allowed = ", ".join(str(each) for each in LEVELS if each <= best)
        raise EngineError(f"the native kernel has no level {chosen} for this processor, it has {allowed}")

    def function(name: str, result: Any, *arguments: Any) -> Any:
        try:
            found = getattr(loaded, f"lt_{name}_{LEVELS[chosen]}")
        except AttributeError as error:
            raise EngineError(f"the native kernel {path} has no {name} of level {chosen}") from error
        found.restype, found.argtypes = result, arguments
        return found

    _check_layout(function("layout", _INT, _POINTER, _INT))
    _check_rounding(function("multiply_add", None, _POINTER, _POINTER, _POINTER, _POINTER, _INT))
    return Library(
        function("scratch", _LONG, _POINTER, _INT),
        function("run", _INT, _POINTER, _INT, _POINTER, _POINTER),
        function("paint", None, _POINTER, _LONG, _POINTER, _POINTER),
        function("mesh_chunks", None, _POINTER, _POINTER),
        function("hillshade", _INT, _POINTER, _LONG, _INT, _INT, _DOUBLE, _POINTER, _POINTER, _POINTER),
        function("halve", _INT, _INT, _POINTER, _LONG, _LONG, _POINTER, _POINTER, _POINTER),
        function("count", None, _POINTER, _LONG, _INT, _POINTER),
        function("reduce", _INT, _INT, _INT, _POINTER, _LONG, _LONG, _POINTER, _POINTER, _POINTER),
        function("select", _INT, _INT, _POINTER, _LONG, _POINTER, _POINTER, _POINTER),
        function("bin", _INT, _INT, _POINTER, _LONG, _DOUBLE, _LONG, _LONG, _POINTER),
        function("png_room", None, _LONG, _LONG, _POINTER),
        function("png", _LONG, _POINTER, _LONG, _LONG, _LONG, ctypes.c_char_p, _LONG, _POINTER, _POINTER),
        _instructions(chosen),
    )


def _instructions(level: int) -> str:
    machine = platform.machine()
    if machine in {"x86_64", "AMD64"}:
        return _SETS[level]
    return "NEON" if machine in {"aarch64", "arm64"} else ""


def _check_layout(of_library: Any) -> None:
    """Check that compiler and ctypes agree on the structs."""
    own = layout()
    found = np.zeros(len(own), np.int32)
    count = of_library(host_address(found), found.size)
    if count != len(own) or found.tolist() != own:
        raise EngineError("the native kernel has other structs than this version: build it again")


def _check_rounding(multiply_add: Any) -> None:
    """Check that products are rounded before they are added: a contracted build colours other pixels."""
    a = np.full(64, 1.0 + 2.0**-30)
    b = np.full(64, 1.0 - 2.0**-30)
    c = np.full(64, -1.0)
    out = np.ones(64)
    multiply_add(*(host_address(array) for array in (a, b, c, out)), out.size)
    if out.any():  # 1 - 2**-60 rounds to 1; a fused sum would be -2**-60
        raise EngineError("the native kernel was compiled with contracted products: its results differ, build it again")
