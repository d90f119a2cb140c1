"""The ordinary client beside a flood: what it gets, and what keeps the servers and itself from running."""

from __future__ import annotations

import http.client
import os
import resource
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_service import Servers

WARM_EVERY_S = 0.02
COLD_EVERY_S = 0.5


@dataclass
class Seen:
    """What the client beside the flood has seen in one phase."""

    warm_s: list[float] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    peak_mb: float = 0.0
    runnable_s: dict[str, float] = field(default_factory=dict)
    """How long the loops, and the client, could have run but had no processor."""
    lasted_s: float = 0.0

    def share(self, who: str) -> float:
        """Share of the time that the loops, or the client, were kept from running."""
        return self.runnable_s[who] / self.lasted_s

    @property
    def p95_ms(self) -> float:
        """95th percentile of tiles in memory."""
        ordered = sorted(self.warm_s)
        return ordered[len(ordered) * 95 // 100] * 1000 if ordered else float("nan")


class Watcher:
    """Asks for tiles as an ordinary client does, and looks at the memory of the servers."""

    def __init__(self, servers: Servers, warm: list[str], cold: Callable[[], str] | None = None) -> None:
        self._servers, self._warm, self._cold = servers, warm, cold
        self.now = Seen()
        self._stop = threading.Event()
        self._client: int | None = None
        self._since, self._delays = time.perf_counter(), self._run_delays()
        work = (self._ask_warm, self._weigh, *(() if cold is None else (self._ask_cold,)))
        self._threads = [threading.Thread(target=each) for each in work]
        for thread in self._threads:
            thread.start()

    def phase(self) -> Seen:
        """Begin another phase, and return what was seen in the last one."""
        seen, self.now = self.now, Seen()
        began, before = self._since, self._delays
        self._since, self._delays = time.perf_counter(), self._run_delays()
        seen.lasted_s = self._since - began
        seen.runnable_s = {who: delay - before.get(who, 0.0) for who, delay in self._delays.items()}
        return seen

    def _run_delays(self) -> dict[str, float]:
        """Return how long threads have been runnable without a processor: of the loops the mean, and of the client."""
        loops = [_run_delay_s(pid, pid) for pid in self._servers.pids]
        client = 0.0 if self._client is None else _run_delay_s(os.getpid(), self._client)
        return {"loops": statistics.fmean(loops), "client": client}

    def _ask_warm(self) -> None:
        self._client = threading.get_native_id()
        connection, number = http.client.HTTPConnection("127.0.0.1", self._servers.port, timeout=60), 0
        while not self._stop.wait(WARM_EVERY_S):
            number += 1
            began, seen = time.perf_counter(), self.now
            connection.request("GET", self._warm[number % len(self._warm)])
            reply = connection.getresponse()
            reply.read()
            seen.warm_s.append(time.perf_counter() - began)
            if reply.status != 200:
                seen.wrong.append(f"a tile in memory: {reply.status}")

    def _ask_cold(self) -> None:
        while not self._stop.wait(COLD_EVERY_S):
            began, seen = time.perf_counter(), self.now
            connection = http.client.HTTPConnection("127.0.0.1", self._servers.port, timeout=60)
            connection.request("GET", self._cold())
            reply = connection.getresponse()
            reply.read()
            connection.close()
            seen.cold_s.append(time.perf_counter() - began)
            if reply.status != 200:
                seen.wrong.append(f"a cold tile: {reply.status}")

    def _weigh(self) -> None:
        while not self._stop.wait(0.25):
            total = 0
            for pid in self._servers.pids:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
            self.now.peak_mb = max(self.now.peak_mb, total / 1e6)

    def close(self) -> None:
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def _run_delay_s(pid: int, thread: int) -> float:
    """Return how long a thread has waited for a processor (Linux, Documentation/scheduler/sched-stats.rst)."""
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[1]) / 1e9
