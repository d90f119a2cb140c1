"""What is computed on first use: never on the event loop, once for all that need it, and without end nowhere."""

from __future__ import annotations

import asyncio
import threading

import pytest

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.errors import InvalidParameterError, NotComputedError
from lazytile.service.admission.admission import Admission
from lazytile.service.admission.first_use import computed
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.settings import Settings
from tests import data
from tests.service.harness import running

WMS = (
    "/wms?service=WMS&version=1.3.0&request=GetMap&layers={0}&styles=&crs=CRS:84&bbox=-60,0,60,60&width=64&height=64"
    "&format=image/png"
)
POINT = "lon=-20&lat=50"
TARGETS = (
    "/xyz/{0}/2/1/1.png", "/xyz/{0}/2/1/1.png?rescale=0,7", "/xyz/{0}/1/0/0.png?scale=auto", "/xyz/{0}.json",
    "/wmts/{0}/default/WorldCRS84Quad/1/0/1.png", "/wmts/{0}/default/WorldCRS84Quad/1/0/1/3/4.json",
    "/wmts/{0}/default/UTM31WGS84Quad/0/0/0.png", "/wmts/{0}/default/native/0/0/0.png",
    "/wmts/{0}/default/nosuch/0/0/0.png", "/ogc/collections/{0}/map/tiles/WebMercatorQuad/2/1/1?f=png",
    "/ogc/collections/{0}/map/tiles/WebMercatorQuad/2/1/1?f=png&datetime=2024-01-01/2024-01-02",
    "/xyz/{0}/2/1/1.png?time=2024-01-02", "/xyz/{0}/2/1/1.png?time=2024", "/xyz/{0}/2/1/1.png?time=junk",
    "/wmts?service=WMTS&version=1.0.0&request=DescribeDomains&layer={0}&TileMatrixSet=WorldCRS84Quad",
    WMS,
    "/wms?request=GetMetadata&item=layerDetails&layerName={0}", "/numbers/{0}/point?" + POINT,
    "/wms?request=GetMetadata&item=animationTimesteps&layerName={0}&start=2024-01-01&end=2025-01-01",
    "/numbers/{0}/series?f=covjson&" + POINT, "/numbers/{0}/point?datetime=2024-01-02&" + POINT,
    "/numbers/{0}/statistics?bbox=-30,40,-20,50", "/numbers/{0}/subset?f=csv&bbox=-30,40,-25,45",
    "/zarr/{0}/zarr.json", "/legends/{0}/default_H.svg", "/catalogue/{0}",
)  # fmt: skip
"""Requests that find something not computed yet."""
LAYERS = ("time_steps", "extra_dimension", "mercator", "lambert")


@pytest.fixture(scope="module")
def odd_store(tmp_path_factory):
    """Datasets with times, another dimension, and other CRSs."""
    folder = tmp_path_factory.mktemp("odd")
    for name in LAYERS:
        {**data.CATALOGUE, **data.PROJECTED}[name]().write(folder)
    return folder


@pytest.fixture
def made(monkeypatch):
    """What was computed, with the thread that did it."""
    found, compute, check = [], process.computed, process.check_may_compute

    def note_value(name, key, make):
        def noted():
            found.append((threading.current_thread(), key))
            return make()

        return compute(name, key, noted)

    def note_work(what):
        check(what)
        found.append((threading.current_thread(), what))

    monkeypatch.setattr(process, "computed", note_value)
    monkeypatch.setattr(process, "check_may_compute", note_work)
    return found


@pytest.mark.parametrize("keeps", [True, False], ids=["caches", "no caches"])
def test_nothing_that_takes_long_is_computed_on_the_loop(odd_store, tmp_path, made, keeps):
    with running(odd_store, tmp_path / "c") as server:
        if not keeps:
            for name in ("layers", "memos", "tables"):
                process.cache(name).resize(0)
        found = {server.get(target.format(layer)).status for layer in LAYERS for target in TARGETS}
        assert found == {200, 400, 404}
        assert [key for thread, key in made if thread is server.thread] == []
        assert made


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        ("time_steps", "tile limits"), ("time_steps", "time axis"), ("time_steps", "label indices"),
        ("time_steps", "opening a dataset"), ("time_steps", "opening an array"), ("lambert", "a projection"),
        ("time_steps", "output"), ("time_steps", "values of codes"),
    ],
)  # fmt: skip
def test_what_a_first_tile_needs_is_computed_once_in_a_thread(odd_store, tmp_path, made, layer, what):
    times = "2024/" if layer == "time_steps" else ""
    with running(odd_store, tmp_path / "c") as server:

        def computed_for(column):
            made.clear()
            assert server.get(f"/wmts/{layer}/default/{times}EPSG3413_1km/1/2/{column}.png").status == 200
            return [thread for thread, key in made if key == what or key[0] == what]

        for name in ("layers", "tables"):
            process.cache(name).clear()  # the documents and styles at the start have made some
        threads = computed_for(1)
        assert threads
        assert server.thread not in threads
        if what != "a projection":  # each tile has its own mesh
            assert computed_for(2) == []


def test_a_set_that_does_not_exist_takes_no_thread(store, tmp_path, made):
    with running(store, tmp_path / "c") as server:
        assert server.get("/wmts/global_180/default/nosuch-1/0/0/0.png").status == 404
        made.clear()
        assert server.get("/wmts/global_180/default/nosuch-2/0/0/0.png").status == 404
        assert made == []


def slow(calls, key="a", *, fails=False):
    """Return a function that takes long to compute on first use."""

    def make():
        calls.append(threading.current_thread())
        return process._Memo(key)

    def function():
        found = process.computed("memos", key, make).result
        if fails:
            raise InvalidParameterError("f", "no")
        return found

    return function


@pytest.fixture
def admission(fresh_process):
    return Admission.of(Settings.of(queue_length=0), 2, Metrics())


def test_what_is_known_runs_at_once_and_what_is_lacking_runs_in_a_thread(admission):
    calls = []

    async def main():
        found = [await computed(admission, slow(calls)) for _ in range(3)]
        await admission.close()
        return found

    assert asyncio.run(main()) == ["a", "a", "a"]
    (thread,) = calls
    assert thread is not threading.main_thread()


def test_a_crowd_that_lacks_the_same_takes_one_slot_and_each_gets_its_own_answer(admission):
    calls, begun, release = [], threading.Event(), threading.Event()

    def first():
        found = slow(calls)()
        begun.set()
        assert release.wait(60)
        return found

    async def main():
        leader = asyncio.create_task(computed(admission, first))
        assert await asyncio.to_thread(begun.wait, 60)
        process.cache("memos").clear()
        others = [asyncio.create_task(computed(admission, slow(calls, fails=at % 2 == 1))) for at in range(100)]
        await asyncio.sleep(0)
        process.cache("memos").put("a", process._Memo("a"))
        release.set()
        found = await asyncio.gather(leader, *others, return_exceptions=True)
        await admission.close()
        return found

    leader, *others = asyncio.run(main())
    assert leader == "a"
    assert others[::2] == ["a"] * 50
    assert all(isinstance(each, InvalidParameterError) for each in others[1::2])
    assert len(calls) == 1


def test_an_error_of_one_request_is_not_that_of_another_that_waits_for_it(admission):
    calls = []

    async def main():
        tasks = [asyncio.create_task(computed(admission, slow(calls, fails=at == 0))) for at in range(3)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await admission.close()
        return found

    first, *others = asyncio.run(main())
    assert isinstance(first, InvalidParameterError)
    assert others == ["a", "a"]


def test_caches_that_forget_at_once_make_nobody_wait_for_ever(admission):
    process.install(CacheBudget(0, ()))
    calls = []

    async def main():
        found = await asyncio.gather(*(computed(admission, slow(calls)) for _ in range(20)))
        await admission.close()
        return found

    assert asyncio.run(main()) == ["a"] * 20
    assert len(calls) == 20
    assert threading.main_thread() not in calls


def test_a_request_waits_for_a_few_others_and_then_computes_all_itself(admission):
    process.install(CacheBudget(0, ()))
    calls, tries = [], [0] * 20

    def request(at):
        compute = slow(calls)

        def function():
            tries[at] += 1
            return compute()

        return computed(admission, function)

    async def main():
        await asyncio.gather(*map(request, range(20)))
        await admission.close()

    asyncio.run(main())
    assert min(tries) == 2, "the first one looks, and computes"
    assert max(tries) == 5, "the last one looks four times, and computes"


def test_work_that_leaves_nothing_behind_is_done_for_each_request(admission):
    threads = []

    def project():
        process.check_may_compute("a projection")
        threads.append(threading.current_thread())

    async def main():
        await asyncio.gather(*(computed(admission, project) for _ in range(3)))
        await admission.close()

    asyncio.run(main())
    assert len(threads) == 3
    assert threading.main_thread() not in threads


def test_a_value_that_one_thread_may_not_compute_is_computed_by_another_that_waits(fresh_process):
    cache, entered, waiting = process.cache("maps"), threading.Event(), threading.Event()
    found = []

    def cheap():
        entered.set()
        assert waiting.wait(60)
        process.check_may_compute("a projection")
        return process._Memo("a")

    def other():
        assert entered.wait(60)
        threading.Timer(0.2, waiting.set).start()
        found.append(cache.get("key", cheap).result)

    thread = threading.Thread(target=other)
    thread.start()
    with pytest.raises(NotComputedError):
        process.if_known(lambda: cache.get("key", cheap))
    thread.join(60)
    assert found == ["a"]
    process.check_may_compute("again, outside")
