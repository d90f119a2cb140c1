"""Who waits for a slot, and who comes next."""

import asyncio
from types import SimpleNamespace

import pytest

from lazytile.service.admission import loop_turns, queue_order
from lazytile.service.admission.error_pace import ErrorPace
from lazytile.service.admission.loop_pace import LoopPace
from lazytile.service.admission.loop_turns import LoopTurns
from lazytile.service.admission.queue_order import Overload, Visitor
from lazytile.service.admission.visitors import Visitors
from lazytile.service.admission.waiting_line import ClassLine, LineFullError, LineTimeoutError, WaitingLine
from lazytile.service.admission.work_class import ClassLimits

TURNS = 1
"""In a round of the loop."""


class Guests:
    """Tasks that take a slot, note it, and give it back when they are told."""

    def __init__(self, line):
        self.line = line
        self.served = []
        self.leave = asyncio.Event()

    async def guest(self, name):
        await self.line.take()
        self.served.append(name)
        await self.leave.wait()
        self.line.give()

    async def come(self, name):
        task = asyncio.create_task(self.guest(name))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task


def test_they_are_served_in_order_of_arrival():
    async def main():
        guests = Guests(WaitingLine(1, 10, 60, Overload()))
        guests.leave.set()
        holder = guests.line.take()
        await holder
        tasks = [await guests.come(name) for name in "abc"]
        assert (guests.line.taken, guests.line.waiting) == (1, 3)
        guests.line.give()
        await asyncio.gather(*tasks)
        assert guests.served == ["a", "b", "c"]
        assert (guests.line.taken, guests.line.waiting, guests.line.is_idle) == (0, 0, True)

    asyncio.run(main())


def test_the_last_and_the_first_come_in_turn_once_the_first_has_waited_too_long(monkeypatch):
    monkeypatch.setattr(queue_order, "PATIENCE_S", -1.0)

    async def main():
        guests = Guests(WaitingLine(1, 10, 60, Overload()))
        guests.leave.set()
        await guests.line.take()
        tasks = [await guests.come(name) for name in "abcde"]
        guests.line.give()
        await asyncio.gather(*tasks)
        assert guests.served == ["e", "a", "d", "b", "c"]

    asyncio.run(main())


class Clock:
    """The clock of a loop, to be set."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


def test_in_an_overload_new_and_old_connections_come_before_those_that_come_again_and_again(monkeypatch):
    async def main():
        clock, overload = Clock(monkeypatch), Overload()
        line = WaitingLine(1, 100, 60, overload)
        await line.take()
        served = []

        async def guest(name, visitor):
            await line.take(visitor)
            served.append(name)
            line.give()

        async def come(name, visitor):
            task = asyncio.create_task(guest(name, visitor))
            await asyncio.sleep(0)
            return task

        tasks = [await come(f"flood {number}", Visitor(clock.now, clock.now, 5)) for number in range(4)]
        clock.now += 1.0
        first = line._order.next(clock.now)  # the line is stuck, and known to be
        line._order.add(first, Visitor(clock.now - 1.0, clock.now - 1.0, 5), clock.now - 1.0)
        tasks.append(await come("new", Visitor(clock.now, clock.now, 1)))
        tasks.append(await come("again", Visitor(clock.now, clock.now, 2)))
        tasks.append(await come("established", Visitor(clock.now - 100.0, clock.now, 50)))
        tasks.append(await come("newer", Visitor(clock.now, clock.now, 1)))
        line.give()
        await asyncio.gather(*tasks)
        assert served[:3] == ["newer", "new", "established"]
        assert sorted(served[3:]) == ["again", "flood 0", "flood 1", "flood 2", "flood 3"]

    asyncio.run(main())


def test_an_overload_ends_and_the_next_one_begins_later():
    overload, old = Overload(), Visitor(90.0, 90.0, 9)
    overload.note(100.0)
    assert overload.is_guest(old, 100.5)
    assert not overload.is_guest(Visitor(99.5, 99.5, 9), 100.5)
    assert not overload.is_guest(old, 103.0), "nobody is preferred when there is no overload"
    overload.note(200.0)
    assert overload.is_guest(Visitor(150.0, 150.0, 9), 200.0)


def test_a_full_line_takes_nobody():
    async def main():
        guests = Guests(WaitingLine(1, 1, 60, Overload()))
        await guests.line.take()
        waiting = await guests.come("a")
        with pytest.raises(LineFullError):
            await guests.line.take()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert guests.line.waiting == 0
        again = await guests.come("b")
        assert guests.line.waiting == 1
        guests.leave.set()
        guests.line.give()
        await again

    asyncio.run(main())


def test_who_waits_too_long_is_sent_away_and_the_others_stay():
    async def main():
        line = WaitingLine(1, 10, 0.05, Overload())
        await line.take()
        outcomes = await asyncio.gather(*(line.take() for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in outcomes] == [LineTimeoutError] * 3
        assert (line.taken, line.waiting) == (1, 0)
        line.give()
        await line.take()
        assert line.taken == 1

    asyncio.run(main())


@pytest.mark.parametrize("gives_first", [False, True])
def test_a_slot_is_not_lost_to_one_who_leaves_at_that_moment(gives_first):
    async def main():
        guests = Guests(WaitingLine(1, 10, 60, Overload()))
        await guests.line.take()
        leaving = await guests.come("a")
        if gives_first:
            guests.line.give()  # to a, who does not know it yet
            leaving.cancel()
        else:
            leaving.cancel()
            guests.line.give()
        staying = await guests.come("b")
        guests.leave.set()
        await asyncio.wait_for(staying, 10)
        assert guests.served == ["b"]
        assert guests.line.is_idle

    asyncio.run(main())


class Pieces:
    """Pieces of work that wait for turns and take a set time, by a clock of ours; in which round each began."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds = 1000.0, seconds
        self.turns, self.begun, self.rounds = LoopTurns(60, Overload()), [], 0
        monkeypatch.setattr(loop_turns, "time", SimpleNamespace(monotonic=lambda: self.now))

    async def work(self, name):
        await self.turns.turn()
        self.begun.append((self.rounds, name))
        self.now += self.seconds

    async def all(self, count):
        """Return how many begin in each round; they come together."""
        self.begun, self.rounds = [], 0

        async def count_rounds():
            while len(self.begun) < count:
                self.rounds += 1
                await asyncio.sleep(0)

        await asyncio.gather(count_rounds(), *(self.work(name) for name in range(count)))
        rounds = [each for each, _ in self.begun]
        assert [name for _, name in self.begun] == list(range(count))
        assert self.turns.waiting == 0
        return [rounds.count(each) for each in range(1, self.rounds + 1)]


@pytest.mark.parametrize(("seconds", "most"), [(0.002, 1), (0.0007, 1), (0.0006, 2), (0.0003, 4)])
def test_a_round_of_the_loop_has_as_many_turns_as_fit_into_its_share(monkeypatch, seconds, most):
    async def main():
        pieces = Pieces(monkeypatch, seconds)
        first = await pieces.all(30)
        assert first[0] == 1, "nothing is known of them at first"
        for _ in range(3):
            later = await pieces.all(30)
        assert max(first + later) == most

    asyncio.run(main())


def test_short_work_begins_at_once_while_nobody_waits_and_the_round_has_time_left(monkeypatch):
    async def main():
        pieces = Pieces(monkeypatch, 0.0003)
        turns = pieces.turns

        def begun():
            number = 0
            while turns.begins_at_once():
                number += 1
                pieces.now += pieces.seconds
            return number

        assert begun() == 5, "the last one may end later"
        pieces.now += 60
        assert not turns.begins_at_once(), "the loop has not been asked for new requests"
        await asyncio.sleep(0)
        assert begun() == 5
        waiting = asyncio.create_task(turns.turn())
        await asyncio.sleep(0)
        while not waiting.done():
            assert not turns.begins_at_once() or not turns.waiting, "who waits comes first"
            await asyncio.sleep(0)
        turns.is_crowded = True
        await asyncio.sleep(0)
        assert not turns.begins_at_once()

    asyncio.run(main())


def test_turns_end_for_those_who_wait_too_long():
    async def main():
        turns = LoopTurns(-1.0, Overload())
        outcomes = await asyncio.gather(*(turns.turn() for _ in range(TURNS + 3)), return_exceptions=True)
        assert [type(each) for each in outcomes] == [type(None)] * TURNS + [LineTimeoutError] * 3

    asyncio.run(main())


def test_a_turn_that_nobody_takes_is_passed_on():
    async def main():
        turns = LoopTurns(60, Overload())
        for _ in range(TURNS):
            await turns.turn()
        waiting = [asyncio.create_task(turns.turn()) for _ in range(4)]
        await asyncio.sleep(0)
        for each in waiting[:3]:
            each.cancel()
        await asyncio.wait_for(waiting[3], 10)

    asyncio.run(main())


def test_many_refusals_are_held_back_but_not_for_long(monkeypatch):
    async def main():
        now, slept = [1000.0], []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: now[0])

        really_sleep = asyncio.sleep

        async def sleep(seconds, *result):
            if asyncio.get_running_loop() is loop:
                slept.append(seconds)
            else:  # in a thread that an earlier test has left behind
                await really_sleep(seconds, *result)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        errors = ErrorPace(100.0)
        for _ in range(100):
            await errors.paced()
        assert slept == []
        for _ in range(5000):
            await errors.paced()
        assert len(slept) == 5000
        assert max(slept) == pytest.approx(2.0)
        now[0] += 3.1  # however long the flood was
        slept.clear()
        await errors.paced()
        assert slept == []

    asyncio.run(main())


class Crowd:
    """Tasks that ask for a turn again and again, and what they have got; a clock that each tick of the loop sets."""

    def __init__(self, turns, visitors):
        self.turns, self.visitors, self.served = turns, visitors, []
        self.tasks = []

    async def ask(self, visitor):
        while True:
            visitor.requests += 1
            visitor.arrived = asyncio.get_running_loop().time()
            await self.turns.turn(visitor)
            self.served.append(visitor)

    async def come(self):
        self.tasks = [asyncio.create_task(self.ask(visitor)) for visitor in self.visitors]
        await asyncio.sleep(0)

    def leave(self):
        for task in self.tasks:
            task.cancel()


def test_the_work_of_a_crowd_is_paced_and_that_of_a_few_is_not():
    async def main():
        for count, is_paced in ((8, False), (500, True)):
            turns = LoopTurns(60, Overload())
            crowd = Crowd(turns, [Visitor(0.0, 0.0) for _ in range(count)])
            await crowd.come()
            rounds = 0
            while len(crowd.served) < 2 * count:
                rounds += 1
                await asyncio.sleep(0)
                assert turns.is_crowded <= is_paced
            # Unpaced, each round of the loop has its piece of work; a paced crowd leaves most rounds without.
            assert (rounds > 4 * count) == is_paced
            crowd.leave()
            await asyncio.gather(*crowd.tasks, return_exceptions=True)
            await asyncio.wait_for(turns.turn(), 30)
            assert not turns.waiting

    asyncio.run(main())


def test_a_crowd_has_one_turn_in_a_round_too(monkeypatch):
    monkeypatch.setattr(LoopPace, "tick", lambda *_: 4)

    async def main():
        turns = LoopTurns(60, Overload())
        crowd = Crowd(turns, [Visitor(0.0, 0.0, requests=9 * (number % 2)) for number in range(200)])
        await crowd.come()
        most = 0
        while len(crowd.served) < 400:
            before = len(crowd.served)
            await asyncio.sleep(0)
            most = max(most, len(crowd.served) - before)
        assert turns.is_crowded
        assert most == TURNS
        crowd.leave()

    asyncio.run(main())


@pytest.mark.parametrize(("rests", "spent_s", "rest_s"), [(3.0, 0.01, 0.03), (3.0, 5.0, 0.1), (0.0, 5.0, None)])
def test_the_slot_of_a_class_that_rests_stays_empty_while_others_wait(monkeypatch, rests, spent_s, rest_s):
    async def main():
        line = ClassLine(ClassLimits(1, 10, rests=rests), Overload())
        later = []
        await line.line.take()
        line.ended(spent_s)
        assert line.line.is_idle, "nobody waits for it"
        await line.line.take()
        waiting = asyncio.create_task(line.line.take())
        await asyncio.sleep(0)
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "call_later", lambda *call: later.append(call))
            line.ended(spent_s)
        await asyncio.sleep(0)
        if rest_s is None:
            assert later == []
        else:
            (delay_s, give), *others = later
            assert delay_s == pytest.approx(rest_s)
            assert others == []
            await asyncio.sleep(0)
            assert not waiting.done()
            give()
        await asyncio.wait_for(waiting, 30)

    asyncio.run(main())


def test_a_guest_need_not_wait_for_the_pace_of_a_crowd(monkeypatch):
    monkeypatch.setattr(LoopPace, "tick", lambda *_: 0)

    async def main():
        turns = LoopTurns(60, Overload())
        crowd = Crowd(turns, [Visitor(0.0, 0.0, requests=9) for _ in range(100)])
        await crowd.come()
        loop = asyncio.get_running_loop()
        for _ in range(3):  # rounds of the loop
            await asyncio.sleep(0)
        assert turns.is_crowded
        before = len(crowd.served)
        await asyncio.wait_for(turns.turn(Visitor(loop.time(), loop.time(), requests=1)), 30)
        assert len(crowd.served) == before
        crowd.leave()

    asyncio.run(main())


def test_the_pace_of_a_crowd_follows_how_late_the_loop_is():
    pace = LoopPace()
    pace.begin(0.0)
    speeds, now = [pace.per_s], 0.0

    def run(late_s, seconds):
        nonlocal now
        end, begun = now + seconds, 0
        while now < end:
            due, now = now + 0.004, now + 0.004 + late_s
            begun += pace.tick(due, now)
        speeds.append(pace.per_s)
        return begun / seconds

    assert run(0.0, 2.0) > 500
    assert run(0.02, 2.0) < 800
    assert speeds[1] > speeds[0] > speeds[2] >= 250
    run(0.02, 60.0)
    assert speeds[-1] == 250, "a crowd is served, however busy the loop is"
    run(0.0, 60.0)
    assert speeds[-1] == 4000
    pace.begin(now)
    assert pace.tick(now, now + 100.0) <= 4, "nothing is saved up"


class Transport:
    """What a connection is known by."""


def test_a_connection_is_known_in_every_task_that_answers_it():
    async def main():
        visitors, one, other = Visitors(), Transport(), Transport()

        async def request(connection):
            visitors.arrived(asyncio.get_running_loop().time(), connection)
            return visitors.running

        async def in_task(connection):
            return await asyncio.create_task(request(connection))

        first, second, third = [await in_task(each) for each in (one, one, other)]
        assert first is second
        assert (first.requests, third.requests) == (2, 1)
        assert (await in_task(None)).requests == 1
        assert visitors.running is None

    asyncio.run(main())
