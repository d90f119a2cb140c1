"""One of several server processes: what it runs, tells its supervisor, and is told."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process
from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.access.messages import log_messages

if TYPE_CHECKING:
    import socket
    from multiprocessing.connection import Connection

    from lazytile.service.app.board import Board
    from lazytile.service.app.changes import Changes
    from lazytile.service.http.settings import Settings

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads it once, at import, so a process sets it before."""
BEAT_S = 0.25
"""How often a process states that its event loop runs, and what is wrong in it."""


def run_worker_process(settings: Settings, sock: socket.socket, channel: Connection, board: Board, place: int) -> None:
    """Serve until SIGINT, SIGTERM or the supervisor's end.

    Args:
        settings: The settings of this process.
        sock: The listening socket of all processes.
        channel: Where to send ``(True, engine)`` once the process serves and ``(False, text)`` where it cannot, and
            whence settings to reload with come.
        board: What the processes tell each other.
        place: Place of this process there.
    """
    # SIGHUP comes to the whole group where a terminal closes; the supervisor decides what it means.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    process.begin()
    log_messages(settings)
    os.environ[METRICS_VARIABLE] = str(settings.metrics_folder)
    from lazytile.service.app.changes import Changes  # noqa: PLC0415 - see METRICS_VARIABLE
    from lazytile.service.app.event_loop import run  # noqa: PLC0415 - as above
    from lazytile.service.app.server import ServerProcess, handled_signals, serve  # noqa: PLC0415 - as above

    async def main() -> None:
        changes = Changes()
        parent = multiprocessing.parent_process()
        assert parent is not None
        loop = asyncio.get_running_loop()
        loop.add_reader(parent.sentinel, changes.end)
        loop.add_reader(channel.fileno(), _receive, channel, changes)
        beats = loop.create_task(_beat(board, place))
        with handled_signals({signal.SIGINT: changes.end, signal.SIGTERM: changes.end}):
            server = ServerProcess(settings, sock, board, place, has_process=True)
            await serve(server, lambda engine: channel.send((True, engine)), changes)
        beats.cancel()
        if not parent.is_alive() and settings.metrics_folder is not None:
            shutil.rmtree(settings.metrics_folder, ignore_errors=True)  # the parent was killed and could not

    try:
        run(main(), settings.event_loop)
    except LazytileError as error:
        channel.send((False, str(error)))
        sys.exit(1)


def _receive(channel: Connection, changes: Changes) -> None:
    try:
        settings = channel.recv()
    except EOFError:
        asyncio.get_running_loop().remove_reader(channel.fileno())
        return
    changes.reload(lambda: settings)


async def _beat(board: Board, place: int) -> None:
    published = None
    while True:
        board.beat(place, time.monotonic())
        conditions = Conditions.current().all()
        if conditions != published:
            board.publish(place, conditions)
            published = conditions
        await asyncio.sleep(BEAT_S)
