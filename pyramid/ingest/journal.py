"""The journal of a build: what is done already, so that a run after a kill goes on from there.

One JSON line a task, appended when its chunks are written. A line that a kill has torn is left out, and so is one
whose chunks are not what it says (after a power cut, say).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest.build_task import Outcome, Task
from lazytile.pyramid.store.chunk_file import FileDigest, read_file
from lazytile.pyramid.store.summary import Summary

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """The finished tasks of a build. Not thread-safe: the process that hands out the tasks keeps it."""

    def __init__(self, path: Path) -> None:
        self._done: dict[str, Outcome] = {}
        if path.exists():
            with path.open("rb+") as file:
                data = file.read()
                # What follows the last line break is torn; the next line must not be joined to it.
                file.truncate(data.rfind(b"\n") + 1)
            for line in data.splitlines(keepends=True):
                self._take(line)
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def find(self, task: Task) -> Outcome | None:
        """Return the outcome of a task that is done, if what it wrote is still there."""
        outcome = self._done.get(task.key)
        return outcome if outcome is not None and _is_there(task, outcome) else None

    def add(self, task: Task, outcome: Outcome) -> None:
        """Note that a task is done."""
        entry = {
            "task": task.key,
            "name": outcome.name,
            "summaries": {str(level): summary.to_json() for level, summary in outcome.summaries.items()},
            "marks": [(level, index, mark.size, mark.crc) for level, index, mark in outcome.marks],
        }
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            self._done[entry["task"]] = Outcome(
                entry["name"],
                {int(level): Summary.from_json(each) for level, each in entry["summaries"].items()},
                tuple((level, tuple(index), FileDigest(size, crc)) for level, index, size, crc in entry["marks"]),
            )
        except (ValueError, KeyError, TypeError, StoreError):
            return


def _is_there(task: Task, outcome: Outcome) -> bool:
    for level, index, mark in outcome.marks:
        if FileDigest.of(read_file(task.job.folders[level].file(index)) or b"") != mark:
            return False
    return True
