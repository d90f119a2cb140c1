"""The shared tier: what one host keeps another finds, one host computes, and no failure costs more than its speed."""

import asyncio
import time

import pytest

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.http.errors import CacheError, SettingsError
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.settings import Settings
from lazytile.service.shared_cache.circuit_breaker import CircuitBreaker
from lazytile.service.shared_cache.opening import open_backend, place_of
from lazytile.service.shared_cache.sealed_value import seal, unseal
from lazytile.service.shared_cache.shared_tier import SharedLimits, SharedTier, open_shared_tier
from tests.service.shared_cache.places import redis_server, s3_server

KEY, OTHER = "ab" * 32, "cd" * 32
PATIENT_S = 30.0


@pytest.fixture(scope="module", params=["redis", "s3"])
def place(request, tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) if request.param == "redis" else s3_server() as address:
        yield address


class Memory:
    """A place in memory, shared by those who have it; it can fail, be slow, and damage what it holds."""

    def __init__(self):
        self.values, self.leases = {}, {}
        self.error, self.hangs, self.write_error = None, False, None
        self.asked = self.writes = 0

    async def _answer(self, *, writes=False):
        self.asked += 1
        self.writes += writes
        if writes and self.write_error is not None:
            raise self.write_error
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def get(self, key, limit_bytes):
        await self._answer()
        value = self.values.get(key)
        return None if value is None else value[: limit_bytes + 1]

    async def put(self, key, value):
        await self._answer(writes=True)
        self.values[key] = value

    async def take(self, key, owner, lease_s):
        await self._answer(writes=True)
        known, ends = self.leases.get(key, ("", 0.0))
        if known and time.monotonic() < ends:
            return False
        self.leases[key] = owner, time.monotonic() + lease_s
        return True

    async def release(self, key, owner):
        await self._answer()
        if self.leases.get(key, ("",))[0] == owner:
            del self.leases[key]

    async def close(self):
        pass


def tier(backend, **changes):
    limits = {"timeout_s": PATIENT_S, "lease_s": PATIENT_S, "value_bytes": 1000, "waiting": 10, "waiting_bytes": 5000}
    return SharedTier(backend, "memory://here", SharedLimits(**{**limits, **changes}), Metrics())


def counted(found, result):
    return found._metrics.shared_cache.labels(result)._value.get()


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another task changes it
            await asyncio.sleep(0.005)


async def settled(found):
    await until(lambda: not found._writers)


def opened(address, **options):
    settings = {"shared_cache": address, "shared_cache_timeout_s": 30, "shared_lease_s": 30, **options}
    return open_shared_tier(Settings.of(**settings), Metrics())


def test_what_one_host_keeps_another_finds(place):
    async def run():
        one, two = opened(place), opened(place)
        assert await two.find((KEY,)) is None
        one.put({KEY: b"tile", OTHER: b"other"})
        await settled(one)
        assert await two.find((KEY, OTHER)) == {KEY: b"tile", OTHER: b"other"}
        assert await two.find((KEY, "ef" * 32)) is None, "all of a task or none"
        assert (counted(two, "hit"), counted(two, "miss"), counted(two, "error")) == (1, 2, 0)
        await one.close(5)
        await two.close(5)

    asyncio.run(run())


def test_one_host_computes_and_the_other_waits(place):
    key = "12" * 32

    async def run():
        one, two = opened(place), opened(place)
        first = await one.turn(key, (key,))
        assert first.tiles is None
        assert first.owner
        waiting = asyncio.create_task(two.turn(key, (key,)))
        await until(lambda: counted(two, "wait") == 1)
        one.put({key: b"computed"}, key, first.owner)
        second = await waiting
        assert second.tiles == {key: b"computed"}
        await settled(one)
        third = await two.turn("34" * 32, ("34" * 32,))
        assert third.owner, "another key is free"
        two.give_up("34" * 32, third.owner)
        await settled(two)
        again = await one.turn("34" * 32, ("34" * 32,))
        assert again.owner, "what was given up is free"
        await one.close(5)
        await two.close(5)

    asyncio.run(run())


def test_a_dead_holder_costs_no_more_than_its_lease(place):
    key = "56" * 32

    async def run():
        dead, alive = opened(place, shared_lease_s=1), opened(place, shared_lease_s=1)
        assert (await dead.turn(key, (key,))).owner
        turn = await alive.turn(key, (key,))  # nobody releases the first lease
        assert turn.tiles is None
        alive.put({key: b"x"}, key, turn.owner)
        await settled(alive)
        assert await dead.find((key,)) == {key: b"x"}
        await dead.close(5)
        await alive.close(5)

    asyncio.run(run())


def test_a_lease_is_ended_by_its_owner_only(place):
    key = "78" * 32

    async def run():
        backend = open_backend(Settings.of(shared_cache=place, shared_cache_timeout_s=30))
        assert await backend.take(key, "first", 30)
        assert not await backend.take(key, "second", 30)
        await backend.release(key, "second")
        assert not await backend.take(key, "third", 30)
        await backend.release(key, "first")
        assert await backend.take(key, "fourth", 0.05)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            while not await backend.take(key, "fifth", 30):  # noqa: ASYNC110 - another clock decides
                await asyncio.sleep(0.05)
        await backend.release(key, "fourth")
        assert not await backend.take(key, "sixth", 30), "the lease of the fifth stays"
        await backend.close()

    asyncio.run(run())


def test_values_that_are_not_what_was_written_are_misses():
    value = seal(KEY, b"tile")
    assert unseal(KEY, value) == b"tile"
    assert unseal(OTHER, value) is None, "of another key"
    for at in range(len(value)):
        changed = bytearray(value)
        changed[at] ^= 1
        assert unseal(KEY, bytes(changed)) is None, at
    for short in (b"", value[:10], value[:-1], value + b"x"):
        assert unseal(KEY, short) is None

    async def run():
        memory = Memory()
        found = tier(memory)
        memory.values[KEY] = value[:-1] + b"X"
        assert await found.find((KEY,)) is None
        assert counted(found, "damaged") == 1
        found.put({KEY: b"tile"})
        await settled(found)
        assert await found.find((KEY,)) == {KEY: b"tile"}

    asyncio.run(run())


def test_sizes_are_bounded():
    async def run():
        memory = Memory()
        found = tier(memory)
        found.put({KEY: b"x" * 1001})
        await settled(found)
        assert memory.values == {}
        memory.values[KEY] = seal(KEY, b"x" * 1001)
        assert await found.find((KEY,)) is None, "somebody else's limit may be larger"
        memory.hangs = True
        for number in range(30):
            found.put({f"{number:064x}": b"y" * 1000})
        assert found._waiting_bytes <= 5000
        assert counted(found, "lost") >= 25
        await found.close(0)
        assert not found._writers

    asyncio.run(run())


@pytest.mark.parametrize("fault", [OSError("gone"), "hang"], ids=["an error", "no answer"])
def test_a_place_that_fails_is_left_alone(fault):
    async def run():
        memory = Memory()
        found = tier(memory, timeout_s=0.01)
        now = [100.0]
        found._calls.breaker = CircuitBreaker(lambda: now[0])
        memory.error, memory.hangs = (None, True) if fault == "hang" else (fault, False)
        for _ in range(3):
            assert await found.find((KEY,)) is None
        assert not found.is_on
        (condition,) = (each for each in Conditions.current().all() if each.key == "shared tile cache")
        assert condition.ready
        assert "memory://here" in condition.problem
        asked = memory.asked
        assert await found.find((KEY,)) is None
        turn = await found.turn(KEY, (KEY,))
        assert (turn.tiles, turn.owner) == (None, "")
        found.put({KEY: b"x"})
        await settled(found)
        assert memory.asked == asked, "nothing is asked"
        now[0] += 1
        assert found.is_on
        await found.recheck()
        assert memory.asked == asked + 1
        assert not found.is_on
        memory.error, memory.hangs = None, False
        now[0] += 30
        await found.recheck()
        assert found.is_on
        assert not [each for each in Conditions.current().all() if each.key == "shared tile cache"]
        await found.close(0)

    asyncio.run(run())


def test_a_place_that_takes_nothing_is_read_and_said():
    """A full Redis, a replica, a bucket without the right to write."""

    async def run():
        memory = Memory()
        found = tier(memory)
        now = [100.0]
        found._calls.write_breaker = CircuitBreaker(lambda: now[0])
        memory.values[KEY] = seal(KEY, b"tile")
        memory.write_error = RuntimeError("full")
        for _ in range(3):
            turn = await found.turn(OTHER, (OTHER,))
            assert turn.tiles is None, "it is to be computed"
            found.put({OTHER: b"other"}, OTHER, turn.owner)
            await settled(found)
            assert await found.find((KEY,)) == {KEY: b"tile"}
        (condition,) = (each for each in Conditions.current().all() if each.key.startswith("shared tile cache"))
        assert condition.problem == "memory://here takes no tiles at the moment: RuntimeError; they are not shared"
        assert condition.ready
        assert (counted(found, "lost"), found.is_on) == (3, True)
        written = memory.writes
        assert (await found.turn(OTHER, (OTHER,))).tiles is None
        assert memory.writes == written, "nothing more is written for a while"
        now[0] += 30
        await found.recheck()
        assert memory.writes == written + 1
        memory.write_error = None
        now[0] += 30
        await found.recheck()
        assert not [each for each in Conditions.current().all() if each.key.startswith("shared tile cache")]
        assert memory.leases == {}
        found.put({OTHER: b"other"})
        await settled(found)
        assert await found.find((OTHER,)) == {OTHER: b"other"}
        await found.close(0)

    asyncio.run(run())


def test_a_place_that_takes_nothing_and_then_does_not_answer_is_one_condition():
    """A killed Redis: the writes may fail first."""

    async def run():
        memory = Memory()
        found = tier(memory)
        memory.write_error = RuntimeError("gone")
        for _ in range(3):
            found.put({OTHER: b"other"})
            await settled(found)
        memory.error = RuntimeError("gone")
        for _ in range(3):
            assert await found.find((KEY,)) is None
        (condition,) = (each for each in Conditions.current().all() if each.key.startswith("shared tile cache"))
        assert "is not used at the moment" in condition.problem
        await found.close(0)

    asyncio.run(run())


def test_pauses_grow_and_end():
    now = [0.0]
    breaker = CircuitBreaker(lambda: now[0])
    pauses = []
    for _ in range(3):
        assert breaker.allows
        breaker.failed()
    for _ in range(8):
        began = now[0]
        while not breaker.allows:
            now[0] += 0.5
        pauses.append(now[0] - began)
        breaker.failed()
    assert pauses == [1, 2, 4, 4, 4, 4, 4, 4]
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows


def test_tiles_that_were_written_just_before_the_lease_was_taken_are_found():
    async def run():
        memory = Memory()
        found = tier(memory)
        take = memory.take

        async def written_meanwhile(*arguments):
            memory.values[KEY] = seal(KEY, b"tile")
            return await take(*arguments)

        memory.take = written_meanwhile
        assert (await found.turn(KEY, (KEY,))).tiles == {KEY: b"tile"}
        await settled(found)
        assert memory.leases == {}
        assert (counted(found, "miss"), counted(found, "hit")) == (1, 1)

    asyncio.run(run())


def test_a_cancelled_turn_leaves_no_lease():
    async def run():
        memory = Memory()
        one, two = tier(memory), tier(memory)
        turn = await one.turn(KEY, (KEY,))
        waiting = asyncio.create_task(two.turn(KEY, (KEY,)))
        await until(lambda: counted(two, "wait") == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        one.give_up(KEY, turn.owner)
        await settled(one)
        await settled(two)
        assert memory.leases == {}

    asyncio.run(run())


@pytest.mark.parametrize("address", ["http://host/", "redis:", "s3:///prefix", "file:///x", "host:6379"])
def test_an_unusable_address_is_named(address):
    with pytest.raises(SettingsError, match="setting shared_cache: must be SCHEME://HOST"):
        Settings.of(shared_cache=address)


def test_secrets_are_not_told(monkeypatch):
    assert place_of("rediss://user:secret@cache.example:6380/3") == "rediss://cache.example:6380"
    assert place_of("s3://bucket/prefix") == "s3://bucket"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CacheError, match=r"needs the package redis: pip install 'lazytile\[shared\]'") as error:
        open_backend(Settings.of(shared_cache="redis://:secret@host"))
    assert "secret" not in str(error.value)


def test_without_a_tile_cache_there_is_no_shared_one():
    assert open_shared_tier(Settings.of(shared_cache="redis://host", no_tile_cache=True), Metrics()) is None
    assert open_shared_tier(Settings.of(), Metrics()) is None
