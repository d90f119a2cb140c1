"""Builds of the native kernel that tests compare: each level of this processor, and what a GPU would compute."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import pytest

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.kernel.build import build, find_compiler
from lazytile.pyramid.kernel.library import load_library
from lazytile.pyramid.kernel.native_kernel import NativeKernel

LEVELS = {"base": 1, "v3": 3, "v4": 4}
KERNELS = (*LEVELS, "gpu")
AS_GPU = ("-O1", "-DLT_AS_GPU", "-DLT_CHECKS")


@functools.cache
def library_of(*flags: str) -> Path:
    """Return a library of the simplest variant built with more flags; skip where there is no compiler."""
    if find_compiler() is None:
        pytest.skip("there is no C++ compiler")
    folder = Path(tempfile.mkdtemp(prefix="lazytile-kernel-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(folder, variants=("base",), flags=flags)


@functools.cache
def kernel_of(name: str) -> NativeKernel:
    """Return a kernel by name; skip where there is no compiler, or the processor has no such level."""
    if name == "gpu":
        return NativeKernel(load_library(library_of(*AS_GPU), 1))
    if find_compiler() is None:
        pytest.skip("there is no C++ compiler")
    library = build()
    try:
        return NativeKernel(load_library(library, LEVELS[name]))
    except EngineError as error:
        pytest.skip(str(error))
