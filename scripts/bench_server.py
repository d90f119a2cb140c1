"""A server under load: ``lazytile serve`` in its own process, and wrk requesting tiles."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 5
_LUA = """
local reqs, i = {}, 0
function init(args) for line in io.lines("%s") do reqs[#reqs + 1] = wrk.format("GET", line) end end
function request() i = i %% #reqs + 1; return reqs[i] end
function done(s, l, r)
  local e = s.errors
  io.write(string.format("RESULT %%.1f %%.3f %%.3f %%d %%d\\n", s.requests / s.duration * 1e6, l:percentile(50) / 1e3,
    l:percentile(95) / 1e3, s.bytes / s.requests, e.status + e.read + e.connect + e.timeout))
end
"""


class Server:
    """A server under test and where it listens."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def peak_rss_mb(self) -> float:
        """Return the largest resident size that any process of the server has had, in MB."""
        peaks = [0.0]
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                if os.getpgid(int(status.parent.name)) == os.getpgid(self.process.pid):
                    peaks.append(int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024)
            except (OSError, TypeError):
                continue
        return max(peaks)


@contextmanager
def serving(store: Path, *options: str, tree: Path = ROOT, in_session: bool = False) -> Iterator[Server]:
    """Run a server on a free port of the loopback interface; without an access log, as the other servers run.

    Args:
        store: The store, as seen from the tree.
        options: Of ``serve``.
        tree: Where the modules are.
        in_session: Whether it stays in the session of its caller. Linux may divide each processor among sessions first,
            and among the threads of one then (``sched_autogroup_enabled``).

    Yields:
        The server.
    """
    command = [sys.executable, "-m", "lazytile.service", "serve", "--store", str(store), "--port", "0", *options]
    process = subprocess.Popen(
        command,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "LAZYTILE_ACCESS_LOG": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=not in_session,
        process_group=0 if in_session else None,
    )
    try:
        for line in process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            if found:
                yield Server(process, int(found[1]))
                return
        raise SystemExit("the server did not start")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


class Load:
    """wrk, requesting paths in turn from a server."""

    def __init__(self, port: int, paths: list[str], connections: int, seconds: int) -> None:
        """Begin.

        Args:
            port: Of the server.
            paths: Requested in turn, over all connections.
            connections: Opened at once.
            seconds: How long requests are sent.
        """
        self._folder = tempfile.TemporaryDirectory()
        listed, script = Path(self._folder.name) / "paths", Path(self._folder.name) / "list.lua"
        listed.write_text("\n".join(paths) + "\n")
        script.write_text(_LUA % listed)
        options = (f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(script))
        command = ["wrk", "-t1", *options, f"http://127.0.0.1:{port}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self) -> tuple[float, float, float, float]:
        """Wait for its end and return tiles/s, p50 ms, p95 ms and bytes per reply."""
        with self._folder:
            text, _ = self._process.communicate()
        rate, p50, p95, size, errors = re.search(r"RESULT (.*)", text)[1].split()
        if int(errors):
            raise SystemExit(f"{errors} bad replies")
        return float(rate), float(p50), float(p95), float(size)


def load(port: int, paths: list[str], concurrency: int) -> tuple[float, float, float, float]:
    """Request the paths in turn and return tiles/s, p50 ms, p95 ms and bytes per reply."""
    # A connection stays with one process of the server: one second of load first warms all of them.
    Load(port, paths, concurrency, 1).result()
    return Load(port, paths, concurrency, SECONDS).result()
