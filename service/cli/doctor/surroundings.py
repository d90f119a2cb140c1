"""Checks of what a server works with: settings, store, cache, ports, cluster, clock."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import lazytile
from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.memory_size import machine_memory_bytes
from lazytile.pyramid.engines.protocol import EngineSpec
from lazytile.pyramid.linked.record import FILE as LINK
from lazytile.pyramid.linked.record import read_record
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.dataset import SUFFIX
from lazytile.pyramid.store.store import Store
from lazytile.service.app.listening import listen
from lazytile.service.cli.doctor.finding import Finding, error, note, ok, warning
from lazytile.service.http.errors import CacheError
from lazytile.service.http.operating.access_settings import address_parts
from lazytile.service.http.settings import Settings
from lazytile.service.http.settings_file import unknown_variables
from lazytile.service.tiles.cache_folder import cache_content

if TYPE_CHECKING:
    from collections.abc import Iterator

GIB = 1 << 30
CONNECT_S = 3.0
SKEW_S = 2.0
"""Clocks of file systems that differ by more make new data look old."""
NAMED = 5
"""Damaged datasets that one line names."""


def settings_found(settings: Settings) -> Iterator[Finding]:
    """Check what the settings say.

    Args:
        settings: The settings, valid by themselves.

    Yields:
        What was found.
    """
    unknown = unknown_variables(Settings.model_fields, os.environ)
    for each in unknown:
        yield warning("settings", f"the environment variable {each.name} is ignored", str(each))
    machine = machine_memory_bytes()
    if settings.memory_bytes > 0.8 * machine:
        text = f"the caches may take {settings.memory_bytes / GIB:.1f} of the {machine / GIB:.1f} GiB of this machine"
        yield warning("memory", text, "set memory_bytes to half of the machine's memory or less")
    else:
        yield ok("memory", f"the caches may take {settings.memory_bytes / GIB:.1f} of {machine / GIB:.1f} GiB")
    if not unknown:
        path = settings.settings_file
        yield ok("settings", "they are valid" if path is None else f"those of {path} are valid")


def store(settings: Settings) -> Iterator[Finding]:
    """Check the store and every dataset's description.

    Args:
        settings: Where the store is.

    Yields:
        What was found.
    """
    folder = settings.store
    if isinstance(folder, ObjectPath):
        yield from _object_store(folder)
        return
    if not folder.is_dir():
        advice = f"lazytile convert FILE --store {folder} makes one; --store or LAZYTILE_STORE names another"
        yield error("store", f"there is no folder {folder}", advice)
        return
    if not os.access(folder, os.R_OK | os.X_OK):
        yield error("store", f"{folder} cannot be read by this user", f"chmod o+rx {folder}, or run as its owner")
        return
    opened, damaged = 0, {}
    found = Store(folder)
    for name in found.names():
        try:
            found.dataset(name)
            opened += 1
        except (StoreError, OSError) as failure:
            damaged[name] = str(failure)
    for name, reason in list(damaged.items())[:NAMED]:
        advice = f"lazytile verify {name} --store {folder} says more; replace or remove it"
        yield error("store", f"dataset {name} cannot be opened: {reason}", advice)
    if not opened and not damaged:
        yield warning("store", f"{folder} holds no dataset", f"lazytile convert FILE --store {folder} makes one")
    elif opened:
        free = shutil.disk_usage(folder).free
        yield ok("store", f"{folder}: {opened} datasets, {free / GIB:.1f} GiB are free")


def links(settings: Settings) -> Iterator[Finding]:
    """Check that the sources of linked datasets are there, as they were linked.

    Args:
        settings: Where the store is.

    Yields:
        What was found.
    """
    if isinstance(settings.store, ObjectPath):
        return  # it holds no linked datasets
    found = sorted(settings.store.glob(f"*{SUFFIX}/{LINK}"))
    if not found:
        return
    from lazytile.pyramid.linked.source_version import version_of  # noqa: PLC0415 - imports xarray

    same = 0
    for path in found:
        name = path.parent.name.removesuffix(SUFFIX)
        try:
            record = read_record(path.parent)
            if version_of(record.paths) == record.version:
                same += 1
                continue
            problem, advice = "has changed", "a running server links it again; otherwise repeat lazytile link"
        except LazytileError as failure:
            problem, advice = f"cannot be read: {failure}", "its tiles are 503 until it is back"
        yield warning("links", f"the source of dataset {name} {problem}", advice)
    if same:
        yield ok("links", f"{same} linked datasets have their sources")


def _object_store(store: ObjectPath) -> Iterator[Finding]:
    """Check a store in object storage by reading its pointer."""
    try:
        names = Store(store).names()
    except (StoreError, OSError) as failure:
        yield error("store", str(failure), "check the bucket's name and the credentials in the environment")
        return
    if names:
        yield ok("store", f"{store}: {len(names)} datasets")
    else:
        advice = f"lazytile convert FILE --store {store} makes one"
        yield warning("store", f"{store} holds no dataset", advice)


def cache(settings: Settings) -> Iterator[Finding]:
    """Check the folder of the tile cache.

    Args:
        settings: Where it is, and how large it may become.

    Yields:
        What was found.
    """
    folder = settings.cache
    if settings.no_tile_cache:
        yield note("cache", "switched off by no_tile_cache")
        return
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        advice = "--cache or LAZYTILE_CACHE names another folder"
        yield error("cache", f"{folder} cannot be written by this user", advice)
        return
    used = 0
    if folder.is_dir():
        if folder.stat().st_uid != os.geteuid():
            advice = "run as its owner, or name another folder: --cache"
            yield error("cache", f"{folder} belongs to another user", advice)
            return
        try:
            content = cache_content(folder)
        except CacheError as failure:
            yield warning("cache", str(failure), "a server sets a damaged database aside and makes a new one")
            return
        used = content.disk_bytes
        if content.set_aside:
            advice = "look at the disk (dmesg), then delete the folder 'damaged' in it"
            yield warning("cache", f"{content.set_aside} damaged databases were set aside in {folder}", advice)
    free = shutil.disk_usage(nearest).free
    room = max(0, settings.cache_limit_bytes - used)
    if free < room:
        text = f"{folder} may grow by {room / GIB:.1f} GiB, {free / GIB:.1f} GiB are free"
        yield warning("cache", text, "free some space, or lower --cache-limit")
    else:
        yield ok("cache", f"{folder}: {used / GIB:.2f} of at most {settings.cache_limit_bytes / GIB:.1f} GiB")


def ports(settings: Settings) -> Iterator[Finding]:
    """Check whether the server could listen.

    Args:
        settings: Its addresses.

    Yields:
        What was found.
    """
    addresses = [("port", settings.host, settings.port)]
    if settings.admin_address is not None:
        addresses.append(("admin port", *address_parts(settings.admin_address)))
    for name, host, port in addresses:
        try:
            listen(host, port).close()
        except (LazytileError, OSError, OverflowError) as failure:
            running = _running(host, port)
            if running:
                text = f"{host}:{port} is in use by lazytile {running}"
                yield note(name, text, "a second server needs another --port")
            else:
                yield error(name, str(failure), "end what uses it (ss -ltnp), or choose another: --port")
        else:
            yield ok(name, f"{host}:{port} is free")


def _running(host: str, port: int) -> str:
    """Return the version of the lazytile that answers at an address, empty for none."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(target, port, timeout=CONNECT_S)
    try:
        connection.request("GET", "/healthz")
        reply = connection.getresponse()
        text = reply.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    from lazytile.pyramid.core.json_text import parse_json  # noqa: PLC0415 - only here

    try:
        found = parse_json(text.encode())
    except ValueError:
        return ""
    return str(found.get("version", "")) if isinstance(found, dict) and "engine" in found else ""


def cluster(settings: Settings) -> Iterator[Finding]:
    """Check whether the scheduler can be reached, where the engine is one.

    Args:
        settings: The engine.

    Yields:
        What was found.
    """
    try:
        spec = EngineSpec.parse(settings.engine)
    except LazytileError as failure:
        yield error("engine", str(failure), "set engine = 'auto'")
        return
    if spec.kind != "scheduler":
        yield ok("engine", f"{settings.engine}; no cluster is needed")
        return
    parts = urlsplit(spec.address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_S).close()
    except OSError as failure:
        text = f"no scheduler answers at {spec.address}: {failure.strerror or failure}"
        yield error("engine", text, "start it (dask scheduler), or open the way to its port")
        return
    yield ok("engine", f"a scheduler listens at {spec.address}; GET /readyz of a server tells of its workers")


def clock(settings: Settings) -> Iterator[Finding]:
    """Check the clock against that of the file systems, and against the installed files.

    Args:
        settings: Where store and cache are.

    Yields:
        What was found.
    """
    installed_s = Path(lazytile.__file__).stat().st_mtime
    now = time.time()
    if now < installed_s - 86400:
        text = "the clock is earlier than the installation of lazytile"
        yield error("clock", text, "set it: timedatectl set-ntp true")
        return
    for folder in (settings.cache, settings.store):
        if isinstance(folder, ObjectPath) or not folder.is_dir() or not os.access(folder, os.W_OK):
            continue
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".lazytile-clock-") as file:
            skew = Path(file.name).stat().st_mtime - time.time()
        if abs(skew) > SKEW_S:
            text = f"the file system of {folder} is {skew:+.0f} s away from this machine's clock"
            yield warning("clock", text, "synchronize both machines: timedatectl set-ntp true")
            return
    yield ok("clock", f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}, as the file systems have it")
