"""A store of 500 layers, one of them with 10,000 times; and what the page weighs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.dataset import Dataset, Dimension, Variable
from tests.browser.page import READY, choose, click, opened, skip_without_browser
from tests.faults.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

skip_without_browser()

DATASETS, VARIABLES, TIMES = 50, 10, 10_000
ROWS, COLS = 32, 64
FIRST = datetime(1990, 1, 1, tzinfo=UTC)


def times() -> tuple[str, ...]:
    """Return times at irregular distances, which no period describes."""
    chance = np.random.default_rng(1)
    hours = np.cumsum(chance.integers(1, 30, TIMES))
    return tuple((FIRST + timedelta(hours=int(each))).strftime("%Y-%m-%dT%H:%M:%SZ") for each in hours)


def write(store: Path, name: str, dimensions: tuple[Dimension, ...]) -> None:
    """Write a dataset whose chunks are all missing, so all its cells have the fill value, which is data."""
    grid = Grid("EPSG:4326", RegularAxis(-180.0, 360 / COLS, COLS), RegularAxis(90.0, -180 / ROWS, ROWS))
    variables = tuple(
        Variable(f"v{at}", dimensions if at == 0 else (), Packing("int16", 0.1, 0.0, (-999.0,)), title=f"quantity {at}")
        for at in range(VARIABLES)
    )
    description = Dataset(name, "g", grid, 1, Shape(256, 256), variables, title=f"Dataset {name}")
    attributes = {"lazytile": description.to_json()}
    group = zarr.create_group(store / f"{name}.zarr", zarr_format=3, attributes=attributes)
    level = group.create_group("0")
    for variable in variables:
        leading = tuple(len(dimension.labels) for dimension in variable.dimensions)
        shape, chunks = (*leading, ROWS, COLS), (*(1,) * len(leading), 256, 256)
        level.create_array(variable.name, shape=shape, dtype="int16", chunks=chunks, fill_value=7, compressors=())


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the store."""
    folder = tmp_path_factory.mktemp("many")
    axis = Dimension("time", "time", times())
    for number in range(DATASETS):
        write(folder / "store", f"d{number:02}", (axis,) if number == 0 else ())
    with serving(folder / "store", folder / "cache") as server:
        yield f"http://127.0.0.1:{server.port}/"


def test_500_layers_and_10000_times(many):
    text = "document.getElementById('time').textContent"

    async def scenario():
        labels = times()
        async with opened(many, "#layer=d00.v0") as page:
            assert await page.evaluate("document.querySelectorAll('#layers input').length") == DATASETS * VARIABLES
            assert await page.evaluate("document.getElementById('slider').max") == str(TIMES - 1)
            await choose(page, "#slider", "1234")
            await page.wait_until(f"{text} === '{labels[1234][:10]} {labels[1234][11:16]} UTC'")
            await page.press(".", ".")
            await page.wait_until(f"{text} === '{labels[1235][:10]} {labels[1235][11:16]} UTC'")
            await choose(page, "#filter", "quantity d37 9")
            visible = "[...document.querySelectorAll('#layers .item')].filter((e) => !e.hidden)"
            await page.wait_until(f"{visible}.length > 0")
            found = await page.evaluate(f"{visible}.map((e) => e.querySelector('input').value)")
            assert "d37.v9" in found
            assert all(name.startswith("d37") for name in found)
            await choose(page, "#layers input[value='d37.v9']", "d37.v9")
            await page.wait_until("location.hash.includes('layer=d37.v9')")
            await page.wait_until(READY)

    asyncio.run(scenario())


def test_the_page_is_light(site):
    """Compressed bytes, from the browser's own count."""

    async def scenario():
        async with opened(site, "#layer=global_180&at=0,0,5") as page:
            files = "performance.getEntriesByType('resource')"
            await page.wait_until(f"{files}.some(({{name}}) => name.includes('countries-50m'))")
            await asyncio.sleep(1)
            sizes = await page.evaluate(f"{files}.map(({{name, encodedBodySize}}) => [name, encodedBodySize])")
            own = [(name, size) for name, size in sizes if "/viewer/" in name]
            lines = sum(size for name, size in own if "countries" in name)
            bare = sum(size for _, size in own) - lines
            assert 50_000 < bare < 300_000
            assert bare + lines < 600_000

    asyncio.run(scenario())


def test_a_mean_through_many_times_is_thinned_then_complete_as_far_as_people_wait(many):
    async def look():
        async with opened(many, "#layer=d00.v0&crs=EPSG:4326&at=0,0,2") as page:
            await page.press("n")
            await click(page, "[data-shape=box]")
            for corner in ((520, 330), (560, 370)):
                await page.move(*corner)
                await page.click(*corner)
            await page.wait_until("document.querySelectorAll('.region .figures dd').length >= 9", 60)
            await click(page, await button(page, "Mean through time"))
            await page.wait_until("document.querySelectorAll('.region .u-over').length === 1", 120)
            await page.wait_until(f"{PROGRESS}.some((text) => text === '120 of 10000 times, evenly chosen.')", 60)
            await click(page, await button(page, "All 10000 times"))
            # The clock may move meanwhile.
            await page.press(",", ",")
            await page.wait_until(f"{PROGRESS}.some((text) => Number(text.split(' of 10000')[0]) > 250)", 120)
            await click(page, await button(page, "Stop"))
            await page.wait_until(
                "[...document.querySelectorAll('.region button')].find((b) => b.textContent === 'Stop').hidden", 60
            )
            assert await page.evaluate("document.querySelectorAll('.region .u-over').length") == 1

    asyncio.run(asyncio.wait_for(look(), 300))


PROGRESS = "[...document.querySelectorAll('.region [role=status]')].map((each) => each.textContent)"


async def button(page, text):
    """Mark the button of the panel that has this text, and return a selector of it."""
    found = f"[...document.querySelectorAll('.region button')].find((b) => b.textContent === {text!r})"
    await page.wait_until(f"{found} && !{found}.hidden")
    await page.evaluate(f"{found}.setAttribute('data-test', {text!r}), true")
    return f'.region [data-test="{text}"]'
