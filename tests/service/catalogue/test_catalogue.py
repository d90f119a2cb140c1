"""The snapshot follows the disk: watched by the kernel, or by a look at each request where that is impossible."""

import asyncio
import os
import shutil
import sys
import threading

import pytest

from lazytile.colormaps.compiled import palette
from lazytile.colormaps.library.catalog import BUNDLED, ColormapCatalog
from lazytile.pyramid.catalog.snapshot import SnapshotReader
from lazytile.pyramid.core.caches import CacheBudget, Caches
from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.render import style as style_module
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.publish import exchange
from lazytile.pyramid.store.store import Store
from lazytile.service.catalogue.catalogue import Catalogue
from lazytile.service.catalogue.folder_watch import FolderWatch
from lazytile.service.catalogue.local_disks import LocalDisks
from lazytile.service.http.parameter_names import parameter_name
from tests import data
from tests.service.harness import running

NEVER_S = 3600.0
"""A pause between polls that no test waits for."""
SOON_S = 0.05
WATCHED, POLLED = "watched", "polled"


@pytest.fixture(params=[WATCHED, POLLED])
def way(request):
    return request.param


class Bench:
    def __init__(self, folder, way=WATCHED, poll_s=NEVER_S):
        if way == WATCHED and not (sys.platform == "linux" and LocalDisks().has(folder)):
            pytest.skip("the file system of temporary files cannot be watched")
        self.store, self.maps = folder / "store", folder / "maps"
        self.maps.mkdir(exist_ok=True)
        caches = Caches(CacheBudget.server(64 << 20))
        self.styles = caches["styles"]
        catalog = ColormapCatalog(self.maps)
        self.reader = SnapshotReader(Store(self.store, caches["chunks"]), catalog, parameter_name, self.styles)
        disks = None if way == WATCHED else LocalDisks(folder / "no table")
        self.watch = FolderWatch(self.store, (self.maps, BUNDLED), disks)
        self.catalogue = Catalogue(self.reader, self.watch, poll_s)

    def run(self, work):
        async def main():
            await self.catalogue.open()
            try:
                await work(self.catalogue)
            finally:
                await self.catalogue.close()

        asyncio.run(main())

    def write(self, name="constant", **options):
        return data.CATALOGUE[name]().write(self.store, **options)


async def events():
    """Let the loop take what the kernel has queued, as it does before it handles a request that it has just read."""
    for _ in range(3):
        await asyncio.sleep(0)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.01)


async def generation(catalogue, name="constant"):
    await events()
    return (await catalogue.at(name)).dataset(name).description.generation


def is_watched(bench):
    return bench.watch.sees("constant")


def test_a_replaced_dataset_is_seen_by_the_next_request(tmp_path, way):
    bench = Bench(tmp_path, way)
    bench.write()

    async def work(catalogue):
        assert is_watched(bench) is (way == WATCHED)
        first = catalogue.snapshot
        for number in range(2, 6):
            bench.write(generation=f"synthetic-{number}")
            assert await generation(catalogue) == f"synthetic-{number}"
        assert first.dataset("constant").description.generation == "synthetic-1", "a snapshot never changes"
        assert catalogue.snapshot.generation > first.generation

    bench.run(work)


def test_an_exchanged_folder_is_watched_under_its_new_name(tmp_path):
    bench = Bench(tmp_path)
    bench.write()
    other = tmp_path / "other"
    data.CATALOGUE["constant"]().write(other, generation="synthetic-2")
    shutil.move(other / "constant.zarr", bench.store / ".partial")

    async def work(catalogue):
        assert exchange(bench.store / ".partial", bench.store / "constant.zarr")
        assert await generation(catalogue) == "synthetic-2"
        shutil.rmtree(bench.store / ".partial")
        bench.write(generation="synthetic-3")
        assert await generation(catalogue) == "synthetic-3"
        assert catalogue.is_quiet

    bench.run(work)


def test_datasets_come_and_go(tmp_path, way):
    bench = Bench(tmp_path, way)

    async def work(catalogue):
        assert catalogue.snapshot.names() == []
        bench.write()
        if way == WATCHED:
            catalogue.note()  # the folder of the store itself was not there to be watched
            await catalogue.whole()
        assert await generation(catalogue) == "synthetic-1"
        bench.write("odd_sizes")
        assert await generation(catalogue, "odd_sizes") == "synthetic-1"
        assert [layer.name for layer in (await catalogue.whole()).layers()] == ["constant", "odd_sizes"]
        (bench.store / "constant.zarr").rename(bench.store / ".constant.zarr.removed")
        await events()
        with pytest.raises(DatasetNotFoundError, match="there is no layer 'constant', there is odd_sizes"):
            (await catalogue.at("constant")).layer("constant")

    bench.run(work)


def test_a_damaged_dataset_is_named_and_repaired(tmp_path):
    bench = Bench(tmp_path)
    bench.write()
    description = bench.store / "constant.zarr/zarr.json"
    good = description.read_bytes()

    async def work(catalogue):
        description.write_text("{")
        await events()
        with pytest.raises(StoreError, match="is no dataset of lazytile"):
            (await catalogue.at("constant")).layer("constant")
        assert catalogue.snapshot.names() == ["constant"]
        assert list(catalogue.snapshot.layers()) == []
        description.write_bytes(good)
        assert await generation(catalogue) == "synthetic-1"

    bench.run(work)


def test_lost_events_make_everything_be_read(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    bench.write()

    async def work(catalogue):
        monkeypatch.setattr(bench.watch._notify, "read", lambda timeout: [(-1, 0x4000, 0, "")])
        before = bench.catalogue._notes
        bench.write(generation="synthetic-2")
        await events()
        assert bench.catalogue._notes > before
        assert await generation(catalogue) == "synthetic-2"

    bench.run(work)


def test_a_store_that_is_replaced_is_seen_by_the_next_poll(tmp_path):
    bench = Bench(tmp_path, poll_s=SOON_S)
    bench.write()
    data.CATALOGUE["odd_sizes"]().write(tmp_path / "other")

    async def work(catalogue):
        bench.store.rename(tmp_path / "old")
        (tmp_path / "other").rename(bench.store)
        await until(lambda: catalogue.snapshot.names() == ["odd_sizes"])
        assert not catalogue.snapshot.damaged

    bench.run(work)


def test_changes_are_seen_after_a_poll_that_failed(tmp_path, monkeypatch):
    bench = Bench(tmp_path, poll_s=SOON_S)
    bench.write()
    data.CATALOGUE["odd_sizes"]().write(tmp_path / "other")
    failed = []
    real = bench.watch.add_store

    def add_store():
        if threading.current_thread() is not threading.main_thread() and len(failed) < 2:
            failed.append(None)
            raise OverflowError("nobody thought of this")
        return real()

    async def work(catalogue):
        monkeypatch.setattr(bench.watch, "add_store", add_store)
        await until(lambda: len(failed) == 2)
        bench.store.rename(tmp_path / "old")
        (tmp_path / "other").rename(bench.store)
        await until(lambda: catalogue.snapshot.names() == ["odd_sizes"])

    bench.run(work)


def test_a_changed_colormap_is_seen_and_the_dead_styles_leave(tmp_path, way):
    bench = Bench(tmp_path, way, poll_s=SOON_S if way == POLLED else NEVER_S)
    bench.write()

    async def work(catalogue):
        layer = catalogue.snapshot.layer("constant")
        for name in ("default", "grey"):
            catalogue.snapshot.styles.style(layer, name)
        count = bench.styles.statistics.entries
        for _ in range(3):
            shutil.copy(BUNDLED / "grey.xml", bench.maps / "mine.xml")
            await until(lambda: "mine" in catalogue.snapshot.colormaps.names())
            first = catalogue.snapshot.styles.style(layer, "mine").palette.key
            shutil.copy(BUNDLED / "anomaly.xml", bench.maps / "part").replace(bench.maps / "mine.xml")
            await until(lambda key=first: catalogue.snapshot.styles.style(layer, "mine").palette.key != key)
            (bench.maps / "mine.xml").unlink()
            await until(lambda: "mine" not in catalogue.snapshot.colormaps.names())
        assert bench.styles.statistics.entries <= count + 6, "colormaps as read; no style of an earlier state"
        assert catalogue.snapshot.styles.compiled(layer, "default") is None

    bench.run(work)


def test_styles_stay_when_another_dataset_changes(tmp_path):
    bench = Bench(tmp_path)
    bench.write()
    bench.write("odd_sizes")

    async def work(catalogue):
        made = {
            name: catalogue.snapshot.styles.style(catalogue.snapshot.layer(name), "default")
            for name in ("constant", "odd_sizes")
        }
        bench.write(generation="synthetic-2")
        await generation(catalogue)
        snapshot = catalogue.snapshot
        assert snapshot.styles.compiled(snapshot.layer("odd_sizes"), "default") is made["odd_sizes"]
        assert snapshot.styles.compiled(snapshot.layer("constant"), "default") is None

    bench.run(work)


def test_a_catalogue_that_cannot_be_read_stays_and_says_so(tmp_path, monkeypatch):
    from lazytile.pyramid.core.conditions import Conditions

    bench = Bench(tmp_path)
    bench.write()

    async def work(catalogue):
        with monkeypatch.context() as patch:
            patch.setattr(bench.reader, "read", lambda *_: (_ for _ in ()).throw(OSError("no disk")))
            bench.write(generation="synthetic-2")
            assert await generation(catalogue) == "synthetic-1"
            assert [each.problem for each in Conditions.current().all() if each.key == "catalogue"] == [
                "it cannot be read: no disk"
            ]
        catalogue.note()
        assert await generation(catalogue) == "synthetic-2"
        assert not [each for each in Conditions.current().all() if each.key == "catalogue"]

    bench.run(work)


MAP = "/wms?service=WMS&version=1.3.0&request=GetMap&layers=global_180&styles="
PATHS = (
    "/xyz/global_180/2/1/1.png",
    "/xyz/global_180/2/1/1.png?rescale=1,2",
    "/xyz/global_180/2/1/1.png?colormap=random-7",
    "/xyz/no_such_layer/2/1/1.png",
    "/wmts/global_180/no_such_style/WebMercatorQuad/2/1/1.png",
    f"{MAP}&crs=CRS:84&bbox=-90,-45,90,45&width=64&height=64&format=image/png",
    "/wms?service=WMS&version=1.3.0&request=GetLegendGraphic&layer=global_180&format=image/png&style=random-5",
    "/ogc/collections/global_180/styles/random-3/map/tiles",
    "/legends/global_180/random-4_H.svg",
    "/legends/random-5_H.svg",
    "/colormaps/global_180/random-6.xml",
    "/wmts?service=WMTS&request=GetCapabilities",
    "/healthz",
)


def test_no_request_looks_at_the_store_or_compiles_on_the_loop(store, tmp_path, monkeypatch):
    with running(store, tmp_path / "cache", catalogue_poll_s=3600) as server:
        assert server.get(PATHS[0]).status == 200  # opens what rendering needs
        monkeypatch.setattr(server.context.broker._engine, "render_inline", lambda task: None)  # rendering may look
        loop_thread, seen = server.thread, []

        def noted(name, function):
            def wrapper(*args, **options):
                path = str(args[0]) if args else ""
                about_store = name == "compile" or str(store) in path or "colormap" in path
                if threading.current_thread() is loop_thread and about_store and not path.endswith(".0"):
                    seen.append((name, path[-60:]))
                return function(*args, **options)

            return wrapper

        for name in ("stat", "scandir", "listdir"):
            monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
        monkeypatch.setattr(style_module, "compile_colormap", noted("compile", palette.compile_colormap))
        statuses = [server.get(path).status for path in PATHS]
    assert statuses == [200, 200, 200, 404, 404, *[200] * 8]
    assert seen == []


def test_library_styles_notice_a_changed_file(tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    data.CATALOGUE["constant"]().write(tmp_path / "store")
    layer = Store(tmp_path / "store").layer("constant")
    styles = Styles(ColormapCatalog(maps))
    shutil.copy(BUNDLED / "grey.xml", maps / "mine.xml")
    first = styles.style(layer, "mine")
    assert styles.style(layer, "mine") is first
    shutil.copy(BUNDLED / "anomaly.xml", maps / "mine.xml")
    assert styles.style(layer, "mine").palette.key != first.palette.key


def test_a_style_that_was_prepared_is_compiled_once_and_not_known_before_it_is_asked_for(tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    data.CATALOGUE["constant"]().write(tmp_path / "store")
    layer = Store(tmp_path / "store").layer("constant")
    styles = Styles(ColormapCatalog(maps))
    prepared = styles.prepare(layer)
    assert styles.prepare(layer) is prepared
    assert styles.compiled(layer, "default") is None
    assert styles.style(layer, "grey") is not prepared
    assert styles.style(layer, "") is prepared
    assert styles.compiled(layer, "default") is prepared
    assert styles.style(layer, "default") is prepared
    earlier = styles.prepare(layer)
    shutil.copy(BUNDLED / "anomaly.xml", maps / "constant.xml")
    assert styles.style(layer, "default") is not earlier
    assert styles.drop_dead({}) >= 2
