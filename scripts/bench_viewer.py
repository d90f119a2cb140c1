"""Measure the viewer in a headless Chromium: ``python scripts/bench_viewer.py http://127.0.0.1:8080/ --layer sst``.

Prints the size of the page, the time until the first map is painted with an empty cache, the time that switching to a
time takes that was loaded ahead, and the long tasks while the clock plays. The load of the machine is printed with
them: without a GPU, Chromium draws on the processors, and on a busy machine every figure measures the others.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from typing import Annotated

import typer
from browser import open_page

READY = "document.documentElement.dataset.state === 'ready'"
SIZES = """performance.getEntriesByType('resource').map(({name, encodedBodySize}) => [name, encodedBodySize])"""
WATCH = """(() => { window.tasks = []; new PerformanceObserver((list) => {
  for (const {duration} of list.getEntries()) window.tasks.push(Math.round(duration));
}).observe({type: 'longtask'}); })()"""
LIMIT_MS = 100
"""Of a task while the clock plays."""
PLAYED_S = 12
SWITCH = """(async () => {
  const label = document.getElementById('time');
  const before = label.textContent;
  const start = performance.now();
  document.getElementById('next').click();
  while (label.textContent === before) await new Promise((done) => requestAnimationFrame(done));
  await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - start;
})()"""


async def first_paint(url: str) -> float:
    """Return the milliseconds until the first map is complete, in a fresh browser."""
    async with open_page(1280, 800) as page:
        await page.go(url)
        await page.wait_until("document.documentElement.dataset.painted !== undefined")
        return float(await page.evaluate("document.documentElement.dataset.painted"))


async def measure(url: str, layer: str, runs: int) -> None:
    """Print the figures.

    Args:
        url: Address of the viewer.
        layer: A layer with several times.
        runs: How often the first paint is measured.
    """
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    address = f"{url}#layer={layer}"
    painted = [await first_paint(address) for _ in range(runs)]
    print(f"first map painted: median {statistics.median(painted):.0f} ms of {sorted(round(each) for each in painted)}")
    async with open_page(1280, 800) as page:
        await page.go(address)
        await page.wait_until(READY)
        await asyncio.sleep(2)
        sizes = [(name, size) for name, size in await page.evaluate(SIZES) if "/viewer/" in name]
        lines = sum(size for name, size in sizes if "countries" in name)
        html = float(await page.evaluate("performance.getEntriesByType('navigation')[0].encodedBodySize"))
        bare = sum(size for _, size in sizes) - lines + html
        print(f"page, compressed: {bare / 1000:.0f} kB; with the coastlines in use {(bare + lines) / 1000:.0f} kB")
        switches = []
        for _ in range(10):
            await asyncio.sleep(0.6)  # the next time is loaded ahead
            switches.append(float(await page.evaluate(SWITCH)))
        print(f"switching time: median {statistics.median(switches):.0f} ms, longest {max(switches):.0f} ms")
        await page.evaluate(WATCH)
        await page.press(" ", " ")
        await asyncio.sleep(PLAYED_S)
        tasks = await page.evaluate("window.tasks")
        over = sum(each > LIMIT_MS for each in tasks)
        print(
            f"playing for {PLAYED_S} s: {over} tasks over {LIMIT_MS} ms, {len(tasks)} over 50 ms, "
            f"longest {max(tasks, default=0)} ms"
        )


def main(
    url: Annotated[str, typer.Argument(help="Address of the viewer.")] = "http://127.0.0.1:8080/",
    layer: Annotated[str, typer.Option(help="A layer with several times.")] = "air",
    runs: Annotated[int, typer.Option(help="How often to measure the first paint.")] = 5,
) -> None:
    """Measure the running viewer."""
    asyncio.run(measure(url, layer, runs))


if __name__ == "__main__":
    typer.run(main)
