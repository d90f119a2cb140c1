"""What runs on a server's event loop: the processor time of every callback while it answers requests of every kind.

``python scripts/probe_loop.py`` starts the application in a process of its own, on a store of synthetic datasets or on
``--store``, sends it varied requests one after another, and prints the callbacks that took longest, each with the
request that it belongs to. ``--forget`` empties the caches of the process before each request, so that none finds what
an earlier one has computed. ``--fresh`` sends each request to a process of its own, which has answered no other.
``--stacks`` names what took long. It exits with 1 if a callback took over ``--limit`` milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe_requests import Request, requests_of, write_store

from lazytile.pyramid.core import process
from lazytile.service.app.server import ServerProcess
from lazytile.service.http.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

LIMIT_MS = 2.0
SHOWN = 400
EVERY_S = 0.0002
"""Between looks at the loop's stack."""
SETTLING_S = 0.5
FORGET = "X-Probe-Forget"
FORGOTTEN = ("store", "pyproj transformers")
"""Resources of a process that a request may have to make."""


@dataclass
class Record:
    """What the callbacks of a loop took."""

    target: str = "start"
    """Of the last request that was read."""
    callbacks: list[tuple[float, str, str, str]] = field(default_factory=list)
    """Milliseconds of processor time, target, callback, and where it was seen most."""
    count: int = 0
    is_running: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def watch(self, least_ms: float) -> None:
        """Measure every callback of the running thread's loop from now on; note those that take longest."""
        run, thread = asyncio.Handle._run, threading.get_ident()  # noqa: SLF001 - there is no public way

        def measured(handle: asyncio.Handle) -> None:
            if threading.get_ident() != thread:
                run(handle)
                return
            self.seen.clear()
            self.is_running, began = True, time.thread_time_ns()
            try:
                run(handle)
            finally:
                ms, self.is_running = (time.thread_time_ns() - began) * 1e-6, False
                self.count += 1
                if ms >= least_ms:
                    seen = "; ".join(f"{count} x {where}" for where, count in self.seen.most_common(4))
                    self.callbacks.append((ms, self.target, repr(handle)[:100], seen))

        asyncio.Handle._run = measured  # type: ignore[method-assign]  # noqa: SLF001

    def watch_stack(self, thread: int) -> None:
        """Note where a callback is, again and again."""
        while True:
            time.sleep(EVERY_S)
            frame = sys._current_frames().get(thread) if self.is_running else None  # noqa: SLF001
            names: list[str] = []
            while frame is not None and "/asyncio/" not in frame.f_code.co_filename:
                names.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
                frame = frame.f_back
            if names and not names[0].startswith("probe_loop."):
                self.seen[" < ".join(names[:14])] += 1


def forget() -> None:
    """Empty the caches of the process."""
    current = process.current()
    for name, _ in current.caches.statistics():
        current.caches[name].clear()
    for key in list(current._resources):  # noqa: SLF001 - nothing else forgets
        if key in FORGOTTEN or (isinstance(key, tuple) and key[0] in FORGOTTEN):
            del current._resources[key]  # noqa: SLF001


async def serve(specification: dict[str, Any]) -> None:
    """Serve a store until SIGTERM, and print what the callbacks took."""
    record, stop = Record(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    settings = Settings.of(
        store=Path(specification["store"]), cache=Path(specification["cache"]), engine="threads", workers=1,
        memory_bytes=specification["memory_mib"] << 20, offline=True, access_log="off",
    )  # fmt: skip
    server = ServerProcess(settings, sock, has_process=True)
    await server.open()
    web_server = server.runner.server
    assert web_server is not None
    inner = web_server.request_handler

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if FORGET in request.headers:
            record.target = "forget"
            forget()
            await asyncio.sleep(0)  # the request's own callback begins here
        record.target = f"{request.method} {request.raw_path}"
        return await inner(request)

    web_server.request_handler = handler
    await asyncio.sleep(SETTLING_S)
    record.watch(specification["least_ms"])
    if specification["stacks"]:
        threading.Thread(target=record.watch_stack, args=(threading.get_ident(),), daemon=True).start()
    print(sock.getsockname()[1], flush=True)
    await stop.wait()
    print(json.dumps({"count": record.count, "callbacks": record.callbacks}), flush=True)
    os._exit(0)


@dataclass
class Measured:
    """What a server process reported."""

    statuses: Counter[int] = field(default_factory=Counter)
    callbacks: list[tuple[float, str, str, str]] = field(default_factory=list)
    count: int = 0


@contextmanager
def serving(options: argparse.Namespace, store: Path, measured: Measured) -> Iterator[int]:
    """Run a server process; yield its port, and add what it reports at its end."""
    with tempfile.TemporaryDirectory(prefix="lazytile-probe-cache-") as cache:
        specification = {
            "store": str(store), "cache": cache, "memory_mib": options.memory_mib,
            "least_ms": options.least, "stacks": options.stacks,
        }  # fmt: skip
        command = [sys.executable, __file__, "--serve", json.dumps(specification)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield int(server.stdout.readline())
            finally:
                server.send_signal(signal.SIGTERM)
                report = json.loads(server.stdout.readline() or '{"count": 0, "callbacks": []}')
        measured.count += report["count"]
        measured.callbacks += [tuple(each) for each in report["callbacks"] if each[1] != "forget"]


def send(port: int, requests: list[Request], measured: Measured, *, forgetting: bool) -> None:
    """Send requests over one connection, one after another."""
    connection, etags = http.client.HTTPConnection("127.0.0.1", port, timeout=120), dict[str, str]()
    for request in requests:
        headers = {**request.headers, **({FORGET: "1"} if forgetting else {})}
        if request.is_conditional:
            headers["If-None-Match"] = etags.get(request.target, "*")
        connection.request(request.method, request.target, request.body, headers)
        response = connection.getresponse()
        response.read()
        measured.statuses[response.status] += 1
        etags[request.target] = response.headers.get("ETag", "*")
    connection.close()


def run(options: argparse.Namespace, store: Path) -> Measured:
    """Send the requests of each seed."""
    measured = Measured()
    for seed in options.seeds:
        requests = requests_of(store, seed)
        if options.only:
            requests = [each for each in requests if options.only in each.target]
        chance = random.Random(seed)  # noqa: S311 - not for security
        requests = chance.sample(requests, min(options.requests, len(requests)))
        for sent in [[each] for each in requests] if options.fresh else [requests]:
            with serving(options, store, measured) as port:
                send(port, sent, measured, forgetting=options.forget)
    return measured


def main() -> int:
    """Run the program; return 1 if a callback took too long."""
    parser = argparse.ArgumentParser(description="Measure what runs on a server's event loop.")
    parser.add_argument("--store", type=Path, help="by default one of synthetic datasets")
    parser.add_argument("--many", type=int, default=0, help="datasets to add to the synthetic ones")
    parser.add_argument("--requests", type=int, default=700, help="of each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", default="", help="only requests whose target has this in it")
    parser.add_argument("--forget", action="store_true", help="empty the caches before each request")
    parser.add_argument("--fresh", action="store_true", help="a new process for each request")
    parser.add_argument("--stacks", action="store_true", help="say what took long; this takes time itself")
    parser.add_argument("--memory-mib", type=int, default=256)
    parser.add_argument("--least", type=float, default=1.0, help="milliseconds from which on a callback is shown")
    parser.add_argument("--limit", type=float, default=LIMIT_MS, help="milliseconds that a callback may take")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(json.loads(options.serve)))
        return 0
    with tempfile.TemporaryDirectory(prefix="lazytile-probe-") as folder:
        store = options.store or write_store(Path(folder, "store"), options.many)
        measured = run(options, store)
    over = [each for each in measured.callbacks if each[0] > options.limit]
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(measured.statuses.items()))
    print(f"{measured.count} callbacks for {sum(measured.statuses.values())} requests ({answers})")
    print(f"{len(over)} took over {options.limit:g} ms, {len(measured.callbacks)} over {options.least:g} ms")
    for ms, target, callback, seen in sorted(measured.callbacks, reverse=True)[:SHOWN]:
        print(f"{ms:7.2f} ms  {target}\n            {callback}")
        for where in filter(None, seen.split("; ")):
            print(f"            {where}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
