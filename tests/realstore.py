"""A store of every real file beside the checkout, converted once a test run and shared by its processes.

The synthetic datasets of the other tests are in it too, so that their tests can run on a store that is not tidy.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING

from lazytile.pyramid.core.file_lock import acquire
from lazytile.pyramid.ingest.convert import convert
from tests import data
from tests.shared import shared

if TYPE_CHECKING:
    from pathlib import Path

NOT_DATA = frozenset({".md", ".json"})
GROUPS = {"3_layer.grib2": ("/grid_73x96", "/grid_360x600", "/grid_360x288")}
"""Files of several grids, of which each becomes a dataset."""
SYNTHETIC = (
    "global_180", "time_steps", "extra_dimension", "two_variables", "antimeridian", "mercator", "odd_sizes",
)  # fmt: skip


def real_store(folder: Path) -> Path:
    """Return a store of every real file below a folder, converted by the first process that asks.

    Args:
        folder: Where the processes of the test run find each other's work.
    """
    source = shared("realdata")
    folder.mkdir(exist_ok=True)
    store, done = folder / "store", folder / "done"
    lock = acquire(folder / "lock")
    try:
        if not done.exists():
            for path in sorted(source.iterdir()):
                if path.suffix not in NOT_DATA:
                    _convert(path, store)
            for name in SYNTHETIC:
                data.CATALOGUE[name]().write(store)
            done.touch()
    finally:
        os.close(lock)
    return store


def _convert(path: Path, store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that read the files
        if path.name in GROUPS:
            for number, group in enumerate(GROUPS[path.name]):
                convert([path], store, f"{path.stem}_{number}", group=group)
        elif path.suffix == ".npy":
            described = json.loads(path.with_suffix(".json").read_bytes())
            convert([path], store, bounds=tuple(described["georeference"]["bounds_wsen"]))
        else:
            convert([path], store)
