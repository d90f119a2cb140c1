"""The parent of several server processes: it starts them, watches them, and replaces those that end or hang.

It owns the listening socket and serves nothing itself. What is wrong with a process the others show in ``/readyz``.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import signal
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.cluster.shared_chunks import MEMORY_SHARE
from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.app.administration import listed
from lazytile.service.app.board import Board
from lazytile.service.app.changes import Terminal, settings_after
from lazytile.service.app.worker_process import run_worker_process
from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from lazytile.service.http.settings import Settings

LOG = logging.getLogger(__name__)

TICK_S = 0.5
"""How often the processes are looked at."""
FIRST_PAUSE_S = 0.25
"""Pause before a process is started again, doubled with each failure in a row."""
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A process that has served this long has not failed."""
KILL_GRACE_S = 5.0
"""Time that a process gets to end after its requests' ``shutdown_s``."""


@dataclass(slots=True)
class _Slot:
    """The place of one server process, and the process that has it at the moment."""

    place: int
    process: SpawnProcess | None = None
    channel: Connection | None = None
    is_ready: bool = False
    failures: int = 0
    """Starts in a row without a steady process."""
    next_start: float = 0.0
    served_since: float = 0.0
    beat: float = 0.0
    silent_s: float = 0.0
    """How long the supervisor has seen no beat."""
    reason: str = ""

    @property
    def is_starting(self) -> bool:
        """Whether the process has not reported yet."""
        return not self.is_ready and not self.reason

    @property
    def key(self) -> str:
        """Key of its condition."""
        return f"server process {self.place + 1}"


class Supervisor:
    """Runs several server processes until it is told to end."""

    def __init__(
        self,
        settings: Settings,
        sock: socket.socket,
        settings_of_one: Callable[[Settings], Settings],
        read: Callable[[], Settings],
    ) -> None:
        """Start nothing yet.

        Args:
            settings: The settings of the server.
            sock: The listening socket.
            settings_of_one: Returns the settings of one server process.
            read: Reads the settings again, for a reload.
        """
        self._settings = settings
        self._sock = sock
        self._settings_of_one = settings_of_one
        self._read = read
        self._context = multiprocessing.get_context("spawn")
        self._slots: list[_Slot] = []
        self._board: Board | None = None
        self._terminal = Terminal()
        self._announced = False
        self._engine = ""

    def run(self, count: int, announce: Callable[[str], None]) -> None:
        """Run the processes until SIGINT or SIGTERM.

        Args:
            count: Number of processes.
            announce: Called with the engine of one of them once all serve.

        Raises:
            ServiceError: A process cannot start, before all of them have once served.
        """
        limits = self._settings_of_one(self._settings).cache_budget.limits()
        shared_bytes = int(limits["chunks"] * MEMORY_SHARE)
        self._board = Board(self._context, count, self._settings.rate_limit_clients, shared_bytes)
        self._slots = [_Slot(place) for place in range(count)]
        with _signals() as woken:
            try:
                for slot in self._slots:
                    self._start(slot)
                self._watch(woken, announce)
            finally:
                self._stop(woken)

    def describe(self) -> dict[str, Any]:
        """Return what the processes do, as JSON values. Any thread may call it."""
        board = self._board
        if board is None:
            return {}
        processes = [
            {
                "pid": None if slot.process is None else slot.process.pid,
                "ready": slot.is_ready,
                "failures": slot.failures,
                "connections": max(0, board.connections(slot.place)),
            }
            for slot in self._slots
        ]
        conditions = {each.key: each for place in range(board.count + 1) for each in board.conditions(place)}
        return {"engine": self._engine, "processes": processes, "conditions": listed(conditions.values())}

    @property
    def board(self) -> Board:
        """What the processes tell each other."""
        assert self._board is not None
        return self._board

    def _start(self, slot: _Slot) -> None:
        settings = self._settings_of_one(self._settings)
        if slot.place or self._announced:
            settings = settings.model_copy(update={"offline": True})  # one of them fetches colormaps for all
        slot.channel, theirs = self._context.Pipe(duplex=True)
        slot.process = self._context.Process(
            target=run_worker_process,
            args=(settings, self._sock, theirs, self.board, slot.place),
            name="lazytile-server",
        )
        slot.is_ready, slot.reason, slot.silent_s = False, "", 0.0
        self.board.clear(slot.place)
        slot.process.start()
        theirs.close()

    def _watch(self, woken: socket.socket, announce: Callable[[str], None]) -> None:
        last = time.monotonic()
        while True:
            waitable: list[Any] = [woken, *(slot.process.sentinel for slot in self._slots if slot.process)]
            waitable += [slot.channel for slot in self._slots if slot.channel and slot.is_starting]
            happened = multiprocessing.connection.wait(waitable, TICK_S)
            if woken in happened and self._is_told_to_end(woken):
                return
            for slot in self._slots:
                if slot.channel in happened and slot.is_starting:
                    self._receive(slot, announce)
                if slot.process is not None and slot.process.sentinel in happened:
                    self._note_end(slot)
            now = time.monotonic()
            # After a pause of this process itself, such as Ctrl-Z, nothing is known of the time in between.
            self._look_at_beats(min(now - last, TICK_S))
            last = now
            for slot in self._slots:
                if slot.process is None and now >= slot.next_start:
                    self._start(slot)
                elif slot.is_ready and slot.failures and now - slot.served_since > STEADY_S:
                    slot.failures = 0
            self.board.publish(self.board.supervisor, Conditions.current().all())

    def _is_told_to_end(self, woken: socket.socket) -> bool:
        """Return whether a signal ends the server; reload where it says so."""
        numbers = set(woken.recv(4096))
        if signal.SIGHUP in numbers and not self._terminal.is_gone():
            numbers.discard(signal.SIGHUP)
            self._reload()
        return bool(numbers & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

    def _reload(self) -> None:
        try:
            self._settings = settings_after(self._settings, self._read)
        except (LazytileError, OSError) as error:
            LOG.error("nothing is reloaded, the server goes on as before: %s", error)  # noqa: TRY400 - one line
            return
        settings = self._settings_of_one(self._settings).model_copy(update={"offline": True})
        for slot in self._slots:
            if slot.channel is not None:
                try:
                    slot.channel.send(settings)
                except OSError:
                    continue  # it has just ended, and starts again with the new settings
        LOG.info("the server processes reload settings, colormaps and catalogue")

    def _receive(self, slot: _Slot, announce: Callable[[str], None]) -> None:
        """Take the report of a process that starts."""
        assert slot.channel is not None
        assert slot.process is not None
        try:
            is_ready, text = slot.channel.recv()
        except (EOFError, OSError):
            slot.process.join()
            is_ready, text = False, f"it ended with code {slot.process.exitcode} before it could serve"
        if not is_ready:
            if not self._announced:
                raise ServiceError(str(text) if not str(text).startswith("it ") else f"a server process: {text}")
            slot.reason = str(text)  # and its end follows
            return
        slot.is_ready, slot.served_since = True, time.monotonic()
        Conditions.current().clear(slot.key)
        if slot.failures:
            LOG.info("%s serves again", slot.key)
        if not self._announced and all(each.is_ready for each in self._slots):
            self._announced, self._engine = True, str(text)
            announce(str(text))

    def _note_end(self, slot: _Slot) -> None:
        """Let a process that has ended start again after a pause."""
        ended = slot.process
        assert ended is not None
        assert slot.channel is not None
        ended.join()
        slot.reason = slot.reason or f"it ended with code {ended.exitcode}"
        if not self._announced:
            raise ServiceError(f"{slot.key}: {slot.reason} before all could serve")
        slot.channel.close()
        slot.process, slot.channel, slot.is_ready = None, None, False
        pause = min(FIRST_PAUSE_S * 2 ** min(slot.failures, 20), LONGEST_PAUSE_S)
        slot.failures += 1
        slot.next_start = time.monotonic() + pause
        LOG.warning("%s (pid %s) ended: %s; it starts again in %g s", slot.key, ended.pid, slot.reason, pause)
        text = f"{slot.reason}; it starts again after a pause of {pause:g} s, the others serve meanwhile"
        Conditions.current().report(slot.key, text, ready=True)
        self.board.clear(slot.place)
        # Its gauges would be counted forever; its counters must remain.
        folder = self._settings_of_one(self._settings).metrics_folder or Path()
        for path in folder.glob(f"gauge_live*_{ended.pid}.db"):
            path.unlink(missing_ok=True)

    def _look_at_beats(self, passed_s: float) -> None:
        """Kill the processes whose event loops have not run for ``watchdog_s``."""
        for slot in self._slots:
            beat = self.board.last_beat(slot.place)
            is_silent = slot.is_ready and slot.process is not None and beat == slot.beat
            slot.silent_s = slot.silent_s + passed_s if is_silent else 0.0
            slot.beat = beat
            if slot.process is not None and 0 < self._settings.watchdog_s <= slot.silent_s:
                slot.reason = f"it had not responded for {slot.silent_s:.1f} s and was killed"
                slot.silent_s = 0.0
                slot.process.kill()

    def _stop(self, woken: socket.socket) -> None:
        """End all processes: with their requests finished, or at once on a second signal."""
        self._sock.close()
        running = [slot.process for slot in self._slots if slot.process is not None]
        for each in running:
            if each.is_alive():
                each.terminate()
        deadline = time.monotonic() + self._settings.shutdown_s + KILL_GRACE_S
        while any(each.is_alive() for each in running):
            left = deadline - time.monotonic()
            sentinels = [each.sentinel for each in running if each.is_alive()]
            if left <= 0 or woken in multiprocessing.connection.wait([woken, *sentinels], left):
                break
        for slot in self._slots:
            if slot.process is not None:
                if slot.process.is_alive():
                    slot.process.kill()
                slot.process.join()
            if slot.channel is not None:
                slot.channel.close()


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Make SIGINT, SIGTERM and SIGHUP wake a socket with their numbers, while the context lasts."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
