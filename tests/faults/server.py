"""A server process, and the comparison of its replies with those of an undisturbed one.

Every fault is tested the same way::

    truth = undisturbed(store, tmp_path, PATHS)           # before the fault
    with serving(store, tmp_path / "cache") as server:
        ...                                                # the fault
        seen = compare(server, truth)
        assert not seen.wrong and seen.refused
        ...                                                # the repair
        assert heal_time_s(server, truth) < 10

A reply is right where status and body are those of the undisturbed server, refused where it is an error, and wrong in
every other case: a wrong picture is worse than none.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lazytile.pyramid.core import process
from lazytile.service.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-c", "from lazytile.service.cli.main import main\nif __name__ == '__main__': main()")
_STARTED = re.compile(r"lazytile is at http://[^:]+:([0-9]+)/\nengine: (.*); Ctrl-C stops the server")


@dataclass(frozen=True)
class Reply:
    """A response; status 0 where the connection was refused or broke, with the reason as body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ServerProcess:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    engine: str
    """As the server announces it."""
    log_file: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = 60) -> Reply:
        """Request a path. Never raises for a broken connection: that is a reply of status 0."""
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            body = response.read()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, body, time.monotonic() - started)
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, {}, repr(error).encode(), time.monotonic() - started)
        finally:
            connection.close()

    def log(self) -> str:
        """Return what the server and its children wrote to standard error."""
        return self.log_file.read_text(errors="replace")

    def counter(self, name: str, **labels: str) -> float:
        """Return the value of a metric; 0 where there is none yet."""
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
        for line in self.get("/metrics").body.decode().splitlines():
            if line.rpartition(" ")[0] == wanted:
                return float(line.rpartition(" ")[2])
        return 0.0

    def conditions(self) -> list[dict[str, Any]]:
        """Return the conditions that /readyz lists. Asks again where the process that it asked was just killed."""
        for _ in range(20):
            reply = self.get("/readyz")
            if reply.status:
                break
        found = reply.json()["conditions"]
        assert isinstance(found, list)
        return found

    def condition(self, *texts: str, key: str = "") -> dict[str, Any]:
        """Wait until /readyz lists one condition, which has one of these texts, and return it.

        A thread or another process may have to tell of it first, after the reply that it is about.
        """
        found: list[dict[str, Any]] = []

        def is_listed() -> bool:
            found[:] = self.conditions()
            return len(found) == 1 and found[0]["key"].startswith(key) and any(t in found[0]["problem"] for t in texts)

        wait_for(is_listed, what=found)
        return found[0]

    def children(self) -> list[int]:
        """Return the ids of the server's child processes."""
        found = []
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{self.pid}/task"):  # noqa: PTH208
                with open(f"/proc/{self.pid}/task/{task}/children") as file:  # noqa: PTH123
                    found += [int(each) for each in file.read().split()]
        return found


@contextlib.contextmanager
def serving(
    store: Path,
    cache: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    command: tuple[str, ...] = COMMAND,
    exit_code: int | None = 0,
) -> Iterator[ServerProcess]:
    """Run ``lazytile serve`` in a process of its own until the block ends.

    ``--engine threads --workers 1 --offline`` unless ``options`` say otherwise. The server gets SIGTERM at the end and
    must exit with ``exit_code``; None: any, as after a fault that kills it. A traceback in its log fails the test.
    """
    defaults = {"--engine": "threads", "--workers": "1", "--port": "0"}
    chosen = [part for name, value in defaults.items() if name not in options for part in (name, value)]
    cache.parent.mkdir(parents=True, exist_ok=True)
    log_file = cache.parent / f"{cache.name}.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [*command, "serve", "--store", str(store), "--cache", str(cache), "--offline", *chosen, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "LAZYTILE_ACCESS_LOG": "off", "TMPDIR": str(cache.parent), **(environment or {})},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline() + process.stdout.readline()
        match = _STARTED.match(line)
        assert match, (line, log_file.read_text())
        server = ServerProcess(process, int(match[1]), match[2], log_file)
        yield server
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        found = process.wait(120)
        assert exit_code is None or found == exit_code, (found, server.log())
        assert "Traceback" not in server.log(), server.log()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


Truth = dict[str, Reply]
"""The reply to each path without a fault."""


def tile_paths(layer: str, zooms: Iterable[int], suffix: str = "") -> list[str]:
    """Return the XYZ addresses of every tile of some zooms; ``suffix`` is a query with its question mark."""
    return [f"/xyz/{layer}/{z}/{x}/{y}.png{suffix}" for z in zooms for x in range(1 << z) for y in range(1 << z)]


def record(server: ServerProcess, paths: Iterable[str]) -> Truth:
    """Request paths from an undisturbed server; each must succeed."""
    found = {path: server.get(path) for path in paths}
    failed = {path: reply.status for path, reply in found.items() if reply.status != 200}
    assert not failed, failed
    return found


def undisturbed(store: Path, folder: Path, paths: Iterable[str], *options: str) -> Truth:
    """Return the replies of a server without faults, which ends before this returns."""
    with serving(store, folder / "undisturbed", *options) as server:
        return record(server, paths)


@dataclass
class Comparison:
    """How replies compare with the truth. Thread-safe to add to."""

    right: list[str] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)
    """Path and status of errors: 4xx, 5xx, and 0 for a broken connection."""
    wrong: list[str] = field(default_factory=list)
    """Anything else, described."""
    slowest_s: float = 0.0

    def add(self, path: str, reply: Reply, truths: Iterable[Truth]) -> None:
        """Compare a reply with each state that is true: two where the data was replaced meanwhile."""
        self.slowest_s = max(self.slowest_s, reply.seconds)
        possible = [truth[path] for truth in truths if path in truth]
        if reply.status == 0 or reply.status >= 400:
            self.refused.append((path, reply.status))
        elif any((reply.status, reply.body) == (each.status, each.body) for each in possible):
            self.right.append(path)
        else:
            self.wrong.append(f"{path}: {reply.status}, {_difference(reply, possible)}, {dict(reply.headers)}")

    @property
    def statuses(self) -> set[int]:
        """The statuses of the errors."""
        return {status for _, status in self.refused}


def _difference(reply: Reply, possible: list[Reply]) -> str:
    """Return how a wrong reply differs: in pixels, or only in how they are encoded."""
    sizes = f"{len(reply.body)} bytes, {[len(each.body) for each in possible]} expected"
    try:
        found, *expected = (
            np.asarray(Image.open(io.BytesIO(each.body)).convert("RGBA")).astype(int) for each in (reply, *possible)
        )
        return f"{sizes}, pixels that differ: {[int((found != each).any(axis=-1).sum()) for each in expected]}"
    except (OSError, ValueError) as error:
        return f"{sizes}, no picture: {error}"


def compare(server: ServerProcess, *truths: Truth, paths: Iterable[str] | None = None) -> Comparison:
    """Request paths (by default all of the first truth) and compare."""
    seen = Comparison()
    for path in truths[0] if paths is None else paths:
        seen.add(path, server.get(path), truths)
    return seen


def heal_time_s(server: ServerProcess, *truths: Truth, limit_s: float = 120) -> float:
    """Request until one round is right throughout, and return how long that took. A wrong reply fails the test."""
    started = time.monotonic()
    while True:
        seen = compare(server, *truths)
        assert not seen.wrong, seen.wrong
        passed = time.monotonic() - started
        if not seen.refused:
            return passed
        assert passed < limit_s, seen.refused
        time.sleep(0.1)


def wait_for(condition: Callable[[], object], limit_s: float = 120, what: object = "") -> None:
    """Wait until a condition holds; ``what`` is shown where it never does.

    The limit ends a test that hangs. It is no claim about the server: the tests run beside others on few processors.
    """
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"the condition does not come true {what}"
        time.sleep(0.05)


def slowness() -> float:
    """Return how many times longer work takes at the moment than on an idle processor; 1 or more.

    A promise of seconds is one of a machine with a processor to spare: multiply it by this.
    """
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < 0.2:
        pass
    return max(1.0, (time.monotonic() - began) / 0.2)


@contextlib.contextmanager
def load(server: ServerProcess, *truths: Truth, threads: int = 2) -> Iterator[Comparison]:
    """Request all paths again and again in threads while the block runs; yield what they see."""
    seen = Comparison()
    stop = threading.Event()

    def work(first: int) -> None:
        paths = list(truths[0])
        at = first
        while not stop.is_set():
            path = paths[at % len(paths)]
            seen.add(path, server.get(path), truths)
            at += threads

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield seen
    finally:
        stop.set()
        for worker in workers:
            worker.join(90)


def here(*arguments: object) -> int:
    """Run a command in this process, which is quicker, and return its exit code."""
    standing = process.current()
    try:
        return main.run([str(argument) for argument in arguments])
    finally:
        process.reinstall(standing)
