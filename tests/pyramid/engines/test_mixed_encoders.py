"""Workers that encode otherwise than the process that asks: equal keys have equal bytes on a mixed cluster."""

import asyncio
import os
from contextlib import contextmanager

import pytest

from lazytile.pyramid.cluster.places import Places
from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.engines.factory import open_bulk_engine, open_tile_engine
from lazytile.pyramid.engines.protocol import EngineOptions, EngineSpec
from lazytile.pyramid.kernel.selection import choose_kernel, use_kernel
from lazytile.pyramid.mrf.effort import CompressionEffort
from lazytile.pyramid.mrf.export import export_mrf
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.render.image import picture_encoders, png8_encoder
from lazytile.pyramid.work import perform
from tests.pyramid.engines import engine_tasks
from tests.pyramid.engines.test_scheduler import eventually, scheduler, worker
from tests.pyramid.mrf.stores import export, field, style, task_of, write_store
from tests.service.harness import running

TILE = "/wmts/sst/default/WebMercatorQuad/0/0/0.png"
WAITING = EngineOptions(connect_timeout_s=60)


def needs_native():
    try:
        choose_kernel("native")
    except EngineError as error:
        pytest.skip(str(error))


def conditions():
    found = Conditions.current().all()
    if not found:
        raise FileNotFoundError
    return found


@contextmanager
def worker_of(address, kernel):
    before = os.environ.get("LAZYTILE_KERNEL")
    os.environ["LAZYTILE_KERNEL"] = kernel
    try:
        running = worker(address)
        with running:
            yield
    finally:
        if before is None:
            del os.environ["LAZYTILE_KERNEL"]
        else:
            os.environ["LAZYTILE_KERNEL"] = before


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A cluster of a worker with the native kernel and one without."""
    needs_native()
    with (
        scheduler(tmp_path_factory.mktemp("scheduler")) as address,
        worker_of(address, "native"),
        worker_of(address, "numpy"),
    ):
        spec = EngineSpec.parse(address)
        with open_bulk_engine(spec, WAITING) as engine:

            def both():
                names = set(engine.map(engine_tasks.encoder, range(8), label="encoder"))
                if len(names) < 2:
                    raise FileNotFoundError

            eventually(both)
        yield spec


@pytest.mark.parametrize(("kernel", "other"), [("native", "isal 3"), ("numpy", "lazytile 1")])
def test_a_worker_with_another_encoder_is_left_out_and_named(fresh_process, mixed, kernel, other, caplog):
    use_kernel(kernel)
    own = png8_encoder()
    assert own != other
    with open_bulk_engine(mixed, WAITING) as engine:
        places = Places.of(traits=picture_encoders)
        results = engine.map(engine_tasks.encoder, range(8), label="encoder", places=places)
        found = {next(results)}
        (condition,) = eventually(conditions)
        assert found | set(results) == {own}
        text = f"it has PNG encoder {other}, this process has {own}"
        assert len([line for line in caplog.messages if line.endswith(text)]) == 1
        assert condition.problem == f"left out: {text}"
        assert condition.ready
        assert len(set(engine.map(engine_tasks.encoder, range(8), label="encoder"))) == 2, "other work uses both"


@pytest.mark.parametrize("kernel", ["native", "numpy"])
def test_tiles_and_pages_of_a_mixed_cluster_are_those_of_threads(fresh_process, mixed, tmp_path, kernel):
    use_kernel(kernel)
    store = write_store(tmp_path / "store", field(700, 900))
    served = {"effort": CompressionEffort.SERVED, "page": 64}
    export(store, tmp_path / "threads", **served)
    (layer,) = store.layers()
    with open_bulk_engine(mixed, WAITING) as engine:
        options = ExportOptions(**served)
        export_mrf(store.folder, layer, style(), tmp_path / "mixed", engine=engine, options=options)
    assert (tmp_path / "mixed" / "sst.ppg").read_bytes() == (tmp_path / "threads" / "sst.ppg").read_bytes()

    tasks = [task_of(store, style(), "native", "2", row, col) for row in range(3) for col in range(4)]

    async def tiles():
        places = Places.of(folders=(store.folder,), traits=picture_encoders)
        async with await open_tile_engine(mixed, perform, WAITING, places=places) as engine:
            return await asyncio.gather(*(engine.render(task) for task in tasks))

    assert asyncio.run(tiles()) == [perform(task) for task in tasks]


def test_efforts_that_no_kernel_decides_use_every_worker(fresh_process, mixed, tmp_path, caplog):
    use_kernel("native")
    store = write_store(tmp_path / "store", field(700, 900))
    (layer,) = store.layers()
    with open_bulk_engine(mixed, WAITING) as engine:
        options = ExportOptions(effort=CompressionEffort.DEFAULT)
        export_mrf(store.folder, layer, style(), tmp_path / "mixed", engine=engine, options=options)
    assert not [line for line in caplog.messages if "left out" in line]


def test_workers_that_a_server_starts_have_its_kernel(fresh_process, tmp_path):
    needs_native()
    store = write_store(tmp_path / "store", field(300, 300))
    found = {}
    for engine in ("threads", "local"):
        with running(store.folder, tmp_path / engine, engine=engine, workers=1, kernel="numpy") as server:
            reply = server.get(TILE)
            assert reply.status == 200, reply.body
            found[engine] = reply.headers["ETag"], reply.body
    assert found["local"] == found["threads"]
