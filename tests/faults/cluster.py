"""A Dask cluster of real processes, to be killed, stopped, blinded and replaced by other versions."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from distributed.core import rpc

from tests.faults.server import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.faults.network import Machine

ROOT = Path(__file__).resolve().parent.parent.parent
SLOW_WRITES = """
import time
from lazytile.pyramid.store.chunk_file import ChunkFolder
def slow(self, *arguments, write=ChunkFolder.write, **options):
    time.sleep(0.05)
    return write(self, *arguments, **options)
if ChunkFolder.write.__name__ != "slow":  # Dask may load a preload twice
    ChunkFolder.write = slow
"""
"""A preload for workers: a conversion takes long enough to be disturbed."""
HELD_WRITES = """
import os, time
from lazytile.pyramid.store.chunk_file import ChunkFolder
written = []
def held(self, *arguments, write=ChunkFolder.write, **options):
    written.append(None)
    while len(written) > 12 and not os.path.exists({go!r}):
        time.sleep(0.02)
    return write(self, *arguments, **options)
if ChunkFolder.write.__name__ != "held":
    ChunkFolder.write = held
"""
"""A preload for workers: a conversion waits after twelve chunks until the file ``go`` is there."""
OTHER_NUMPY = "import numpy\nnumpy.__version__ = '1.0.0'\n"
"""A preload for workers: another version of a package that decides the bytes."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@cache
def reason_against_blindness() -> str:
    """Return why this machine cannot hide folders from a process; empty where it can."""
    if shutil.which("unshare") is None:
        return "needs the program unshare"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "needs the right to make mount namespaces (unshare --mount)"


def _unshare() -> list[str]:
    return ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]


needs_blindness = pytest.mark.skipif(bool(reason_against_blindness()), reason=reason_against_blindness())


NAMESPACE = f"lazytile-{os.getpid()}"
HERE, THERE = "10.213.7.1", "10.213.7.2"
"""Addresses of both ends of the link to the other machine."""


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def other_machine() -> Iterator[list[str]]:
    """Make a network namespace with one link to this one; yield what runs a command in it. Skip where it is barred."""
    near = f"lt{os.getpid()}"
    try:
        if (
            shutil.which("ip") is None
            or not _ip("netns", "add", NAMESPACE)
            or not _ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", NAMESPACE)
            or not _ip("addr", "add", f"{HERE}/30", "dev", near)
            or not _ip("link", "set", near, "up")
            or not _ip("-n", NAMESPACE, "addr", "add", f"{THERE}/30", "dev", "far")
            or not _ip("-n", NAMESPACE, "link", "set", "lo", "up")
            or not _ip("-n", NAMESPACE, "link", "set", "far", "up")
        ):
            pytest.skip("needs the right to make network namespaces (ip netns add)")
        yield ["ip", "netns", "exec", NAMESPACE]
    finally:
        _ip("link", "del", near)
        _ip("netns", "del", NAMESPACE)


@contextlib.contextmanager
def cut_link() -> Iterator[None]:
    """Cut the link to the other machine while the block runs: packets vanish, connections stay open."""
    assert _ip("-n", NAMESPACE, "link", "set", "far", "down")
    try:
        yield
    finally:
        assert _ip("-n", NAMESPACE, "link", "set", "far", "up")


@dataclass
class Cluster:
    """A scheduler and workers, each a process of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    """Address of the scheduler."""
    machine: Machine | None = None
    """Where the scheduler runs; None: here."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    scheduler: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    def start_scheduler(self) -> None:
        """Start the scheduler, at the same address each time, and wait until it listens."""
        where = ("--host", self.host, "--port", str(self.port), "--dashboard-address", "127.0.0.1:0")
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *where, "--no-dashboard", "--no-show"]
        within = () if self.machine is None else self.machine.within
        self.scheduler = self._start([*within, *command], "scheduler")
        deadline = time.monotonic() + 120
        while True:
            with self._entered(), contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
                return
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _entered(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.machine is None else self.machine.entered()

    def kill_scheduler(self) -> None:
        """Kill the scheduler; its workers end by themselves."""
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def start_worker(
        self,
        name: str,
        *,
        nanny: bool = False,
        hidden: tuple[Path, ...] = (),
        preload: str = "",
        environment: Mapping[str, str] | None = None,
        host: str = "",
        within: tuple[str, ...] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread.

        Args:
            name: Of the worker.
            nanny: Whether a nanny restarts it; the process returned is then the nanny.
            hidden: Folders that are empty for it, as on a machine without the file system.
            preload: Code that it runs first.
            environment: More of its environment.
            host: Its address; the scheduler's by default.
            within: What runs the command, as on another machine.
        """
        options = ["--host", host or self.host, "--nthreads", "1", "--name", name, "--memory-limit", "0"]
        options += ["--no-dashboard", "--nanny" if nanny else "--no-nanny", "--local-directory", str(self.folder)]
        if preload:
            file = self.folder / f"preload_{name}.py"
            file.write_text(preload)
            options += ["--preload", str(file)]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, *options]
        if hidden:
            hide = " && ".join(f"mount -t tmpfs none {shlex.quote(str(each))}" for each in hidden)
            command = [*_unshare(), "sh", "-c", f"{hide} && exec {shlex.join(command)}"]
        return self._start([*within, *command], f"worker-{name}", environment)

    def wait_for_workers(self, count: int, limit_s: float = 120) -> None:
        """Wait until the scheduler has a number of workers."""
        import asyncio

        async def present() -> int:
            remote = rpc(self.address)
            try:
                identity = await asyncio.wait_for(remote.identity(n_workers=-1), 5)
                return len(identity["workers"])
            finally:
                await remote.close_rpc()

        deadline = time.monotonic() + limit_s
        while True:
            with self._entered(), contextlib.suppress(OSError, TimeoutError):
                if asyncio.run(present()) == count:
                    return
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def _start(
        self, command: list[str], log: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("ab") as output:
            running = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            )
        self.processes.append(running)
        return running

    def log(self) -> str:
        return "".join(f"{file.name}:\n{file.read_text(errors='replace')}" for file in self.folder.glob("*.log"))

    def end(self) -> None:
        """Kill everything."""
        for running in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(running.pid).children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
            running.kill()
            running.wait()


def child_of(nanny: subprocess.Popen[bytes]) -> int:
    """Return the process id of a nanny's worker."""
    workers = [
        each.pid for each in psutil.Process(nanny.pid).children() if "resource_tracker" not in " ".join(each.cmdline())
    ]
    assert len(workers) == 1
    return workers[0]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process while the block runs, as when its machine hangs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def command(*arguments: str, limit_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command of lazytile to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=limit_s)
