"""Measure colormaps: compiling one for every 16-bit code, and colouring a tile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.compiled.palette import compile_colormap, look_up
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.colormaps.synthesis.continuous import range_colormap
from lazytile.colormaps.synthesis.ramps import ramp_colours
from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Callable

TILE = (512, 512)


def best_ms(task: Callable[[], Any], repeats: int = 50) -> float:
    """Return the shortest of several runs, in milliseconds: the others had company."""
    shortest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest * 1e3


def main() -> None:
    """Print the figures."""
    catalog = ColormapCatalog()
    sst = catalog.find("sea_surface_temperature")
    # 250 bins, two open ends and no data: as many colours as a generated map has.
    full = range_colormap("full", lambda count: ramp_colours("ocean", count), 271.0, 305.0, log=True, units="K")
    packing = Packing("int16", 0.001, 298.15, (-32768,))
    codes = packing.all_codes()
    chance = np.random.default_rng(0)
    tile = chance.integers(-28_000, 8_000, TILE).astype(np.int16)
    values = packing.decode(tile).astype(np.float32)
    palette = compile_colormap(sst)
    table = palette.table(codes, packing.decode)
    uneven = compile_colormap(full)
    rows = (
        (f"compile {len(sst.entries)} entries and a table of 65,536 codes", 5.0, lambda: _compile(sst, packing, codes)),
        (f"compile {len(full.entries)} entries, uneven, C to K", 5.0, lambda: _compile(full, packing, codes)),
        ("colour a 512x512 int16 tile by its table", 0.5, lambda: look_up(table, tile)),
        ("colour a 512x512 float32 tile, even bins", None, lambda: palette.index_of(values)),
        ("colour a 512x512 float32 tile, by search", None, lambda: uneven.index_of(values)),
    )
    for name, limit_ms, task in rows:
        wanted = "" if limit_ms is None else f"   (wanted: under {limit_ms:g})"
        print(f"{name:58} {best_ms(task):8.3f} ms{wanted}")


def _compile(colormap: Any, packing: Packing, codes: np.ndarray[Any, Any]) -> Any:
    return compile_colormap(colormap, data_units="degC" if colormap.name == "full" else "K").table(
        codes, packing.decode
    )


if __name__ == "__main__":
    main()
