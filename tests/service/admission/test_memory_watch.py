"""Work is refused while memory is short: heavy work first, all else a little later."""

import asyncio
import os

import pytest

from lazytile.pyramid.cluster.shared_chunks import SharedChunks
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.admission import memory_watch
from lazytile.service.admission.admission import Admission
from lazytile.service.admission.memory_watch import MemoryWatch, group_share, resident_bytes
from lazytile.service.admission.work_class import ClassLimits, WorkClass
from lazytile.service.http.errors import BusyError
from lazytile.service.http.metrics import Metrics
from tests.service.harness import running

HEAVY = {WorkClass.HEAVY, WorkClass.BACKGROUND}


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(memory_watch, "LOOK_EVERY_S", 0.0)


@pytest.mark.parametrize(
    ("resident", "group", "refused"),
    [
        (999, 0.0, set()),
        (1000, 0.0, HEAVY),
        (1049, 0.0, HEAVY),
        (1051, 0.0, set(WorkClass)),
        (0, 0.94, set()),
        (0, 0.96, HEAVY),
        (0, 1.0, set(WorkClass)),
    ],
)
def test_what_is_refused_depends_on_how_little_is_left(resident, group, refused):
    watch = MemoryWatch(1000, lambda: resident, lambda: group)
    assert {each for each in WorkClass if not watch.admits(each)} == refused
    standing = [each for each in Conditions.current().all() if each.key == "memory"]
    assert [each.ready for each in standing] == ([True] if refused else [])
    Conditions.current().clear("memory")


def test_the_condition_ends_with_its_cause(at_once):
    used = [2000]
    watch = MemoryWatch(1000, lambda: used[0], lambda: 0.0)
    assert not watch.admits(WorkClass.LIGHT)
    used[0] = 10
    assert watch.admits(WorkClass.HEAVY)
    assert "memory" not in {each.key for each in Conditions.current().all()}


def test_memory_is_looked_at_seldom(monkeypatch):
    monkeypatch.setattr(memory_watch, "LOOK_EVERY_S", 3600.0)
    looks = []
    watch = MemoryWatch(1000, lambda: looks.append(1) or 0, lambda: 0.0)
    for _ in range(100):
        assert watch.admits(WorkClass.LIGHT)
    assert len(looks) == 1


def test_admission_refuses_with_503_and_counts_it(at_once):
    async def main():
        metrics, used = Metrics(), [1000]
        limits = dict.fromkeys(WorkClass, ClassLimits(1, 1, retry_after_s=7))
        admission = Admission(limits, 10, metrics, MemoryWatch(1000, lambda: used[0], lambda: 0.0))
        with pytest.raises(BusyError, match="no memory left for heavy requests, retry in 7 seconds") as caught:
            async with admission.slot(WorkClass.HEAVY):
                pass
        assert caught.value.retry_after_s == 7
        assert not admission.has_room
        async with admission.slot(WorkClass.LIGHT):
            pass
        used[0] = 1
        async with admission.slot(WorkClass.HEAVY):
            pass
        assert 'lazytile_refused_total{reason="memory",work="heavy"} 1.0' in metrics.exposition().decode()

    asyncio.run(main())


def test_tiles_in_memory_are_served_without_any(store, tmp_path, at_once):
    with running(store, tmp_path / "cache", memory_watermark_bytes=1 << 40) as server:
        path, other = "/xyz/global_180/2/1/1.png?filter=blur", "/xyz/global_180/2/1/2.png?filter=blur"
        assert server.get(path).status == 200
        server.context.admission._memory._watermark_bytes = 1
        assert server.get(path).status == 200
        reply = server.get(other)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert server.get("/readyz").status == 200
        server.context.admission._memory._watermark_bytes = 1 << 40
        assert server.get(other).status == 200


def test_this_process_has_memory():
    assert 10 << 20 < resident_bytes() < 1 << 40


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")
def test_chunks_of_other_processes_are_their_memory(fresh_process):
    process.install(CacheBudget(1 << 30, (("chunks", 1),)))
    shared = SharedChunks(1, 256 << 20)
    shared.install(0)
    before = resident_bytes()
    shared.put("mine", 32 << 20, lambda: bytes(32 << 20))
    assert (32 << 20) - (8 << 20) < resident_bytes() - before < (32 << 20) + (8 << 20)
    shared.install(0)
    shared.put("mine", 32 << 20, lambda: bytes(32 << 20))
    before = resident_bytes()
    shared._begun = shared._position  # as if another process had put it there
    assert (24 << 20) < before - resident_bytes() < (40 << 20)


@pytest.mark.parametrize(
    ("membership", "files", "share"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "1000", "a/b/memory.current": "900",
                       "a/b/memory.stat": "anon 5\ninactive_file 400\n"}, 0.5),
        ("0::/a/b\n", {"a/memory.max": "1000", "a/memory.current": "900", "a/memory.stat": "anon 5\n",
                       "a/b/memory.max": "max", "a/b/memory.current": "900", "a/b/memory.stat": ""}, 0.9),
        ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "1000", "memory/a/memory.usage_in_bytes": "300",
                           "memory/a/memory.stat": "total_inactive_file 100\n"}, 0.2),
        ("0::/a\n", {}, 0.0),
        ("", {}, 0.0),
    ],
)  # fmt: skip
def test_the_share_of_a_control_group(tmp_path, membership, files, share):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert group_share(membership, tmp_path) == pytest.approx(share)
