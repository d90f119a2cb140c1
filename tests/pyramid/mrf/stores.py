"""Small stores, styles and exports for the tests of MRFs."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from lazytile.colormaps.compiled.palette import Palette
from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.header import exported_set
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.render.location import TileBlock
from lazytile.pyramid.render.render_task import RenderTask
from lazytile.pyramid.render.renderer import render, render_index
from lazytile.pyramid.render.style import Style
from lazytile.pyramid.store.dataset import Dataset, Dimension, Variable
from lazytile.pyramid.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

FILL = -32768
CHUNK = 256
GLOBE = (-180.0, 90.0, 360.0, 180.0)
"""West, north, width and height in degrees."""


def style(colours: int = 200, name: str = "default", seed: int = 1) -> Style:
    """Even bins over codes 0 to 1000, in colours of which some are half transparent."""
    rgba = np.random.default_rng(seed).integers(0, 256, (colours, 4)).astype(np.uint8)
    rgba[0] = (0, 0, 0, 0)
    cuts = np.linspace(0, 1000, colours)[:-1]
    slots = np.array([0, *range(1, colours), 0], np.uint16 if colours > 256 else np.uint8)
    return Style(name, None, Palette(rgba, cuts, slots), "made for a test")


def field(rows: int, cols: int, seed: int = 3) -> np.ndarray:
    """Structured codes from 0 to 999, a quarter of them missing, among them the top left corner."""
    random = np.random.default_rng(seed)
    y, x = np.arange(rows)[:, None], np.arange(cols)[None, :]
    waves = np.sin(y / 37 + seed) + np.cos(x / 29 - seed) + 0.1 * random.standard_normal((rows, cols))
    codes = np.clip(500 + 240 * waves, 0, 999).astype(np.int16)
    codes[np.sin(y / 61) * np.cos(x / 83) > 0.5] = FILL
    codes[:300, :300] = FILL
    if rows <= 300 or cols <= 300:
        codes[rows // 2 :, cols // 2 :] = 640
    return codes


def halve(codes: np.ndarray) -> np.ndarray:
    """Mean of the valid cells of each 2 x 2 block, half to even."""
    rows, cols = codes.shape
    padded = np.full((rows + rows % 2, cols + cols % 2), FILL, codes.dtype)
    padded[:rows, :cols] = codes
    blocks = padded.reshape(padded.shape[0] // 2, 2, -1, 2).swapaxes(1, 2).reshape(padded.shape[0] // 2, -1, 4)
    valid = blocks != FILL
    count = valid.sum(axis=2)
    total = np.where(valid, blocks, 0).astype(np.int64).sum(axis=2)
    mean = np.rint(total / np.maximum(count, 1)).astype(codes.dtype)
    return np.where(count > 0, mean, FILL).astype(codes.dtype)


def write_store(
    folder: Path,
    codes: np.ndarray,
    extent: tuple[float, float, float, float] = GLOBE,
    *,
    name: str = "sst",
    dimensions: tuple[Dimension, ...] = (),
    generation: str = "generation-1",
    crs: str = "EPSG:4326",
    reduction: str = "mean",
) -> Store:
    """Write a dataset of one int16 variable, codes of shape (*dimensions, rows, cols), in the converter's layout."""
    rows, cols = codes.shape[-2:]
    west, north, width, height = extent
    grid = Grid(crs, RegularAxis(west, width / cols, cols), RegularAxis(north, -height / rows, rows))
    steps = codes.reshape(-1, rows, cols)
    levels = 1
    while max(grid.coarsen(levels - 1).shape.rows, grid.coarsen(levels - 1).shape.cols) > CHUNK:
        levels += 1
    variable = Variable(name, dimensions, Packing("int16", missing=(float(FILL),)), reduction)
    dataset = Dataset(name, generation, grid, levels, Shape(CHUNK, CHUNK), (variable,))
    root = folder / f"{name}.zarr"
    for level in range(levels):
        _write_level(root / str(level) / name, steps.reshape(*codes.shape[:-2], *steps.shape[1:]))
        steps = np.stack([halve(step) for step in steps])
        steps = steps.reshape(-1, *steps.shape[-2:])
    (root / "zarr.json").write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {"lazytile": dataset.to_json()}})
    )
    return Store(folder)


def _write_level(folder: Path, codes: np.ndarray) -> None:
    rows, cols = codes.shape[-2:]
    leading = codes.shape[:-2]
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": codes.shape,
        "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": (*(1,) * len(leading), CHUNK, CHUNK)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": FILL,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }
    (folder / "zarr.json").write_text(json.dumps(document))
    for at in np.ndindex(leading):
        for row in range(0, rows, CHUNK):
            for col in range(0, cols, CHUNK):
                chunk = np.full((CHUNK, CHUNK), FILL, np.int16)
                part = codes[at][row : row + CHUNK, col : col + CHUNK]
                if (part == FILL).all():
                    continue
                chunk[: part.shape[0], : part.shape[1]] = part
                path = folder.joinpath("c", *map(str, at), str(row // CHUNK), str(col // CHUNK))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(chunk.tobytes())


def export(store: Store, out: Path, painted: Style | None = None, *, threads: int = 2, **options):
    """Export the store's only layer."""
    (layer,) = store.layers()
    with ThreadsBulkEngine(threads) as engine:
        return export_mrf(
            store.folder,
            layer,
            painted or style(),
            out,
            engine=engine,
            progress=options.pop("progress", None),
            options=ExportOptions(**options),
        )


def task_of(store: Store, painted: Style, tms: str, matrix: str, row: int, col: int, leading=()) -> RenderTask:
    """Return the task that the service runs for one tile of the first layer."""
    layer = next(iter(store.layers()))
    chosen = exported_set(layer, tms)
    dataset = layer.dataset
    return RenderTask(
        str(store.folder.resolve()),
        dataset.name,
        dataset.generation,
        layer.variable.name,
        leading,
        chosen,
        chosen.matrix(matrix),
        TileBlock(row, col),
        painted.palette,
    )


def served_bytes(*address) -> bytes:
    """The service's PNG of a tile."""
    (tile,) = render(task_of(*address))
    return tile


def served_index(*address) -> np.ndarray:
    """Return the palette indices of a served tile."""
    return render_index(task_of(*address))


def mrf_text(size: tuple[int, int] = (512, 512), page: int = 256, extra: str = "", raster: str = "") -> str:
    """A plain header, the base of damaged and hostile ones."""
    return (
        f'<MRF_META><Raster><Size x="{size[0]}" y="{size[1]}" c="1"/><PageSize x="{page}" y="{page}" c="1"/>'
        f"<Compression>PPNG</Compression>{raster}</Raster>"
        f'<Rsets model="uniform" scale="2"/>{extra}</MRF_META>'
    )


def write_mrf(folder: Path, text: str, records: list[tuple[int, int]], data: bytes, extension: str = "ppg") -> Path:
    """Write the three files of an MRF as given."""
    path = folder / "hostile.mrf"
    path.write_text(text)
    path.with_suffix(".idx").write_bytes(b"".join(struct.pack(">QQ", *record) for record in records))
    path.with_suffix(f".{extension}").write_bytes(data)
    return path
