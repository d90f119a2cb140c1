"""Background work: what a client of the lowest urgency, a warm-up and the prefetcher ask for comes after all others."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from lazytile.pyramid.render.image import ImageFormat
from lazytile.service.admission.admission import Admission
from lazytile.service.admission.work_class import WorkClass, class_limits
from lazytile.service.app.remote_warm import RemoteWarmUp, warm_remote
from lazytile.service.app.warm import WarmUp, warm
from lazytile.service.http.reply import is_background
from lazytile.service.http.settings import Settings
from tests.service.harness import running

TILE = "/xyz/global_180/3/{}/1.png"


@pytest.fixture
def taken(monkeypatch):
    """The classes whose slots are taken."""
    classes, slot = [], Admission.slot

    @asynccontextmanager
    async def note(admission, work_class):
        classes.append(work_class)
        async with slot(admission, work_class):
            yield

    monkeypatch.setattr(Admission, "slot", note)
    return classes


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("u=7", True), ("u=7, i", True), ("i, u=7", True), (" u=7;x", True), ("u=6", False), ("u=77", False),
        ("xu=7", False), ("i", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_the_lowest_urgency(priority, expected):
    assert is_background({} if priority is None else {"Priority": priority}) is expected


def test_requests_of_the_lowest_urgency_are_background_work_on_both_paths(store, tmp_path, taken):
    with running(store, tmp_path / "c") as server:
        first = "/wmts/global_180/default/WebMercatorQuad/3/1/4.png"  # the limits of the layer are computed for it
        plain = [server.get(path).status for path in (TILE.format(0), TILE.format(1), first)]
        assert plain == [200, 200, 200]
        assert WorkClass.BACKGROUND not in taken
        taken.clear()
        for path in (TILE.format(2), "/wmts/global_180/default/WebMercatorQuad/3/1/3.png"):
            assert server.get(path, {"Priority": "u=7"}).status == 200
        assert taken == [WorkClass.BACKGROUND] * 2
        assert server.get(TILE.format(2), {"Priority": "u=7"}).status == 200
        assert len(taken) == 2, "a tile in memory takes no slot"


def test_a_warm_up_over_http_is_background_work(store, tmp_path, taken):
    with running(store, tmp_path / "c") as server:
        where = ("global_180", (0, 1), "WebMercatorQuad", "default", "image/png", ("default",))
        asked = RemoteWarmUp(server.url, *where, concurrency=4)
        found = asyncio.run(warm_remote(asked, lambda *_: None))
    assert (found.failed, found.done) == (0, found.tiers.total())
    assert found.done > 1
    assert set(taken) - {WorkClass.STYLE, WorkClass.PREPARATION, WorkClass.DOCUMENT} == {WorkClass.BACKGROUND}


def test_a_warm_up_of_its_own_is_background_work_and_uses_every_thread(store, tmp_path, taken):
    settings = Settings.of(store=store, cache=tmp_path / "c", engine="threads", offline=True)
    asked = WarmUp("global_180", (0, 1), "WebMercatorQuad", "default", ImageFormat.PNG)
    tiers = warm(settings, asked, lambda *_: None)
    assert tiers["computed"] == tiers.total() > 1
    assert set(taken) - {WorkClass.STYLE} == {WorkClass.BACKGROUND}


def test_slots_and_lengths_are_those_of_the_settings():
    changed = Settings.of(heavy_slots=3, heavy_queue_length=5, background_slots=2, queue_length=9, queue_wait_s=1.5)
    limits = class_limits(changed, 8)
    heavy, background = limits[WorkClass.HEAVY], limits[WorkClass.BACKGROUND]
    assert (heavy.running, heavy.waiting, heavy.wait_s) == (3, 5, 1.5)
    assert (background.running, background.waiting) == (2, 9)
    usual = class_limits(Settings.of(), 8)
    assert (usual[WorkClass.HEAVY].running, usual[WorkClass.BACKGROUND].running) == (4, 1)


def test_background_work_that_waits_keeps_nobody_waiting(store, tmp_path):
    with running(store, tmp_path / "c", background_slots=1, queue_wait_s=60) as server:
        admission, path = server.context.admission, TILE.format(4)
        held, leave = asyncio.Event(), asyncio.Event()

        async def hold():
            async with admission.slot(WorkClass.BACKGROUND):
                held.set()
                await leave.wait()

        async def ask():
            holding = asyncio.create_task(hold())
            await held.wait()
            background = asyncio.create_task(asyncio.to_thread(server.get, path, {"Priority": "u=7"}))
            while not admission._classes[WorkClass.BACKGROUND].line.waiting:  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.01)
            reply = await asyncio.to_thread(server.get, path)
            assert not background.done()
            leave.set()
            await holding
            return reply, await background

        reply, later = asyncio.run_coroutine_threadsafe(ask(), server.loop).result(60)
        assert (reply.status, later.status) == (200, 200)
        assert reply.body == later.body
        assert server.counter("lazytile_renders_total") == 1
