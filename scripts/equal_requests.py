"""Equal requests: a thousand clients of several server processes ask for one tile that is in no cache."""

from __future__ import annotations

import asyncio
import random
import re
import time
import urllib.request
from typing import TYPE_CHECKING

from bench_service import PROCESSES, fetch, serving

if TYPE_CHECKING:
    from pathlib import Path

EQUAL = 1000


async def _ask(port: int, path: str, start: asyncio.Event) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await start.wait()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    reply = await reader.read()
    writer.close()
    return reply


async def _ask_together(port: int, path: str, count: int) -> list[bytes]:
    start = asyncio.Event()
    asked = [asyncio.create_task(_ask(port, path, start)) for _ in range(count)]
    await asyncio.sleep(1)
    start.set()
    return await asyncio.gather(*asked)


def _renders(port: int) -> int:
    time.sleep(2.5)  # each process publishes its counts now and then
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
        found = re.search(r"(?m)^lazytile_renders_total (\S+)", reply.read().decode())
    return int(float(found[1])) if found else 0


def equal(store: Path, dataset: str, loop: str) -> str:
    """Ask for one cold tile from many connections at once; return what that took, as a sentence."""
    with serving("lazytile", loop, store=str(store)) as servers:
        path = f"/xyz/{dataset}/11/{random.randrange(2048)}/{random.randrange(2048)}.png"  # noqa: S311
        fetch(servers.port, f"/xyz/{dataset}/2/1/1.png")
        before, began = _renders(servers.port), time.perf_counter()
        replies = asyncio.run(_ask_together(servers.port, path, EQUAL))
        taken = time.perf_counter() - began
        rendered = _renders(servers.port) - before
    right = sum(reply.startswith(b"HTTP/1.1 200 ") for reply in replies)
    bodies = len({reply.partition(b"\r\n\r\n")[2] for reply in replies})
    return (
        f"{EQUAL:,} clients of {PROCESSES} processes ask for the same cold tile at once: {right:,} get it within "
        f"{taken:.1f} s, {bodies} body in all; it is rendered {rendered} time{'s' * (rendered != 1)}."
    )
