"""An existing Dask scheduler: a real one with workers in their own processes."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import lazytile
from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.factory import open_bulk_engine, open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from tests.pyramid.engines import engine_tasks
from tests.pyramid.engines.engine_tasks import Task, marks

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SOON = EngineOptions(connect_timeout_s=1.0)


@contextmanager
def process(*arguments, python_path=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(python_path)}
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=python_path,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def eventually(read):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, json.JSONDecodeError):
            return read()
        time.sleep(0.02)
    raise TimeoutError


@contextmanager
def scheduler(folder):
    file = Path(folder, "scheduler.json")
    where = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--no-dashboard", "--no-show")
    with process("distributed.cli.dask_scheduler", *where, "--scheduler-file", str(file)):
        yield eventually(lambda: json.loads(file.read_text())["address"])


def worker(address, *, python_path=ROOT):
    where = ("--host", "127.0.0.1", "--nthreads", "2", "--no-dashboard", "--no-nanny", "--memory-limit", "0")
    return process("distributed.cli.dask_worker", address, *where, python_path=python_path)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with scheduler(tmp_path_factory.mktemp("scheduler")) as address, worker(address), worker(address):
        # Both have registered when both have been used.
        with open_bulk_engine(EngineSpec.parse(address), EngineOptions(connect_timeout_s=30)) as engine:
            deadline = time.monotonic() + 30
            while len(set(engine.map(engine_tasks.process_id, range(8), label="process_id"))) < 2:
                assert time.monotonic() < deadline
        yield EngineSpec.parse(address)


def test_bulk_runs_on_the_workers_there(cluster):
    with open_bulk_engine(cluster) as engine:
        assert (engine.capacity, engine.description) == (2, cluster.address)  # half of two threads of each
        assert sorted(engine.map(engine_tasks.square, range(40), label="square")) == [n * n for n in range(40)]
    with open_bulk_engine(cluster) as engine:
        assert list(engine.map(engine_tasks.square, [3], label="square")) == [9]


def test_tiles_come_from_the_workers_there(cluster):
    async def main():
        async with await open_tile_engine(cluster, engine_tasks.render) as engine:
            assert engine.description == f"{cluster.address}, direct calls"
            return await asyncio.gather(*(engine.render(Task(f"tile-{number}")) for number in range(20)))

    results = asyncio.run(main())
    assert [name for name, _ in results] == [f"tile-{number}".encode() for number in range(20)]
    assert len({worker for _, worker in results}) == 2


def test_two_servers_compute_equal_tiles_once(cluster, tmp_path):
    async def main():
        async with (
            await open_tile_engine(cluster, engine_tasks.render) as one,
            await open_tile_engine(cluster, engine_tasks.render) as other,
        ):
            waiting = [asyncio.create_task(engine.render(Task("x", str(tmp_path), "wait"))) for engine in (one, other)]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(Path(tmp_path, "gate").touch)
            first, second = await asyncio.gather(*waiting)
            assert first == second
        async with await open_tile_engine(cluster, engine_tasks.render) as third:
            assert (await third.render(Task("y")))[0] == b"y"

    asyncio.run(main())
    assert marks(tmp_path, "x") == 1


def test_nobody_at_the_address():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    spec = EngineSpec.parse(f"tcp://127.0.0.1:{port}")
    with pytest.raises(EngineError, match=rf"no Dask scheduler answers at tcp://127.0.0.1:{port} within 0.5 s"):
        open_bulk_engine(spec, EngineOptions(connect_timeout_s=0.5))


def test_somebody_else_at_the_address():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        spec = EngineSpec.parse(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(EngineError, match=r"no Dask scheduler answers at .* within 0.5 s"):
            open_bulk_engine(spec, EngineOptions(connect_timeout_s=0.5))


def test_tls_without_keys(cluster):
    spec = EngineSpec.parse(cluster.address.replace("tcp:", "tls:"))
    with pytest.raises(EngineError, match=r"cannot connect to the Dask scheduler at tls://.*: .*TLS"):
        open_bulk_engine(spec, SOON)


def test_no_workers(tmp_path):
    with (
        scheduler(tmp_path) as address,
        pytest.raises(EngineError, match=r"the Dask scheduler at tcp://.* has no workers"),
    ):
        open_bulk_engine(EngineSpec.parse(address), SOON)


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("__version__ = '0.0.1'", rf"has lazytile 0\.0\.1, this process has {lazytile.__version__}"),
        ("raise ModuleNotFoundError('No module named lazytile')", r"has no lazytile, it needs version"),
        ("raise OSError('disk')", r"cannot import lazytile: OSError: disk"),
    ],
)
def test_workers_that_cannot_do_our_work(tmp_path, module, complaint):
    Path(tmp_path, "lazytile.py").write_text(module)
    with scheduler(tmp_path) as address, worker(address, python_path=tmp_path):
        spec, options = EngineSpec.parse(address), EngineOptions(connect_timeout_s=30)
        with pytest.raises(EngineError, match=rf"the worker at tcp://\S+ {complaint}"):
            open_bulk_engine(spec, options)


def test_bulk_work_whose_workers_go_away_is_an_error(tmp_path):
    with scheduler(tmp_path) as address, worker(address) as only:
        options = EngineOptions(connect_timeout_s=30, lost_timeout_s=1)
        with open_bulk_engine(EngineSpec.parse(address), options) as engine:
            results = engine.map(engine_tasks.process_id, range(1_000_000), label="process_id")
            next(results)
            only.kill()
            with pytest.raises(EngineError, match=r"has had no worker for 1 s"):
                list(results)


def test_tiles_whose_cluster_goes_away_are_an_error(tmp_path):
    options = EngineOptions(connect_timeout_s=30, lost_timeout_s=1)
    with asyncio.Runner() as runner:
        with scheduler(tmp_path) as address, worker(address):
            tiles = runner.run(open_tile_engine(EngineSpec.parse(address), engine_tasks.render, options))
            assert runner.run(tiles.render(Task("x")))[0] == b"x"
        with pytest.raises(EngineError, match=r"is lost|has had no worker"):
            runner.run(tiles.render(Task("y")))
        runner.run(tiles.close())


def test_an_engine_moves_to_places_that_its_workers_see(cluster, tmp_path):
    async def main():
        first, second = tmp_path / "first", tmp_path / "second"
        for folder in (first, second):
            folder.mkdir()
        places = Places.of(folders=(first,))
        async with await open_tile_engine(cluster, engine_tasks.render, places=places) as engine:
            assert (await engine.render(Task("x")))[0] == b"x"
            await engine.move(Places.of(folders=(second,)))
            assert (await engine.render(Task("y")))[0] == b"y"
            with pytest.raises(EngineError, match=r"can do this work: .*third cannot be read"):
                await engine.move(Places.of(folders=(tmp_path / "third",)))
            assert (await engine.render(Task("z")))[0] == b"z"

    asyncio.run(main())
