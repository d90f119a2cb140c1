"""Every feature clicked through on real data of many kinds, with a screen reader's and a phone's eyes too."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from lazytile.service.app.viewer_page import VIEWER
from tests.browser.page import READY, choose, click, opened, picture, skip_without_browser

skip_without_browser()

TEXT = "document.getElementById('{}').textContent"
FIELDS = "Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"
LAYERS = {
    "sst.analysed_sst": "°C",
    "arctic.aice": "",
    "europe": "°C",
    "landsea": "",
    "century": "°C",
    "era5.t": "°C",
    "opera": "",
    "swath.wind_speed": "m s⁻¹",
    "dateline": "",
    "chlorophyll.conc_chl": "mg m⁻³",
}
"""A layer of each kind and the units of its legend."""


async def colours(page, left=700):
    """How many colours the map right of the panel has."""
    shot = np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("RGB"))[120:600, left:1180]
    return len(np.unique(shot.reshape(-1, 3), axis=0))


async def visit(page, hash_):
    await page.evaluate(f"void (location.hash = {hash_!r})")
    await page.wait_until("location.hash.includes('at=')")
    await page.wait_until(READY)


def test_layers_of_every_kind_are_shown_with_their_legends_in_their_projections(real):
    async def scenario():
        async with opened(real, "#layer=sst.analysed_sst&coast=0&grid=0") as page:
            for layer, units in LAYERS.items():
                await visit(page, f"#layer={layer}&coast=0&grid=0")
                await page.wait_until(f"document.querySelector('#legend figure').dataset.layer === {layer!r}")
                legend = await page.evaluate("document.querySelector('#legend figcaption').textContent")
                assert legend.endswith(units), legend
                assert await colours(page, 360) > 3, layer
                codes = await page.evaluate(
                    "[...document.querySelectorAll('#projection input')].map((input) => input.value)"
                )
                for code in codes[1:]:
                    await choose(page, f"#projection input[value='{code}']", code)
                    await page.wait_until(READY)
                    await page.press("0", "0")
                    await page.wait_until(READY)
                    assert (await page.evaluate(FIELDS))["crs"] == code
            await visit(page, "#layer=arctic.temperature&crs=EPSG:3413")
            await page.wait_until("document.querySelectorAll('#dimensions select').length === 1")
            await page.evaluate("document.getElementById('home').click()")
            await picture(page, "arctic")
            await visit(page, "#layer=europe&crs=native_europe")
            await picture(page, "native")

    asyncio.run(scenario())


def test_several_layers_have_an_order_opacity_and_blending(real):
    order = "[...document.querySelectorAll('#stack li')].map((row) => row.dataset.layer)"

    async def scenario():
        async with opened(real, "#layer=sst.analysed_sst&at=0,30,2") as page:
            await click(page, "#layers .item:has(input[value='landsea']) .add")
            await page.wait_until(READY)
            assert await page.evaluate(order) == ["landsea", "sst.analysed_sst"]
            await choose(page, "#opacity", "0.5")
            await choose(page, "#blend", "multiply")
            await page.evaluate("document.querySelector('[aria-label^=\"Move down\"]').click()")
            assert await page.evaluate(order) == ["sst.analysed_sst", "landsea"]
            await page.wait_until(READY)
            link = await page.evaluate("location.hash")
            assert link.index("layer=landsea") < link.index("layer=sst")
            assert "opacity=0.5&blend=multiply" in link
            await page.wait_until("document.querySelectorAll('#legend figure').length === 2")
            await page.evaluate("document.querySelector('[data-layer=landsea] [aria-label^=\"Hide\"]').click()")
            await page.wait_until("document.querySelectorAll('#legend figure').length === 1")
            # Layers of two eras: the one without data at this time says so, and nothing is asked for.
            await click(page, "#layers .item:has(input[value='century']) .add")
            await page.wait_until("[...document.querySelectorAll('.absent')].some((note) => note.textContent)")
            await page.evaluate("document.querySelector('[aria-label^=\"Remove\"]').click()")
            await page.wait_until(f"{order}.length === 2")
            # The link brings everything back.
            await page.evaluate(f"void (location.href = location.pathname + {link!r})")
            await page.wait_until(f"location.hash === {link!r}")

    asyncio.run(scenario())


def test_two_times_of_one_layer_are_compared_with_a_divider_and_side_by_side(real):
    async def scenario():
        async with opened(real, "#layer=century&coast=0") as page:
            await page.press("c", "c")
            await choose(page, "#compare-swipe", "swipe")
            await page.wait_until("document.getElementById('divider').hidden === false")
            await page.press(",", ",")
            await page.wait_until(READY)
            link = await page.evaluate(FIELDS)
            assert (link["compare"], link["edit"]) == ("swipe", "b")
            names = [await page.evaluate(TEXT.format(f"name-{side}")) for side in "ab"]
            assert names[0] != names[1]
            await page.evaluate("document.getElementById('divider').focus()")
            await page.press("ArrowLeft")
            assert await page.evaluate("document.getElementById('divider').getAttribute('aria-valuenow')") == "48"
            await picture(page, "compare")
            await choose(page, "#compare-split", "split")
            await page.wait_until("!document.getElementById('map-b').hidden")
            await page.wait_until(READY)
            await page.wait_until("document.querySelector('#map-b canvas') !== null")
            await page.press("x", "x")
            await page.wait_until(READY)
            assert "edit=b" not in await page.evaluate("location.hash")
            await choose(page, "#compare-off", "off")
            await page.wait_until(READY)
            assert "compare" not in await page.evaluate("location.hash")

    asyncio.run(scenario())


def test_the_clock_has_a_calendar_speeds_steps_and_a_range(real):
    async def scenario():
        async with opened(real, "#layer=century&time=1950-07-16T22:00:00Z") as page:
            await choose(page, "#calendar", "1960-01-01")
            await page.wait_until(f"{TEXT.format('time')}.startsWith('1960')")
            await click(page, "#clock-gear")
            for control, value in (("#speed", "8"), ("#step", "5")):
                await choose(page, control, value)
            await page.evaluate("document.getElementById('range-from').click()")
            await page.press(".", ".")
            await page.wait_until(f"{TEXT.format('time')}.startsWith('1965')")
            await page.evaluate("document.getElementById('range-to').click()")
            await page.press(".", ".")
            await page.wait_until(f"{TEXT.format('time')}.startsWith('1960')")
            await page.wait_until(READY)
            link = await page.evaluate(FIELDS)
            assert (link["fps"], link["step"]) == ("8", "5")
            assert link["from"].startswith("1960")
            await page.evaluate("document.getElementById('range-all').click()")
            await page.press(" ", " ")
            await page.wait_until("Number(document.getElementById('timeline').dataset.warm) > 2")
            await picture(page, "clock")
            await page.press(" ", " ")
            assert await page.evaluate("document.querySelectorAll('#warm i').length") > 0

    asyncio.run(scenario())


def test_the_style_is_changed_and_shows_at_once(real):
    tiles = (
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => name.includes('/wmts/'))"
    )

    async def scenario():
        async with opened(real, "#layer=sst.analysed_sst&at=-40,30,3") as page:
            # Without a colormap of its own the colours run from the 2nd to the 98th percentile.
            urls = await page.evaluate(tiles)
            assert urls
            assert all("rescale=" in url for url in urls)
            await page.wait_until("document.querySelector('.histogram canvas') !== null")
            await page.evaluate("document.getElementById('range-All values').click()")
            await page.wait_until(READY)
            assert float((await page.evaluate(FIELDS))["range"].split(",")[0]) < 271.3
            low = "document.querySelector('.ends-of-range input').value"
            assert -3 < float(await page.evaluate(low)) < 0
            await choose(page, ".ends-of-range input", "10")
            await page.wait_until("location.hash.includes('range=283.15,')")
            for control, wanted in (("#log", "spacing=log"), ("#reverse", "style=default_r")):
                await page.evaluate(f"document.querySelector({control!r}).click()")
                await page.wait_until(f"location.hash.includes({wanted!r})")
                await page.wait_until(f"document.querySelector({control!r}).checked")
            await page.evaluate("document.querySelector('.gallery').open = true")
            await picture(page, "style")
            await page.evaluate("document.querySelector('#colormap-ocean').click()")
            await page.wait_until("location.hash.includes('style=ocean_r')")
            for control, value in (("#resampling", "nearest"), ("#filter-kind", "hillshade"), ("#contour", "2")):
                await choose(page, control, value)
                await page.wait_until(READY)
            assert any("filter=contour:2" in url for url in await page.evaluate(tiles))
            assert any("filter=hillshade" in url and "resampling=nearest" in url for url in await page.evaluate(tiles))
            await page.evaluate("document.getElementById('range-Reset').click()")
            await page.wait_until("!location.hash.includes('range=')")

    asyncio.run(scenario())


def test_the_legend_marks_the_value_under_the_pointer_and_lists_the_classes_that_occur(real):
    async def scenario():
        async with opened(real, "#layer=sst.analysed_sst&at=-40,30,3") as page:
            await page.move(760, 400)
            await page.wait_until("document.querySelector('.marker')?.hidden === false")
            await page.wait_until("document.getElementById('position').textContent.includes('°')")
            await picture(page, "start")
            await visit(page, "#layer=opera")
            await page.wait_until("document.querySelectorAll('.classes li').length > 0")
            codes = await page.evaluate(
                "[...document.querySelectorAll('.classes li')].map((item) => item.dataset.code)"
            )
            assert 1 < len(codes) < 12
            await page.move(760, 400)
            await page.wait_until("document.querySelector('.classes li.here') !== null")
            # Kelvin by choice.
            await visit(page, "#layer=sst.analysed_sst&celsius=0")
            await page.wait_until("document.querySelector('#legend .units')?.textContent === 'K'")

    asyncio.run(scenario())


def test_coastlines_and_the_country_under_the_pointer(real):
    async def scenario():
        async with opened(real, "#layer=landsea&at=2,47,4") as page:
            await page.wait_until(
                "performance.getEntriesByType('resource').some(({name}) => name.includes('countries-50m'))"
            )
            await page.move(640, 400)
            await page.wait_until("document.getElementById('position').textContent.includes('France')")

    asyncio.run(scenario())


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_axe_finds_no_violation(real, theme, size):
    script = VIEWER.parent / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip("axe-core is not installed: make setup installs it")

    async def violations(page):
        return await page.evaluate(
            "axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, ...nodes.map(({html}) => html)]))"
        )

    async def scenario():
        async with opened(real, "#layer=era5.t", size, wait=None) as page:
            await page.prefer(prefers_color_scheme=theme)
            await page.wait_until(READY)
            await page.wait_until("document.querySelector('#legend figure') !== null")
            assert await page.evaluate("document.documentElement.dataset.theme") == theme
            await page.evaluate(script.read_text(encoding="utf-8"))
            assert await violations(page) == []
            await picture(page, f"{theme}-{size[0]}")
            if size[0] < 640:
                await page.evaluate("document.getElementById('fold').click()")
                small = await page.evaluate(
                    "[...document.querySelectorAll('button, select, summary')].filter((e) => e.offsetParent)"
                    ".filter((e) => e.offsetHeight < 40).map((e) => e.outerHTML.slice(0, 80))"
                )
                assert small == []
                await picture(page, f"{theme}-sheet")
                assert await violations(page) == []
            tools = await page.evaluate("[...document.querySelectorAll('#rail .tool')].map(({id}) => id)")
            assert {"tool-compare", "tool-map", "tool-help"} <= set(tools)
            for tool in tools:
                await page.evaluate(f"document.getElementById({tool!r}).click()")
                assert await violations(page) == [], tool

    asyncio.run(scenario())
