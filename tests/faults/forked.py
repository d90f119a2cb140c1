"""Processes that are forked from one that has imported what they need, so that each costs milliseconds, not seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SERVER = """
import json, os, sys, traceback
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.store import layout
from lazytile.pyramid.store.codec import Codec

layout.TARGET_BLOCK_BYTES = 1 << 20  # a task for each step of a small grid

def run(task):
    os.environ.update(task["environment"])
    if task["command"] == "append":
        append(task["file"], task["store"], "d")
    else:
        storage = dict(task["storage"])
        codec = Codec.parse(storage.pop("codec", "zstd:1"))
        convert(task["file"], task["store"], "d", storage=Storage(codec, **storage))

for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 1
        try:
            run(json.loads(line))
            code = 0
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkServer:
    """A process that forks another for each task."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, task: Mapping[str, object]) -> int:
        """Start a process and return its id; ``wait`` must follow."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self) -> int:
        """Return the exit code of the process that was started last, negative for a signal."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    """Run a server of forks. What a killed process leaves among temporary files is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="lazytile-forks-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        )
        try:
            yield ForkServer(process)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
