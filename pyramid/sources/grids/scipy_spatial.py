"""SciPy's k-d trees (the extra ``regrid``), loaded when cells are resampled: it takes longer than most files."""

from __future__ import annotations

import importlib
from typing import Any


def scipy_spatial() -> Any | None:
    """Load ``scipy.spatial``, which has no types.

    Returns:
        The module; None where the extra is not installed.
    """
    try:
        return importlib.import_module("scipy.spatial")
    except ImportError:
        return None
