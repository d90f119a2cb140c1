"""Whether a server is one process or several, and what each of several gets.

With the engine ``threads`` a server process renders itself, and ``workers`` processes share the port, each with its
part of the processors and of the memory for caches; since Python runs one thread at a time, several processes are what
uses a machine with many processors. Several server processes may share an existing Dask scheduler, too: passing a task
on costs as much of a processor as rendering a small tile. With ``local`` and ``cuda`` one server process owns the
cluster.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.engines.protocol import EngineSpec
from lazytile.service.access.messages import log_messages
from lazytile.service.app.systemd import notify
from lazytile.service.http.settings import Settings
from lazytile.service.http.settings_file import unknown_variables

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
"""Addresses that mean every network."""


LEAST_CACHE_BYTES = 256 << 20
"""Memory for caches that each of several server processes has at least, unless a number of processes is given. Besides,
a process takes about 100 MB."""
MOST_PROCESSES = 32


def run_server(settings: Settings, announce: Callable[[str, str], None], read: Callable[[], Settings]) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP reloads.

    Args:
        settings: The settings.
        announce: Called with the address and the engine once both work.
        read: Reads the settings again.

    Raises:
        LazytileError: The server cannot start.
    """
    log_messages(settings)
    for unknown in unknown_variables(Settings.model_fields, os.environ):
        LOG.warning("the environment variable %s is ignored: %s", unknown.name, unknown)
    if settings.host in EVERYWHERE:
        text = "the server listens on every network of this machine (--host %s): whoever reaches port %d may use it"
        LOG.warning(text, settings.host, settings.port)

    def ready(address: str, engine: str) -> None:
        announce(address, engine)
        notify("READY=1")

    takes_threads, kind = _takes_threads(settings), EngineSpec.parse(settings.engine).kind
    count = settings.workers or 1
    if settings.workers is None and takes_threads and kind == "auto":
        count = sensible_count(settings, processor_count())
    if (takes_threads or kind == "scheduler") and count > 1:
        _run_many(settings, count, ready, read)
        return
    from lazytile.service.app.server import run_one  # noqa: PLC0415 - see worker_process.METRICS_VARIABLE

    # A single server process has all processors; a Dask engine takes the number itself.
    run_one(settings.model_copy(update={"workers": None}) if takes_threads else settings, ready, read)


def sensible_count(settings: Settings, processors: int) -> int:
    """Return how many server processes the engine ``auto`` starts where nobody says how many.

    Args:
        settings: The settings.
        processors: Processors that the server may use.

    Returns:
        One for each processor, as long as each has memory for its caches.
    """
    return max(1, min(processors, settings.memory_bytes // LEAST_CACHE_BYTES, MOST_PROCESSES))


def _takes_threads(settings: Settings) -> bool:
    """Return whether the engine will be ``threads``, whose workers are server processes."""
    spec = EngineSpec.parse(settings.engine)
    if spec.kind == "auto":
        from lazytile.pyramid.engines.gpu_devices import gpu_devices  # noqa: PLC0415 - only auto looks for GPUs

        return not gpu_devices().ids
    return spec.kind == "threads"


def _run_many(
    settings: Settings, count: int, announce: Callable[[str, str], None], read: Callable[[], Settings]
) -> None:
    from lazytile.service.app.administration import administered  # noqa: PLC0415 - as below
    from lazytile.service.app.listening import address_of, public_socket  # noqa: PLC0415 - not needed to print help
    from lazytile.service.app.supervisor import Supervisor  # noqa: PLC0415 - as above

    folder = Path(tempfile.mkdtemp(prefix="lazytile-metrics-"))
    try:
        with public_socket(settings) as sock:
            address = address_of(settings, sock)
            supervisor = Supervisor(settings, sock, lambda each: settings_of_one(each, count, folder), read)
            with administered(settings, read, lambda: {"address": address, **supervisor.describe()}):
                supervisor.run(count, lambda engine: announce(address, f"{count} server processes, each {engine}"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settings_of_one(settings: Settings, count: int, metrics_folder: Path) -> Settings:
    """Return the settings of one of several server processes.

    Args:
        settings: The settings of the server.
        count: Number of server processes.
        metrics_folder: Where they share their metrics.

    Returns:
        The settings with its part of processors and memory. Caches on disk are shared, so their limit is not divided.
    """
    return settings.model_copy(
        update={
            "workers": max(1, processor_count() // count),
            "memory_bytes": settings.memory_bytes // count,
            "memory_watermark_bytes": settings.memory_watermark_bytes // count,
            "metrics_folder": metrics_folder,
        }
    )
