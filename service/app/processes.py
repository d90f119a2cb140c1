"""The server processes, and the parent that supervises several of them.

With the engine ``threads`` a server process renders itself, and ``workers`` processes share the port, each with its
part of the processors and of the memory for caches; since Python runs one thread at a time, several processes are what
uses a machine with many processors. Several server processes may share an existing Dask scheduler, too: passing a task
on costs as much of a processor as rendering a small tile. With ``local`` and ``cuda`` one server process owns the
cluster.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process
from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.protocol import EngineSpec
from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from lazytile.service.http.settings import Settings

LOG = logging.getLogger(__name__)

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads it once, at import, so a process sets it before."""
LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"
RESTART_PAUSE_S = 1.0
KILL_GRACE_S = 5.0


def run_server(settings: Settings, announce: Callable[[str, str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: The settings.
        announce: Called with the address and the engine once both work.

    Raises:
        LazytileError: The server cannot start.
    """
    takes_threads = _takes_threads(settings)
    shares_cluster = EngineSpec.parse(settings.engine).kind == "scheduler"
    if (takes_threads or shares_cluster) and (settings.workers or 1) > 1:
        _run_many(settings, settings.workers or 1, announce)
        return
    from lazytile.service.app.server import run_one  # noqa: PLC0415 - see METRICS_VARIABLE

    # A single server process has all processors; a Dask engine takes the number itself.
    run_one(settings.model_copy(update={"workers": None}) if takes_threads else settings, announce)


def _takes_threads(settings: Settings) -> bool:
    """Return whether the engine will be ``threads``, whose workers are server processes."""
    spec = EngineSpec.parse(settings.engine)
    if spec.kind == "auto":
        from lazytile.pyramid.engines.gpu_devices import gpu_devices  # noqa: PLC0415 - only auto looks for GPUs

        return not gpu_devices().ids
    return spec.kind == "threads"


@dataclass(slots=True)
class _Child:
    """One server process, and what it reported."""

    process: SpawnProcess
    reports: Connection
    is_ready: bool = False


def _run_many(settings: Settings, count: int, announce: Callable[[str, str], None]) -> None:
    sockets = _shared_sockets(settings, count)
    folder = Path(tempfile.mkdtemp(prefix="lazytile-metrics-"))
    try:
        _run_children(settings, sockets, folder, announce)
    finally:
        for sock in sockets:
            sock.close()
        shutil.rmtree(folder, ignore_errors=True)


def _shared_sockets(settings: Settings, count: int) -> list[socket.socket]:
    """Return a listening socket for each process. On Linux the kernel spreads connections over the sockets of a port.

    The sockets belong to the parent, so that a restarted process finds the connections that waited for the previous
    one.
    """
    from lazytile.service.app.server import listen  # noqa: PLC0415 - aiohttp is not needed to print help

    first = listen(settings.host, settings.port)  # without sharing, so that a port in use is noticed
    if sys.platform != "linux":
        return [first] * count
    port = first.getsockname()[1]
    first.close()
    return [listen(settings.host, port, share_port=True) for _ in range(count)]


def _run_children(
    settings: Settings, sockets: list[socket.socket], folder: Path, announce: Callable[[str, str], None]
) -> None:
    from lazytile.service.app.server import address_of  # noqa: PLC0415

    each = settings.model_copy(
        update={
            "workers": max(1, processor_count() // len(sockets)),
            "memory_bytes": settings.memory_bytes // len(sockets),
            "metrics_folder": folder,
        }
    )
    with _signals() as woken:
        others = each.model_copy(update={"offline": True})  # one of them fetches colormaps for all
        children = [_start(others if number else each, sock) for number, sock in enumerate(sockets)]
        try:
            _watch(others, sockets, children, woken, lambda engine: announce(address_of(settings, sockets[0]), engine))
        finally:
            _stop(children)


def _start(settings: Settings, sock: socket.socket) -> _Child:
    context = multiprocessing.get_context("spawn")
    reports, to_parent = context.Pipe(duplex=False)
    child = context.Process(target=_serve_in_child, args=(settings, sock, to_parent), name="lazytile-server")
    child.start()
    to_parent.close()
    return _Child(child, reports)


def _watch(
    settings: Settings,
    sockets: list[socket.socket],
    children: list[_Child],
    woken: socket.socket,
    announce: Callable[[str], None],
) -> None:
    """Wait until the children are ready, then for a signal; restart a child that dies before it."""
    announced = False
    while True:
        waitable: list[Any] = [woken, *(child.process.sentinel for child in children)]
        waitable += [child.reports for child in children if not child.is_ready]
        happened = multiprocessing.connection.wait(waitable)
        if woken in happened:
            return
        for number, child in enumerate(children):
            if child.reports in happened and not child.is_ready:
                engine = _report_of(child)
                if not announced and all(each.is_ready for each in children):
                    announced = True
                    announce(f"{len(children)} server processes, each {engine}")
            elif child.process.sentinel in happened:
                _report_end(child, settings)
                children[number] = _start(settings, sockets[number])


def _report_of(child: _Child) -> str:
    """Return the engine that a child reports. Raises ``ServiceError`` where the child could not start."""
    try:
        is_ready, text = child.reports.recv()
    except EOFError:
        child.process.join()
        is_ready, text = False, f"a server process ended with code {child.process.exitcode} before it could serve"
    if not is_ready:
        raise ServiceError(str(text))
    child.is_ready = True
    return str(text)


def _report_end(child: _Child, settings: Settings) -> None:
    child.process.join()
    child.reports.close()
    LOG.warning("server process %s ended with code %s and is restarted", child.process.pid, child.process.exitcode)
    # Its gauges would be counted forever; its counters must remain.
    for path in Path(settings.metrics_folder or "").glob(f"gauge_live*_{child.process.pid}.db"):
        path.unlink(missing_ok=True)
    time.sleep(RESTART_PAUSE_S)


def _stop(children: list[_Child]) -> None:
    for child in children:
        if child.process.is_alive():
            child.process.terminate()
    deadline = time.monotonic() + KILL_GRACE_S + 60.0
    for child in children:
        child.process.join(max(0.0, deadline - time.monotonic()))
        if child.process.is_alive():
            child.process.kill()
            child.process.join()
        child.reports.close()


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Make SIGINT and SIGTERM wake a socket instead of ending this process, while the context lasts."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    readable, writable = socket.socketpair()
    with readable, writable:
        writable.setblocking(False)
        wakeup = signal.set_wakeup_fd(writable.fileno(), warn_on_full_buffer=False)
        handlers = [signal.signal(number, lambda *_: None) for number in numbers]
        try:
            yield readable
        finally:
            for number, handler in zip(numbers, handlers, strict=True):
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)


def _serve_in_child(settings: Settings, sock: socket.socket, to_parent: Connection) -> None:
    """Run one of several server processes, which ends with its parent."""
    process.begin()
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    logging.getLogger("lazytile.service.app.startup").setLevel(logging.INFO)
    os.environ[METRICS_VARIABLE] = str(settings.metrics_folder)
    from lazytile.service.app.server import serve, stopping_signals  # noqa: PLC0415 - see METRICS_VARIABLE

    async def main() -> None:
        stop = asyncio.Event()
        parent = multiprocessing.parent_process()
        assert parent is not None
        asyncio.get_running_loop().add_reader(parent.sentinel, stop.set)
        with stopping_signals(stop):
            await serve(settings, sock, lambda engine: to_parent.send((True, engine)), stop)
        if not parent.is_alive() and settings.metrics_folder is not None:
            shutil.rmtree(settings.metrics_folder, ignore_errors=True)  # the parent was killed and could not

    try:
        asyncio.run(main())
    except LazytileError as error:
        to_parent.send((False, str(error)))
        sys.exit(1)
