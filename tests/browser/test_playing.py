"""What the page does while the clock runs and while nothing happens: as little as possible."""

from __future__ import annotations

import asyncio

from tests.browser.page import READY, opened, skip_without_browser

skip_without_browser()

LINES = "performance.getEntriesByType('resource').some(({name}) => name.includes('countries-'))"
COUNT_STROKES = """(() => {
  window.strokes = 0;
  const stroke = CanvasRenderingContext2D.prototype.stroke;
  CanvasRenderingContext2D.prototype.stroke = function (...rest) { window.strokes += 1; stroke.apply(this, rest); };
})()"""
DRAWN_LINES = """(() => {
  const canvas = document.querySelector('#map .lines canvas');
  if (!canvas) return false;
  const copy = Object.assign(document.createElement('canvas'), {width: 64, height: 64});
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(canvas, 0, 0, 64, 64);
  return context.getImageData(0, 0, 64, 64).data.some((each) => each > 0);
})()"""
TIME = "document.getElementById('time').textContent"


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 180))


async def step(page):
    """Go to the next time, and wait until it is on the screen."""
    before = await page.evaluate(TIME)
    await page.press(".", ".")
    await page.wait_until(f"{TIME} !== {before!r}")
    await page.wait_until(READY)


def test_coastlines_are_not_drawn_again_for_another_time_but_for_another_view(real):
    async def look():
        async with opened(real, "#layer=century&time=1950-07-16T22:00:00Z") as page:
            await page.wait_until(LINES)
            await page.wait_until(DRAWN_LINES)
            await step(page)
            await page.evaluate(COUNT_STROKES)
            for _ in range(3):
                await step(page)
            still = await page.evaluate("window.strokes")
            await page.press("+", "+")
            await page.wait_until("window.strokes > 0")
            await page.wait_until(READY)
            await page.wait_until(DRAWN_LINES)
            return still

    assert run(look()) == 0


def test_nothing_moves_while_nothing_is_loaded(real):
    async def look():
        async with opened(real, "#layer=century") as page:
            await page.wait_until(LINES)
            await page.wait_until(f"{READY} && document.getAnimations().length === 0")

    run(look())


def test_both_sides_of_a_comparison_have_their_legends_and_coastlines(real):
    titles = "[...document.querySelectorAll('#legend figcaption b')].map((title) => title.textContent.slice(0, 4))"

    async def look():
        link = "#layer=century&side=b&layer=century&time=1920-07-16T22:00:00Z&side=a&compare=split"
        async with opened(real, link) as page:
            await page.wait_until("document.querySelector('#map-b .lines canvas') !== null")
            # One legend where the sides look the same.
            await page.wait_until("document.querySelectorAll('#legend figure').length === 1")
            await page.evaluate("document.getElementById('reverse').click()")
            await page.wait_until("document.querySelectorAll('#legend figure').length === 2")
            names = [await page.evaluate(f"document.getElementById('name-{side}').textContent") for side in "ab"]
            return await page.evaluate(titles), names

    legends, names = run(look())
    assert legends == ["A · ", "B · "]
    assert names[0].startswith("A · ")
    assert "1920-07-16" in names[1]


def test_a_link_with_pins_opens_their_panel(real):
    async def look():
        async with opened(real, "#layer=century&x.pins=10,50;-60,0") as page:
            await page.wait_until("document.querySelectorAll('.pin .value b').length === 2")
            # Without a pointer the chart names the values of the time on the map.
            await page.wait_until("/^1999-07-16/.test(document.querySelector('.points .u-value')?.textContent)")

    run(look())
