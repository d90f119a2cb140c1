"""Load for servers under measurement: wrk where it is installed, else clients in Python."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_LUA = """
local reqs, i, threads = {}, 0, 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end
function init(args)
  for line in io.lines("%s") do
    local path, tag = line:match("([^\\t]*)\\t?(.*)")
    local headers = {}
    if tag ~= "" then headers["If-None-Match"] = tag end
    reqs[#reqs + 1] = wrk.format("GET", path, headers)
  end
  -- In step, two threads would request everything twice.
  i = math.floor(number * #reqs / %d)
end
function request() i = i %% #reqs + 1; return reqs[i] end
function done(s, l, r)
  local e = s.errors
  local p50, p99 = l:percentile(50) / 1e3, l:percentile(99) / 1e3
  io.write(string.format("RESULT %%.1f %%.4f %%.4f %%d %%d %%d %%d %%d\\n", s.requests / s.duration * 1e6, p50, p99,
    s.requests, e.status, e.read + e.write, e.connect, e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did under load."""

    rate: float
    """Requests a second."""
    p50_ms: float
    p99_ms: float
    count: int


def load(port: int, lines: list[str], *, connections: int, seconds: float) -> Load:
    """Request paths in turn, over and over; the threads begin far apart, so that none follows another.

    Args:
        port: Port on the loopback interface.
        lines: Paths, each with a tab and a value of If-None-Match where it has one.
        connections: Connections kept open.
        seconds: How long.

    Returns:
        The figures.
    """
    if shutil.which("wrk") is None:
        return asyncio.run(_python_load(port, lines, connections, seconds))
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder) / "lines", Path(folder) / "list.lua"
        listed.write_text("\n".join(lines) + "\n")
        threads = min(2, connections)
        script.write_text(_LUA % (listed, threads))
        command = [
            "wrk",
            f"-t{threads}",
            f"-c{connections}",
            f"-d{math.ceil(seconds)}",  # it takes whole seconds only
            "--timeout",
            "60s",
            "--latency",
            "-s",
            str(script),
        ]
        reply = subprocess.run(
            [*command, f"http://127.0.0.1:{port}"], capture_output=True, check=True, text=True, timeout=seconds + 60
        )
    rate, p50, p99, count, *errors = re.search(r"RESULT (.*)", reply.stdout)[1].split()
    kinds = ("status 400 or above", "connection broken", "no connection", "no reply in time")
    bad = [f"{number} times {kind}" for number, kind in zip(errors, kinds, strict=True) if number != "0"]
    if bad:
        raise SystemExit(f"bad replies to {lines[0].partition(chr(9))[0]} and the like: {', '.join(bad)}")
    return Load(float(rate), float(p50), float(p99), int(count))


async def _python_load(port: int, lines: list[str], connections: int, seconds: float) -> Load:
    requests = []
    for line in lines:
        path, _, tag = line.partition("\t")
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        requests.append(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{condition}\r\n".encode())
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            began = time.perf_counter()
            writer.write(requests[number % len(requests)])
            number += 1
            head = await reader.readuntil(b"\r\n\r\n")
            if head[9:12] not in (b"200", b"304"):
                raise SystemExit(f"a bad reply: {head[:40]!r}")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length is not None:
                await reader.readexactly(int(length[1]))
            taken.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client(number * len(requests) // connections) for number in range(connections)))
    taken.sort()
    middle, late = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    return Load(len(taken) / seconds, middle * 1000, late * 1000, len(taken))
