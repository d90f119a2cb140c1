"""Kernels for the tests of the renderer."""

import os

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.kernel.build import build, find_compiler


@pytest.fixture(scope="module", params=["numpy", "native"])
def each_kernel(request):
    """Let each kernel in turn render the tiles of a module's tests."""
    if request.param == "native":
        if find_compiler() is None:
            pytest.skip("there is no C++ compiler")
        build()
    before = os.environ.get("LAZYTILE_KERNEL")
    os.environ["LAZYTILE_KERNEL"] = request.param
    process.install(CacheBudget.renderer(64 << 20))
    yield request.param
    del os.environ["LAZYTILE_KERNEL"]
    if before is not None:
        os.environ["LAZYTILE_KERNEL"] = before
    process.install(CacheBudget.renderer(64 << 20))
