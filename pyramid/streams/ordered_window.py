"""Steps in order, some of which are jobs that run elsewhere and end in any order, with a bounded number under way."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Step = TypeVar("Step")
Made = TypeVar("Made")


class OrderedWindow(Generic[Step, Made]):
    """The steps whose turn has not come; so many of them at most are jobs that run or whose results wait."""

    def __init__(self, steps: Iterator[Step], is_job: Callable[[Step], bool], *, max_jobs: int, max_steps: int) -> None:
        """Begin with the first step.

        Args:
            steps: Drawn as there is room.
            is_job: Whether a step has its turn only once something was made for it.
            max_jobs: Most jobs in the window.
            max_steps: Most steps in the window.
        """
        self.is_complete = False
        """Whether every step was drawn."""
        self._steps = enumerate(steps)
        self._is_job = is_job
        self._max_jobs = max_jobs
        self._max_steps = max_steps
        self._open: deque[tuple[int, Step]] = deque()
        self._jobs = 0
        self._made: dict[int, Made] = {}

    def jobs(self) -> Iterator[tuple[int, Step]]:
        """Draw steps until the window is full, or none is left.

        Yields:
            The number of each job, and the job.
        """
        while self._jobs < self._max_jobs and len(self._open) < self._max_steps:
            found = next(self._steps, None)
            if found is None:
                self.is_complete = True
                return
            self._open.append(found)
            if self._is_job(found[1]):
                self._jobs += 1
                yield found

    def put(self, number: int, made: Made) -> None:
        """Take what was made for a job.

        Args:
            number: Of the job.
            made: Its result.
        """
        self._made[number] = made

    def in_order(self) -> Iterator[tuple[Step, Made | None]]:
        """Take the steps whose turn it is out of the window.

        Yields:
            Each step, and what was made for it; None where it is no job.
        """
        while self._open:
            number, step = self._open[0]
            if not self._is_job(step):
                yield step, None
            elif number in self._made:
                self._jobs -= 1
                yield step, self._made.pop(number)
            else:
                return
            self._open.popleft()
