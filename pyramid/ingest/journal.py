"""The journal of a build: the tasks that are done, so that a run after a kill resumes there.

One JSON line per task, appended when its chunks are written. A line that a kill cut short is ignored, and so is one
whose chunks are not the recorded ones (after a power failure, for example).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from lazytile.pyramid.chunks.digest_table import ChunkDigest
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.ingest.build_task import Task, TaskResult
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.code_statistics import CodeStatistics

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """The finished tasks of a build. Not thread-safe: the process that hands out the tasks writes it."""

    def __init__(self, path: Path, chunks: Path) -> None:
        """Read a journal, and go on writing it.

        Args:
            path: Of the file; it need not exist yet.
            chunks: Where the build writes: a folder, or a prefix of object storage.
        """
        self._chunks = chunks
        self._there: dict[str, int] | None = None
        self._done: dict[str, TaskResult] = {}
        if path.exists():
            with path.open("rb+") as file:
                data = file.read()
                # Text after the last line break is an incomplete line; the next one must not be joined to it.
                file.truncate(data.rfind(b"\n") + 1)
            for line in data.splitlines(keepends=True):
                self._take(line)
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def find(self, task: Task) -> TaskResult | None:
        """Return the result of a finished task whose files still exist.

        Args:
            task: Of the build.

        Returns:
            Its result; None where it is to be done.
        """
        result = self._done.get(task.key)
        if result is None:
            return None
        has = self._has_object if isinstance(self._chunks, ObjectPath) else self._has_file
        return result if all(has(task, *each) for each in result.digests) else None

    @staticmethod
    def _has_file(task: Task, level: int, index: tuple[int, ...], digest: ChunkDigest) -> bool:
        return task.job.has(level, index, digest)

    def _has_object(self, task: Task, level: int, index: tuple[int, ...], digest: ChunkDigest) -> bool:
        """Return whether an object that holds a chunk is there.

        Objects are written whole, and nobody but this build writes below its prefix, so that a listing tells.
        """
        if not digest.size:
            return True
        assert isinstance(self._chunks, ObjectPath)
        if self._there is None:
            start = len(self._chunks.key) + 1
            self._there = {each.key[start:]: each.size for each in self._chunks.storage.list(self._chunks.key)}
        names = task.job.objects(level, index, task.short_key)
        sizes = [self._there.get(name) for name in names]
        return sizes == [digest.size] if len(names) == 1 else any(size is not None for size in sizes)

    def add(self, task: Task, result: TaskResult) -> None:
        """Record that a task is done.

        Args:
            task: Of the build.
            result: Of the task.
        """
        entry = {
            "task": task.key,
            "name": result.name,
            "summaries": {str(level): each.to_json() for level, each in result.statistics.items()},
            "marks": [(level, index, digest.size, digest.crc) for level, index, digest in result.digests],
        }
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def _take(self, line: bytes) -> None:
        try:
            entry = parse_json(line)
            self._done[entry["task"]] = TaskResult(
                entry["name"],
                {int(level): CodeStatistics.from_json(each) for level, each in entry["summaries"].items()},
                tuple((level, tuple(index), ChunkDigest(size, crc)) for level, index, size, crc in entry["marks"]),
            )
        except (ValueError, KeyError, TypeError, StoreError):
            return
