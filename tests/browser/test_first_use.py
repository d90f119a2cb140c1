"""What a first visitor sees: hints, once; and legends that stay beside the buttons."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.browser.page import READY, click, opened, skip_without_browser

skip_without_browser()

HINTS = "document.getElementById('hints')"


def run(work):
    return asyncio.run(asyncio.wait_for(work, 180))


def test_hints_are_shown_until_they_are_closed(real):
    async def look():
        async with opened(real) as page:
            await page.wait_until(f"{HINTS} !== null")
            assert "lists all keys" in await page.evaluate(f"{HINTS}.textContent")
            await page.go(f"{real}?again")
            await page.wait_until(f"{HINTS} !== null")
            await click(page, "#hints button")
            assert await page.evaluate(f"{HINTS} === null")
            await page.go(f"{real}?once-more")
            await page.wait_until(READY)
            await page.wait_until("document.documentElement.dataset.painted !== undefined")
            await page.wait_until(
                "performance.getEntriesByType('resource').some(({name}) => name.includes('countries'))"
            )
            assert await page.evaluate(f"{HINTS} === null")

    run(look())


def test_a_link_to_a_view_has_no_hints(real):
    async def look():
        async with opened(real, "#layer=century") as page:
            await page.wait_until("document.documentElement.dataset.painted !== undefined")
            await page.wait_until(
                "performance.getEntriesByType('resource').some(({name}) => name.includes('countries'))"
            )
            assert await page.evaluate(f"{HINTS} === null")

    run(look())


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("layer", ["chlorophyll.conc_tsm", "sst.analysis_error", "arctic.vbar"])
def test_legends_stay_beside_the_buttons_and_their_labels_apart(real, width, layer):
    boxes = (
        "(selector) => [...document.querySelectorAll(selector)].map((e) => e.getBoundingClientRect())"
        ".map(({left, right, top, bottom}) => [left, right, top, bottom])"
    )

    async def look():
        async with opened(real, f"#layer={layer}", (width, 844)) as page:
            await page.wait_until(f"document.querySelector('#legend figure')?.dataset.layer === {layer!r}")
            parts = ("#legend figure", "#legend figcaption *", "#rail", "#legend .ticks span")
            return [await page.evaluate(f"({boxes})({part!r})") for part in parts]

    figures, texts, ((rail, *_),), ticks = run(look())
    assert figures
    assert all(right <= rail + 2 for _, right, *_ in [*figures, *texts])
    assert all(left >= 0 for left, *_ in figures)
    assert len(ticks) > 1
    ordered = sorted(ticks)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ordered))
