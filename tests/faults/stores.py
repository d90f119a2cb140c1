"""Stores to damage: one converted source, kept as chunk files, in shards and with lazy overviews."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store.codec import Codec
from tests.pyramid.netcdf import TIME, centres, write_grid

if TYPE_CHECKING:
    from pathlib import Path

STORAGES = {
    "files": Storage(),
    "shards": Storage(Codec("zstd", 1), shard=2),
    "lazy": Storage(lazy=True),
}
"""Storage of each dataset by its name."""


def write_source(path: Path, seed: int = 1, steps: int = 2) -> Path:
    """Write a global field of 600 x 1200 cells and some steps: 3 x 5 chunks, 3 levels, one chunk without data."""
    random = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:600, 0:1200]
    waves = np.sin(rows / 37 + seed) * np.cos(cols / 53) * 8000
    codes = np.stack([waves + 500 * step + random.integers(0, 400, waves.shape) for step in range(steps)])
    codes = codes.astype("int16")
    codes[:, :256, 256:512] = -32768
    attributes = {"units": "K", "scale_factor": 0.01}
    leading = {"time": (list(range(steps)), TIME)}
    return write_grid(
        path,
        codes,
        centres(90, -0.3, 600),
        centres(-180, 0.3, 1200),
        leading=leading,
        fill=-32768,
        attributes=attributes,
    )


def write_store(folder: Path, names: tuple[str, ...] = tuple(STORAGES), seed: int = 1) -> Path:
    """Convert the source to a dataset of each kind of storage, and return the store's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    source = write_source(folder.parent / f"{folder.name}-source.nc", seed)
    for name in names:
        convert(source, folder, name, storage=STORAGES[name])
    return folder


def copy_store(store: Path, target: Path) -> Path:
    """Copy a store, to be damaged."""
    shutil.copytree(store, target)
    return target
