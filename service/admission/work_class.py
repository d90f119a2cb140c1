"""Classes of work: what shares slots, and how much of each is admitted.

Tiles that are in memory are in no class: they are answered at once. Below them light work comes before heavy work by
having slots of its own, and work that nobody waits for runs only where nothing else waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazytile.service.http.settings import Settings

TASKS_PER_THREAD = 2
"""Light tasks that the engine is given for each of its threads: one that runs, one so that no thread waits for us."""
PYTHON_SLOTS = 1
"""Compiling a style and writing a document hold the interpreter's lock: two at a time only take it from the event loop
more often."""
PYTHON_RESTS = 3.0
"""For so many times its own duration such a task's slot stays empty while others wait. A crowd's styles, one right
after another, would take a whole processor, and the event loop would wait for the lock several times in each reply."""

FEWEST_PREPARED = 64
"""As many may wait for a preparation at least: it takes some milliseconds, and all that need it wait for one."""


class WorkClass(StrEnum):
    """What kind of work a request causes."""

    LIGHT = "light"
    """Tiles, maps, values and numbers that take up to ``heavy_ms``."""
    HEAVY = "heavy"
    """Those that take longer."""
    STYLE = "style"
    """A style that is not compiled yet, a legend, a colormap."""
    PREPARATION = "preparation"
    """What is computed for the first request that needs it: limits of tiles, a time axis, a projection."""
    DOCUMENT = "document"
    """Capabilities, descriptions, long series as text."""
    BACKGROUND = "background"
    """What nobody waits for: tiles that may be requested next, and those of a warm-up."""


@dataclass(frozen=True, slots=True)
class ClassLimits:
    """How much work of one class is admitted."""

    running: int
    """Tasks that run at a time."""
    waiting: int
    """Tasks that may wait; further ones are refused."""
    wait_s: float = 3600.0
    """How long a task may wait before it is refused."""
    retry_after_s: int = 1
    """When refused clients may ask again, at the earliest."""
    rests: float = 0.0
    """For how many times the duration of a task its slot stays empty, where others wait for it."""


def class_limits(settings: Settings, engine_threads: int) -> dict[WorkClass, ClassLimits]:
    """Return the limits that settings describe.

    Args:
        settings: The settings.
        engine_threads: Tasks that the engine runs at a time.

    Returns:
        Limits by class.
    """
    length, wait_s = settings.queue_length, settings.queue_wait_s
    heavy = settings.heavy_slots or max(1, engine_threads // 2)
    return {
        WorkClass.LIGHT: ClassLimits(engine_threads * TASKS_PER_THREAD, length, wait_s, 1),
        WorkClass.HEAVY: ClassLimits(heavy, min(length, settings.heavy_queue_length), wait_s, 5),
        WorkClass.STYLE: ClassLimits(PYTHON_SLOTS, length, wait_s, 2, PYTHON_RESTS),
        WorkClass.PREPARATION: ClassLimits(PYTHON_SLOTS, max(length, FEWEST_PREPARED), wait_s, 1),
        WorkClass.DOCUMENT: ClassLimits(PYTHON_SLOTS, length, wait_s, 2, PYTHON_RESTS),
        WorkClass.BACKGROUND: ClassLimits(settings.background_slots, length, wait_s, 5),
    }
