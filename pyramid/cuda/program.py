"""The source of the GPU's kernels, and how NVRTC compiles it."""

from __future__ import annotations

from importlib.resources import files

_OPTIONS = ("--std=c++17", "--fmad=false")
"""No contraction: a fused product would round once where NumPy rounds twice."""
_INCLUDE = '#include "pixels.h"\n'


def program_source() -> str:
    """Return ``pixels.cu`` with the header in its place: NVRTC reads no files."""
    folder = files("lazytile.pyramid.kernel").joinpath("source")
    header, entries = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("pixels.h", "pixels.cu"))
    before, after = entries.split(_INCLUDE)
    return before + header + after


def program_options(type_name: str) -> tuple[str, ...]:
    """Return the options of NVRTC.

    Args:
        type_name: Which type of codes the kernels are for, as ``pixels.h`` names it. All at once take 10 s to compile.

    Returns:
        The options.
    """
    is_float = ("-DLT_IS_FLOAT",) if type_name[0] == "f" else ()
    return (*_OPTIONS, f"-DLT_TYPE={type_name}", *is_float)
