"""Time colormaps as the renderer uses them: compiling one for a layer, and colouring a tile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.colormaps.synthesis.continuous import range_colormap
from lazytile.colormaps.synthesis.ramps import ramp_colours
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.kernel.painting import between_table, code_table, paint
from lazytile.pyramid.resampling.value_tile import ValueTile

if TYPE_CHECKING:
    from collections.abc import Callable

TILE = (512, 512)
BUDGET = CacheBudget.renderer(256 << 20)


def best_ms(task: Callable[[], Any], repeats: int = 50) -> float:
    """Return the shortest of several runs in milliseconds, the one that other processes disturbed least."""
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
    random = np.random.default_rng(0)
    codes = random.integers(-28_000, 8_000, TILE).astype(np.int16)
    whole = ValueTile(codes, packing, None)
    floats = ValueTile(packing.decode(codes).astype(np.float32), Packing("float32"), None)
    fractions = ValueTile(codes + random.random(TILE), Packing("float64", 0.001, 298.15), None, packing)
    even, uneven = compile_colormap(sst, data_units="K"), compile_colormap(full, data_units="degC")
    process.install(BUDGET.without("tables"))
    cold = (
        (f"compile {len(sst.entries)} entries and a table of 65,536 codes", 5.0, sst, "K"),
        (f"compile {len(full.entries)} entries, uneven, C to K", 5.0, full, "degC"),
    )
    for name, limit_ms, colormap, units in cold:
        report(name, limit_ms, lambda: code_table(compile_colormap(colormap, data_units=units), packing))  # noqa: B023
    report("the table between codes, for means", None, lambda: between_table(even, packing))
    process.install(BUDGET)
    for name, limit_ms, tile, palette in (
        ("colour a 512x512 int16 tile by its table", 0.5, whole, even),
        ("colour a 512x512 tile of means of int16", None, fractions, even),
        ("colour a 512x512 float32 tile, even bins", None, floats, even),
        ("colour a 512x512 float32 tile, by search", None, floats, uneven),
    ):
        paint(tile, palette)
        report(name, limit_ms, lambda: paint(tile, palette))  # noqa: B023


def report(name: str, limit_ms: float | None, task: Callable[[], Any]) -> None:
    """Print the time of a task and its limit."""
    limit = "" if limit_ms is None else f"   (limit: {limit_ms:g})"
    print(f"{name:58} {best_ms(task):8.3f} ms{limit}")


if __name__ == "__main__":
    main()
