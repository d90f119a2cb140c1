"""Faults among hosts: two servers, a scheduler with two workers, and a store and a tile cache that both servers share.

Each is a machine of its own on a network that the test makes. The memory, the disk and the Redis of the tile caches
hold a part of the tiles only, so that every tile is computed again and again, by either server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests import s3
from tests.faults.cluster import Cluster, child_of, stopped
from tests.faults.network import Machine, RemoteServer, network
from tests.faults.server import COMMAND, Comparison, heal_time_s, load, record, serving, slowness, tile_paths, wait_for
from tests.faults.stores import write_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.server import Truth

STORE = f"s3://{s3.BUCKET}/store"
PATHS = [path for colours in ("", "?rescale=-50,50") for path in tile_paths("files", range(4), colours)]
"""1.7 MB in the order of requests: no tile is still in 1 MiB of disk when it is requested again."""
S3_PORT, REDIS_PORT = 9000, 6379
SMALL = ("--memory", "2MiB")
HEAL_S = 10.0
S3_PROGRAM = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
WSGIRequestHandler.protocol_version = "HTTP/1.1"
WSGIRequestHandler.log = lambda *_: None
run_simple(sys.argv[1], int(sys.argv[2]), DomainDispatcherApplication(create_backend_app), threaded=True)
"""


def wait_for_port(machine: Machine, address: str, port: int) -> None:
    def listens() -> bool:
        with machine.entered(), contextlib.suppress(OSError):
            socket.create_connection((address, port), 1).close()
            return True
        return False

    wait_for(listens, what=f"nothing listens at {address}:{port}")


@dataclass
class Site:
    """All machines and what runs on them."""

    folder: Path
    machines: dict[str, Machine]
    truth: Truth = field(default_factory=dict)
    servers: dict[str, RemoteServer] = field(default_factory=dict)
    stacks: dict[str, ExitStack] = field(default_factory=dict)
    nannies: list[subprocess.Popen[bytes]] = field(default_factory=list)
    redis: subprocess.Popen[bytes] | None = None
    s3: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        compute, storage = self.machines["compute"], self.machines["storage"]
        self.scheduler_address, *self.worker_addresses = compute.addresses
        self.s3_address, self.redis_address = storage.addresses
        self.environment = {
            **s3.ENVIRONMENT,
            "AWS_ENDPOINT_URL": f"http://{self.s3_address}:{S3_PORT}",
            "LAZYTILE_SHARED_CACHE": f"redis://{self.redis_address}:{REDIS_PORT}",
            "LAZYTILE_CACHE_LIMIT_BYTES": str(1 << 20),
            "NO_PROXY": "*",
            "no_proxy": "*",
        }
        (self.folder / "cluster").mkdir()
        self.cluster = Cluster(self.folder / "cluster", 8786, self.scheduler_address, machine=compute)

    def start_s3(self) -> None:
        """Start the object storage, with an empty bucket."""
        machine = self.machines["storage"]
        command = [*machine.within, sys.executable, "-c", S3_PROGRAM, self.s3_address, str(S3_PORT)]
        with (self.folder / "s3.log").open("w") as log:
            self.s3 = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for_port(machine, self.s3_address, S3_PORT)
        with machine.entered(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", self.environment["AWS_ENDPOINT_URL"])
            s3.make_bucket(s3.BUCKET)

    def start_redis(self) -> None:
        """Start the shared tile cache, in which a part of the tiles has room."""
        machine = self.machines["storage"]
        options = ["--port", str(REDIS_PORT), "--bind", self.redis_address, "--protected-mode", "no", "--save", ""]
        options += ["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-random", "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("a") as log:
            self.redis = subprocess.Popen([*machine.within, "redis-server", *options], stdout=log, stderr=log)
        wait_for_port(machine, self.redis_address, REDIS_PORT)

    def start_workers(self) -> None:
        """Start two workers with nannies."""
        within = self.machines["compute"].within
        self.nannies = [
            self.cluster.start_worker(
                f"worker{number}", nanny=True, host=address, within=within, environment=self.environment
            )
            for number, address in enumerate(self.worker_addresses)
        ]

    def start_server(self, name: str) -> None:
        """Start a server; it may be killed."""
        self.stacks[name] = stack = ExitStack()
        found = stack.enter_context(
            serving(
                STORE,
                self.folder / name / "cache",
                *SMALL,
                "--engine",
                self.cluster.address,
                environment=self.environment,
                command=(*self.machines[name].within, *COMMAND),
                exit_code=None,
            )
        )
        self.servers[name] = RemoteServer(found.process, found.port, found.engine, found.log_file, self.machines[name])

    def kill_server(self, name: str) -> None:
        self.servers[name].process.kill()
        self.stacks[name].close()

    def learn(self, source: Path) -> None:
        """Convert the dataset, and have the truth from a server that needs no other host than the storage."""
        ended = subprocess.run(
            [*self.machines["one"].within, *COMMAND, "convert", str(source), "--store", STORE, "--name", "files"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        alone = {name: text for name, text in self.environment.items() if name != "LAZYTILE_SHARED_CACHE"}
        command = (*self.machines["one"].within, *COMMAND)
        with serving(STORE, self.folder / "alone" / "cache", environment=alone, command=command) as found:
            server = RemoteServer(found.process, found.port, found.engine, found.log_file, self.machines["one"])
            self.truth = record(server, PATHS)

    @contextlib.contextmanager
    def loaded(self) -> Iterator[list[Comparison]]:
        """Request all tiles of both servers again and again while the block runs."""
        with ExitStack() as stack:
            yield [stack.enter_context(load(server, self.truth)) for server in self.servers.values()]

    def computed(self) -> list[float]:
        """Return how many tiles each server has had computed."""
        return [server.counter("lazytile_tiles_total", tier="computed") for server in self.servers.values()]

    def healed(self) -> float:
        """Return how long it takes until both servers answer everything; it must be soon."""
        took = max(heal_time_s(server, self.truth) for server in self.servers.values())
        assert took < HEAL_S * slowness()
        return took

    def end(self) -> None:
        for stack in self.stacks.values():
            stack.close()
        self.cluster.end()
        for running in (self.redis, self.s3):
            if running is not None:
                running.kill()
                running.wait()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for module in ("moto.server", "obstore", "redis"):
        pytest.importorskip(module)
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not here: apt-get install redis-server")
    folder = tmp_path_factory.mktemp("hosts")
    with network({"one": 1, "two": 1, "compute": 3, "storage": 2}) as machines:
        running = Site(folder, machines)
        try:
            running.start_s3()
            running.start_redis()
            running.cluster.start_scheduler()
            running.start_workers()
            running.learn(write_source(folder / "source.nc"))
            running.cluster.wait_for_workers(2)
            for name in ("one", "two"):
                running.start_server(name)
            yield running
        finally:
            running.end()


@pytest.fixture
def row(site: Site, table_row: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """Return what notes a fault; afterwards both servers are well, and agree in bytes and tags."""
    yield table_row
    for server in site.servers.values():
        wait_for(lambda server=server: server.conditions() == [], what=server.log)
        replies = record(server, PATHS)
        assert {path: (each.body, each.headers["etag"]) for path, each in replies.items()} == {
            path: (each.body, each.headers["etag"]) for path, each in site.truth.items()
        }
        assert "Traceback" not in server.log()


def disturbed(
    site: Site, fault: contextlib.AbstractContextManager[object], seconds: float
) -> tuple[float, list[Comparison]]:
    """Put load on both servers, have a fault for a time, and return how long they take to heal, and what they said."""
    with site.loaded() as during:
        wait_for(lambda: all(len(each.right) > 20 for each in during))
        with fault:
            time.sleep(seconds)
        healed = site.healed()
        computed = site.computed()
        wait_for(lambda: all(now > before for now, before in zip(site.computed(), computed, strict=True)))
    for each in during:
        assert each.statuses <= {503}
    return healed, during


CUT_S = pytest.mark.parametrize("seconds", [4, pytest.param(25, marks=pytest.mark.slow)])


@CUT_S
def test_a_link_from_a_server_to_the_cluster_is_cut(site: Site, row: Callable[..., None], seconds: float) -> None:
    compute = site.machines["compute"].addresses
    healed, during = disturbed(site, site.machines["one"].cut_from(*compute), seconds)
    assert not during[1].refused
    row(
        f"server cut from scheduler and workers, {seconds} s",
        "its packets to them vanish",
        "503 from this server, tiles from the other",
        healed,
        *during,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5, 45])
def test_a_link_from_a_server_to_the_scheduler_is_cut(site: Site, row: Callable[..., None], seconds: float) -> None:
    healed, during = disturbed(site, site.machines["one"].cut_from(site.scheduler_address), seconds)
    row(
        f"server cut from the scheduler, {seconds} s", "its packets there vanish", "tiles, 503 at most", healed, *during
    )


@pytest.mark.slow
def test_a_link_from_a_server_to_redis_is_cut(site: Site, row: Callable[..., None]) -> None:
    healed, during = disturbed(site, site.machines["one"].cut_from(site.redis_address), 4)
    assert not any(each.refused for each in during)
    row("server cut from Redis", "its packets there vanish", "nothing", healed, *during)


@pytest.mark.slow
def test_a_link_from_a_server_to_the_object_storage_is_cut(site: Site, row: Callable[..., None]) -> None:
    healed, during = disturbed(site, site.machines["one"].cut_from(site.s3_address), 20)
    row("server cut from the object storage", "its packets there vanish", "tiles, 503 at most", healed, *during)


@pytest.mark.slow
def test_a_link_from_the_workers_to_the_object_storage_is_cut(site: Site, row: Callable[..., None]) -> None:
    healed, during = disturbed(site, site.machines["compute"].cut_from(site.s3_address), 20)
    row("workers cut from the object storage", "their packets there vanish", "tiles, 503 at most", healed, *during)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", "compute", "storage"])
def test_a_machine_is_cut_from_all_others(site: Site, row: Callable[..., None], name: str) -> None:
    healed, during = disturbed(site, site.machines[name].isolated(), 15)
    what = {"one": "a server", "compute": "scheduler and workers", "storage": "object storage and Redis"}[name]
    row(f"host of {what} cut off", "its link is down for 15 s", "tiles, 503 at most", healed, *during)


@pytest.mark.slow
def test_object_storage_that_hangs(site: Site, row: Callable[..., None]) -> None:
    assert site.s3 is not None
    healed, during = disturbed(site, stopped(site.s3.pid), 15)
    row("object storage hangs", "SIGSTOP for 15 s", "tiles, 503 at most", healed, *during)


def test_a_worker_is_killed(site: Site, row: Callable[..., None]) -> None:
    with site.loaded() as during:
        wait_for(lambda: all(len(each.right) > 20 for each in during))
        os.kill(child_of(site.nannies[0]), 9)
        healed = site.healed()
        site.cluster.wait_for_workers(2)
    assert all(each.statuses <= {503} for each in during)
    row("worker of two servers killed", "kill -9 of one of two", "tiles, 503 at most", healed, *during)


@pytest.mark.slow
def test_the_scheduler_is_killed(site: Site, row: Callable[..., None]) -> None:
    with site.loaded() as during:
        wait_for(lambda: all(len(each.right) > 20 for each in during))
        site.cluster.kill_scheduler()
        for server in site.servers.values():
            wait_for(lambda server=server: server.get("/readyz").status == 503)
        for nanny in site.nannies:
            nanny.terminate()
            nanny.wait()
        site.cluster.start_scheduler()
        site.start_workers()
        site.cluster.wait_for_workers(2)
        healed = site.healed()
    assert all(each.statuses <= {503} for each in during)
    row("scheduler of two servers killed", "kill -9; then a new one with new workers", "503 meanwhile", healed, *during)


@pytest.mark.slow
def test_redis_is_killed(site: Site, row: Callable[..., None]) -> None:
    assert site.redis is not None
    with site.loaded() as during:
        wait_for(lambda: all(len(each.right) > 20 for each in during))
        site.redis.kill()
        site.redis.wait()
        for server in site.servers.values():
            assert server.condition("is not used at the moment", key="shared tile cache")["ready"]
        site.start_redis()
        began = time.monotonic()
        for server in site.servers.values():
            wait_for(lambda server=server: server.conditions() == [])
        healed = time.monotonic() - began
    assert healed < HEAL_S * slowness()
    assert not any(each.refused for each in during)
    row("Redis of two servers killed", "kill -9; an empty one starts later", "nothing", healed, *during)


@pytest.mark.slow
def test_a_server_is_killed(site: Site, row: Callable[..., None]) -> None:
    """It may have leases of tiles that the other one wants."""
    with load(site.servers["two"], site.truth, threads=4) as other:
        with load(site.servers["one"], site.truth) as own:
            wait_for(lambda: min(len(own.right), len(other.right)) > 20)
            site.kill_server("one")
            before = len(other.right)
            wait_for(lambda: len(other.right) > before + len(PATHS))
        site.start_server("one")
        healed = site.healed()
    assert own.statuses <= {0}
    assert not other.refused
    assert other.slowest_s < HEAL_S * slowness()
    row("server killed, another stays", "kill -9; started again later", "tiles from the other", healed, own, other)


def test_servers_find_each_others_tiles(site: Site) -> None:
    for server in site.servers.values():
        wait_for(
            lambda server=server: record(server, PATHS) and server.counter("lazytile_shared_cache_total", result="hit")
        )
