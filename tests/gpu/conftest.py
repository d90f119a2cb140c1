"""Four kinds of arrays for code that takes its array module from its arrays.

``numpy`` is the reference. ``shaped`` is NumPy that offers only CuPy's names. ``strict`` lives on a second device
of array-api-strict, where mixing in a host array is an error, and only the standard's functions exist. ``cupy`` needs
a GPU that works. Each skips with its reason; with LAZYTILE_REQUIRE_GPU=1 a run without a GPU fails instead.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lazytile.colormaps.compiled import palette
from lazytile.pyramid.core import array_backend, packing
from lazytile.pyramid.kernel import painting
from lazytile.pyramid.render import expression, filters
from lazytile.pyramid.resampling import mesh_plan, mixture, read_plan
from lazytile.pyramid.store import reduce
from tests.gpu.cupy_shape import CupyShape

KINDS = ("numpy", "shaped", "strict", "cupy")


@dataclass(frozen=True)
class Arrays:
    """Creates arrays of one kind and reads them back."""

    kind: str
    xp: Any
    device: Any = None

    def make(self, values):
        """Return a NumPy array's values as an array of this kind."""
        if self.kind == "strict":
            return self.xp.asarray(values, device=self.device)
        return self.xp.asarray(values)

    def read(self, array):
        """Return a NumPy array of an array's values; fails for an array of another kind."""
        if self.kind == "strict":
            assert array.device == self.device, "an array was made on the host"
            return np.asarray(array.to_device(self.xp.Device("CPU_DEVICE")))
        if self.kind == "cupy":
            assert isinstance(array, self.xp.ndarray), "an array was made on the host"
            return array_backend.to_host(array)
        assert isinstance(array, np.ndarray)
        return array


def working_gpu():
    """Return why no GPU works, or an empty text; creates a CUDA context if one does."""
    try:
        array_backend.probe_device()
    except Exception as error:  # noqa: BLE001 - import errors, driver errors, compiler errors
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.fixture(scope="session")
def gpu():
    """Skip without a working GPU, or fail if the run requires one."""
    reason = working_gpu()
    if reason and os.environ.get("LAZYTILE_REQUIRE_GPU") == "1":
        pytest.fail(f"no GPU works: {reason}")
    if reason:
        pytest.skip(f"no GPU works: {reason}")


USERS = (read_plan, expression, filters, mesh_plan, packing, painting, palette, reduce, mixture)
"""The modules that call ``array_module``; for ``shaped`` arrays, which are NumPy's, it returns the shape of CuPy."""


@pytest.fixture(params=KINDS)
def arrays(request, monkeypatch):
    """Arrays of each kind in turn; ``array_module`` returns their module."""
    match request.param:
        case "numpy":
            return Arrays("numpy", np)
        case "shaped":
            cupy = pytest.importorskip("cupy", reason="CuPy is not installed: make gpu-check")
            shape = CupyShape(np, cupy)
            for module in USERS:
                monkeypatch.setattr(module, "array_module", lambda _: shape)
            return Arrays("shaped", shape)
        case "strict":
            strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed: make gpu-check")
            return Arrays("strict", strict, strict.Device("device1"))
        case _:
            request.getfixturevalue("gpu")
            import cupy

            return Arrays("cupy", cupy)
