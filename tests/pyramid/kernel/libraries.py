"""Builds of the native kernel that tests compare: each level of this processor, and what a GPU would compute."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.kernel import build
from lazytile.pyramid.kernel.library import load_library
from lazytile.pyramid.kernel.native_kernel import NativeKernel

LEVELS = {"base": 1, "v3": 3, "v4": 4}
KERNELS = (*LEVELS, "gpu")
AS_GPU = ("-O1", "-DLT_AS_GPU", "-DLT_CHECKS")


@functools.cache
def kernel_of(name: str) -> NativeKernel:
    """Return a kernel by name; skip where there is no compiler, or the processor has no such level."""
    if build.find_compiler() is None:
        pytest.skip("there is no C++ compiler")
    try:
        if name == "gpu":
            folder = Path(tempfile.mkdtemp(prefix="lazytile-kernel-"))
            return NativeKernel(load_library(build.build(folder, variants=("base",), flags=AS_GPU), 1))
        return NativeKernel(load_library(build.build(), LEVELS[name]))
    except EngineError as error:
        pytest.skip(str(error))
