"""Metrics of the processes and of Python, under the names that prometheus_client's own collectors give them.

Those collectors know the process that is scraped only; these are sums over all server processes, as all other metrics.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_STATUS = Path("/proc/self/statm")
_FILES = Path("/proc/self/fd")
_STARTED = Path("/proc/self/stat")
_UPTIME = Path("/proc/uptime")


class ProcessMetrics:
    """CPU time, memory, open files and garbage collection of this process. Sizes are known on Linux only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the metrics.

        Args:
            registry: Collects them.
        """

        def gauge(name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
            return Gauge(name, text, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]

        self.processes = gauge("lazytile_server_processes", "Server processes")
        self.cpu_seconds = Counter("process_cpu_seconds", "CPU time of all server processes", registry=registry)
        self.resident = gauge("process_resident_memory_bytes", "Resident memory of all server processes")
        self.virtual = gauge("process_virtual_memory_bytes", "Virtual memory of all server processes")
        self.open_fds = gauge("process_open_fds", "Open files of all server processes")
        self.max_fds = gauge("process_max_fds", "Limit of the open files of a server process", mode="livemin")
        self.threads = gauge("process_threads", "Threads of all server processes")
        self.started = gauge("process_start_time_seconds", "When the oldest server process started", mode="livemin")
        self.python = gauge("python_info", "Version of Python", "implementation", "version", mode="livemax")
        self.collections = Counter("python_gc_collections", "Garbage collections", ["generation"], registry=registry)
        self.collected = Counter(
            "python_gc_objects_collected", "Objects that garbage collection freed", ["generation"], registry=registry
        )
        self._cpu_s = 0.0
        self._gc: list[tuple[int, int]] = [(0, 0)] * 3
        self.processes.set(1)
        self.started.set(_start_time())
        self.python.labels(platform.python_implementation(), platform.python_version()).set(1)

    def publish(self) -> None:
        """Take the present values."""
        spent = os.times()
        cpu_s = spent.user + spent.system
        self.cpu_seconds.inc(max(0.0, cpu_s - self._cpu_s))
        self._cpu_s = cpu_s
        self.threads.set(threading.active_count())
        self.max_fds.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        try:
            pages = _STATUS.read_text().split()
            self.virtual.set(int(pages[0]) * resource.getpagesize())
            self.resident.set(int(pages[1]) * resource.getpagesize())
            # Linux counts them itself from version 6.2 on; with ten thousand connections a list takes milliseconds.
            self.open_fds.set(_FILES.stat().st_size or len(os.listdir(_FILES)))  # noqa: PTH208 - makes no paths
        except OSError:
            pass  # no Linux
        for generation, counted in enumerate(gc.get_stats()):
            runs, freed = counted["collections"], counted["collected"]
            last = self._gc[generation]
            self.collections.labels(str(generation)).inc(runs - last[0])
            self.collected.labels(str(generation)).inc(freed - last[1])
            self._gc[generation] = runs, freed


def _start_time() -> float:
    """Return when this process started, in seconds since 1970."""
    try:
        ticks = int(_STARTED.read_text().rpartition(")")[2].split()[19])
        uptime = float(_UPTIME.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.time()
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
