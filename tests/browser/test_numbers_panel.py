"""The panels of numbers, of what people take away and of how the picture was made, clicked through on real data."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.browser.page import READY, choose, click, opened, picture, skip_without_browser

skip_without_browser()

CENTURY = "#layer=century&at=0,20,1.5"
KEEP_DOWNLOADS = (
    "window.files = []; const made = URL.createObjectURL.bind(URL);"
    "URL.createObjectURL = (blob) => (window.files.push(blob), made(blob)); true"
)
LAST_FILE = (
    "new Promise((resolve) => { const reader = new FileReader();"
    " reader.onload = () => resolve(reader.result.split(',')[1]); reader.readAsDataURL(window.files.at(-1)); })"
)


def run(work):
    return asyncio.run(asyncio.wait_for(work, 180))


async def saved(page, button):
    """Click a button and return the file that it offers."""
    before = await page.evaluate("window.files.length")
    await click(page, button)
    await page.wait_until(f"window.files.length > {before}", 60)
    return base64.b64decode(await page.evaluate(LAST_FILE))


async def press_by_text(page, panel, text):
    """Mark the button of a panel that has this text, and return a selector of it."""
    mark = f"[...document.querySelectorAll('{panel} button')].find((b) => b.textContent === {json.dumps(text)})"
    await page.evaluate(f"{mark}.setAttribute('data-test', {json.dumps(text)}), true")
    return f'{panel} [data-test="{text}"]'


def numbers(page, place):
    lon, lat = place
    return page.evaluate(
        f"fetch('numbers/century/series?lon={lon}&lat={lat}').then((r) => r.json()).then((d) => d.values)"
    )


def test_points_have_values_a_chart_and_a_table(real):
    async def look():
        async with opened(real, f"{CENTURY}&x.pins=10,50;-60,-5") as page:
            await page.evaluate(KEEP_DOWNLOADS)
            await page.wait_until("document.querySelectorAll('.points .u-over').length === 1", 60)
            values = await page.evaluate("[...document.querySelectorAll('.pin .value b')].map((b) => b.textContent)")
            table = await saved(page, await press_by_text(page, ".points", "CSV"))
            drawing = await saved(page, await press_by_text(page, ".points", "PNG"))
            await picture(page, "numbers")
            # A click on the chart goes to its time.
            before = await page.evaluate("document.getElementById('time').textContent")
            box = await page.evaluate(
                "(() => { const b = document.querySelector('.u-over').getBoundingClientRect();"
                " return [b.left + b.width * 0.2, b.top + b.height / 2]; })()"
            )
            await page.move(*box)
            await page.click(*box)
            await page.wait_until(f"document.getElementById('time').textContent !== {json.dumps(before)}")
            # Removing a point removes its line, and the link knows it.
            await click(page, ".pin button")
            await page.wait_until("document.querySelectorAll('.pin').length === 1")
            await page.wait_until("!location.hash.includes('10.0000,50.0000')")
            return values, table, drawing, [await numbers(page, place) for place in ((10, 50), (-60, -5))]

    values, table, drawing, truth = run(look())
    assert len(values) == 2
    assert all(value.endswith("°C") for value in values)
    rows = list(csv.reader(io.StringIO(table.decode())))
    assert len(rows) == 1 + len(truth[0])
    assert np.allclose([[float(cell) for cell in row[1:]] for row in rows[1:]], np.transpose(truth))
    assert Image.open(io.BytesIO(drawing)).width > 300


def test_a_click_pins_a_point_and_another_one_lets_go(real):
    async def look():
        async with opened(real, CENTURY) as page:
            await page.press("n")
            await page.wait_until("document.querySelector('.pins .hint')")
            await page.click(600, 400)
            await page.wait_until("document.querySelectorAll('.pin').length === 1", 60)
            await page.wait_until("location.hash.includes('x.pins=')")
            await asyncio.sleep(0.4)  # else it is a double click
            await page.click(602, 401)
            await page.wait_until("document.querySelectorAll('.pin').length === 0", 60)

    run(look())


REGION_FIGURES = "[...document.querySelectorAll('.region .figures dd')].map((e) => e.textContent)"


@pytest.mark.parametrize("shape", ["box", "circle", "polygon"])
def test_a_region_has_the_statistics_of_the_service(real, shape):
    async def look():
        async with opened(real, f"{CENTURY}&crs=EPSG:4326") as page:
            await page.press("n")
            await click(page, f"[data-shape={shape}]")
            corners = [(520, 330), (640, 330), (640, 430)] if shape == "polygon" else [(520, 330), (640, 430)]
            for corner in corners:
                await page.move(*corner)
                await page.click(*corner)
                await asyncio.sleep(0.4)
            if shape == "polygon":
                for _ in range(2):
                    await page.click(520, 430)
            await page.wait_until("document.querySelectorAll('.region .figures dd').length >= 9", 60)
            figures = await page.evaluate(REGION_FIGURES)
            # The link brings the region back.
            await page.wait_until("location.hash.includes('x.region=')")
            await page.evaluate("window.isOld = true, void location.reload()")
            await page.wait_until(f"!window.isOld && {REGION_FIGURES}.length >= 9", 60)
            assert await page.evaluate(REGION_FIGURES) == figures
            bars = await page.evaluate("document.querySelectorAll('.region .bars span').length")
            await asyncio.sleep(0.6)  # a pin by the last click would be there now
            pins = await page.evaluate("document.querySelectorAll('.pin').length")
            await picture(page, f"region-{shape}")
            await click(page, await press_by_text(page, ".region", "Mean through time"))
            await page.wait_until("document.querySelectorAll('.region .u-over').length === 1", 120)
            await click(page, await press_by_text(page, ".region", "Clear"))
            await page.wait_until("document.querySelectorAll('.region .figures dd').length === 0")
            return figures, bars, pins

    figures, bars, pins = run(look())
    mean, least, greatest = (float(text.replace("\N{MINUS SIGN}", "-").split()[0]) for text in figures[:3])
    assert least < mean < greatest
    assert bars == 24
    assert pins == 0


def test_a_profile_runs_along_the_levels(real):
    async def look():
        async with opened(real) as page:
            layer = await page.evaluate(
                "fetch('catalogue').then((r) => r.json()).then((c) => c.layers.find((l) => l.dataset === 'era5'"
                " && l.dimensions.length > 0)).then((l) => l && [l.id, l.dimensions[0].name])"
            )
            assert layer, "no layer of era5 has a dimension"
            await page.go(f"{real}?again#layer={layer[0]}&x.pins=10,50")
            await page.wait_until(READY, 60)
            await page.wait_until("document.querySelector('.pin')", 60)
            if await page.evaluate("document.querySelectorAll('#numbers-along option').length > 1"):
                await choose(page, "#numbers-along", layer[1])
            await page.wait_until("document.querySelectorAll('.points .u-over').length === 1", 60)

    run(look())


def test_a_clock_that_moves_asks_for_no_value_again(real):
    asked = "performance.getEntriesByType('resource').filter(({name}) => name.includes('/numbers/')).length"

    async def look():
        async with opened(real, f"{CENTURY}&x.pins=10,50;-60,-5") as page:
            await page.wait_until("document.querySelectorAll('.points .u-over').length === 1", 60)
            before = await page.evaluate(asked)
            shown = set()
            for _ in range(3):
                time = await page.evaluate("document.getElementById('time').textContent")
                values = "[...document.querySelectorAll('.pin .value b')].map((b) => b.textContent).join()"
                shown.add(await page.evaluate(values))
                last = await page.evaluate(values)
                await page.press(",", ",")
                await page.wait_until(f"document.getElementById('time').textContent !== {json.dumps(time)}")
                await page.wait_until(f"{values} !== {json.dumps(last)}")
            return shown, before, await page.evaluate(asked)

    shown, before, after = run(look())
    assert len(shown) == 3
    assert after == before


def test_the_page_says_how_its_tiles_were_made(real):
    async def look():
        async with opened(real, f"{CENTURY}&range=200,310.25") as page:  # nobody has asked for these tiles yet
            await page.press("i")
            await page.wait_until("document.querySelectorAll('.panel-how .figures dd').length > 4")
            await page.wait_until("document.querySelector('.panel-how .hint').textContent.includes('Kernel')")
            await picture(page, "how")
            await page.wait_until(
                "document.querySelector('.panel-how').textContent.includes('Chunks read by the server: ')"
            )
            return await page.evaluate(
                "[...document.querySelectorAll('.panel-how dt')].map((e) => e.title || e.textContent)"
            )

    names = run(look())
    assert {"Loaded", "Found ready", "resolve", "render"} <= set(names)
