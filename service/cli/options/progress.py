"""Progress of a command on standard error."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.pyramid.ingest.build import Progress as ByteProgress
    from lazytile.pyramid.streams.progress import MrfProgress

LOG = logging.getLogger(__name__)
LOG_EVERY_S = 30.0
"""How often progress is logged where standard error is not a terminal."""
WIDE = 70
"""Columns of a terminal from which on the bar, the rate and the time left are shown too."""


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Callable[[float, float], None]]:
    """Show a bar with rate and time left while the context lasts, on a terminal only.

    Args:
        label: What is being done.
        unit: What is counted, in the plural.

    Yields:
        A function that takes how much is done, and of how much.
    """
    from rich.console import Console  # noqa: PLC0415 - only where a bar is shown
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    # Bytes are shown in one unit, whatever their number, so that figures can be compared at a glance.
    per_unit, name, digits = (1e6, "MB", 1) if unit == "bytes" else (1.0, unit, 0)

    class Amount(ProgressColumn):
        """How much is done, and of how much."""

        def render(self, task: Task) -> Text:
            total = "?" if task.total is None else f"{task.total / per_unit:.{digits}f}"
            return Text(f"{task.completed / per_unit:.{digits}f}/{total} {name}")

    class Rate(ProgressColumn):
        """Units per second, empty until known."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed / per_unit:.{digits}f} {name}/s")

    console = Console(stderr=True)
    is_wide = console.width >= WIDE
    flexible = Column(no_wrap=True, overflow="ellipsis", ratio=None if is_wide else 1)
    columns: list[ProgressColumn] = [TextColumn("{task.description}", table_column=flexible), Amount()]
    if is_wide:
        columns = [columns[0], BarColumn(), Amount(), Rate(), TimeRemainingColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal, expand=not is_wide) as progress:
        tasks: list[TaskID] = []

        def show(done: float, total: float) -> None:
            if not tasks:
                tasks.append(progress.add_task(label, total=total))  # no bar where there is nothing to do
            progress.update(tasks[0], completed=done, total=total)

        yield show


@contextmanager
def byte_progress(label: str) -> Iterator[Callable[[ByteProgress], None]]:
    """Show the progress of a conversion.

    Args:
        label: What is being done.

    Yields:
        A function that takes the progress.
    """
    with progress_bar(label, "bytes") as bar:
        yield lambda at: bar(at.done_bytes, at.total_bytes)


@contextmanager
def tile_progress(label: str) -> Iterator[Callable[[MrfProgress], None]]:
    """Show the progress of an export: as a bar on a terminal, else as a line of the log every half minute.

    Args:
        label: What is being done.

    Yields:
        A function that takes the progress.
    """
    logged = time.monotonic()
    with progress_bar(label, "tiles") as bar:

        def show(at: MrfProgress) -> None:
            nonlocal logged
            bar(at.tiles_done, at.tiles_total)
            now = time.monotonic()
            if sys.stderr.isatty() or now - logged < LOG_EVERY_S:
                return
            logged = now
            left = at.seconds_left
            LOG.info(
                "%s: %d of %d tiles, %.0f tiles/s, %s left",
                label,
                at.tiles_done,
                at.tiles_total,
                at.tiles_per_second,
                "?" if left is None else f"{left:.0f} s",
            )

        yield show
