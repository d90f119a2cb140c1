"""Measure the viewer in a headless Chromium: ``python scripts/bench_viewer.py http://127.0.0.1:8080/ --layer sst``.

Prints the size of the page, the time until the first map is painted with an empty cache, the time that switching to a
time takes that was loaded ahead, and the long tasks of the page's main thread while the clock plays: by the clock on
the wall, and by the processor time of the thread, which other programs on a busy machine do not lengthen. The load of
the machine is printed with them: without a GPU, Chromium draws on the processors too. ``--slow 4`` plays on a processor
that is made four times slower, as of a cheap phone.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from browser import open_page

READY = "document.documentElement.dataset.state === 'ready'"
SIZES = """performance.getEntriesByType('resource').map(({name, encodedBodySize}) => [name, encodedBodySize])"""
LIMIT_MS = 100
"""Of a task while the clock plays."""
PLAYED_S = 12
LISTED = 3
"""Longest tasks that are described."""
TASK = "ThreadControllerImpl::RunTask"
CATEGORIES = ("toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline")
SWITCH = """(async () => {
  const label = document.getElementById('time');
  const before = label.textContent;
  const start = performance.now();
  document.getElementById('next').click();
  while (label.textContent === before) await new Promise((done) => requestAnimationFrame(done));
  await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - start;
})()"""


@dataclass(frozen=True)
class Task:
    """One task of the main thread."""

    wall_ms: float
    cpu_ms: float
    parts: str
    """What takes most of it."""


def main_tasks(trace: list[dict[str, Any]]) -> list[Task]:
    """Return the tasks of a page's main thread, the longest first.

    Args:
        trace: Events in Chromium's trace format, of one page.

    Returns:
        Its tasks; parts of a task that take less than an eighth of it are not named.
    """
    mains = {
        (event["pid"], event["tid"])
        for event in trace
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    own = [event for event in trace if event["ph"] == "X" and (event["pid"], event["tid"]) in mains]
    tasks = sorted((each for each in own if each["name"] == TASK), key=lambda each: -each["dur"])

    def parts(task: dict[str, Any]) -> str:
        inside = [
            each
            for each in own
            if each is not task
            and each["pid"] == task["pid"]
            and task["ts"] <= each["ts"] < task["ts"] + task["dur"]
            and each["dur"] * 8 > task["dur"]
        ]
        return ", ".join(f"{each['name']} {each['dur'] / 1000:.0f}" for each in inside[:4])

    described = [parts(task) for task in tasks[:LISTED]] + [""] * len(tasks)
    return [
        Task(task["dur"] / 1000, task.get("tdur", 0) / 1000, text) for task, text in zip(tasks, described, strict=False)
    ]


async def first_paint(url: str) -> float:
    """Return the milliseconds until the first map is complete, in a fresh browser."""
    async with open_page(1280, 800) as page:
        await page.go(url)
        await page.wait_until("document.documentElement.dataset.painted !== undefined")
        return float(await page.evaluate("document.documentElement.dataset.painted"))


async def measure(url: str, layer: str, runs: int, slow: float) -> None:
    """Print the figures.

    Args:
        url: Address of the viewer.
        layer: A layer with several times.
        runs: How often the first paint is measured.
        slow: How many times slower the page's processor is made while the clock plays.
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
        await page.call("Emulation.setCPUThrottlingRate", rate=slow)
        async with page.tracing(*CATEGORIES):
            await page.press(" ", " ")
            await asyncio.sleep(PLAYED_S)
        tasks = main_tasks(page.trace)
        over = sum(each.wall_ms > LIMIT_MS for each in tasks)
        busy = sum(each.cpu_ms > LIMIT_MS for each in tasks)
        print(
            f"playing for {PLAYED_S} s: {over} tasks over {LIMIT_MS} ms, {busy} of processor time; the longest "
            f"{tasks[0].wall_ms:.0f} ms, of processor time {max(each.cpu_ms for each in tasks):.0f} ms; "
            f"main thread busy {sum(each.cpu_ms for each in tasks) / PLAYED_S / 10:.0f} %"
        )
        for task in tasks[:LISTED]:
            print(f"  {task.wall_ms:.0f} ms, {task.cpu_ms:.0f} ms of processor time: {task.parts}")


def main(
    url: Annotated[str, typer.Argument(help="Address of the viewer.")] = "http://127.0.0.1:8080/",
    layer: Annotated[str, typer.Option(help="A layer with several times.")] = "air",
    runs: Annotated[int, typer.Option(help="How often to measure the first paint.")] = 5,
    slow: Annotated[float, typer.Option(min=1, help="Make the page's processor so many times slower.")] = 1,
) -> None:
    """Measure the running viewer."""
    asyncio.run(measure(url, layer, runs, slow))


if __name__ == "__main__":
    typer.run(main)
