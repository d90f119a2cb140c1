"""Steps in order, whatever the order of results; never more of them under way than there is room for."""

import random

from lazytile.pyramid.streams.ordered_window import OrderedWindow


def is_even(number):
    return number % 2 == 0


def test_any_order_of_results_gives_the_order_of_the_steps():
    chance = random.Random(3)
    window = OrderedWindow(iter(range(101)), is_even, max_jobs=7, max_steps=20)
    waiting, passed = [], []
    while not window.is_complete:
        for job in window.jobs():
            waiting.append(job)
            assert len(waiting) <= 7
        while waiting:
            number, step = waiting.pop(chance.randrange(len(waiting)))
            window.put(number, f"made of {step}")
            passed += window.in_order()
    passed += window.in_order()
    assert passed == [(n, f"made of {n}" if is_even(n) else None) for n in range(101)]


def test_steps_that_are_no_jobs_are_bounded_too():
    drawn = []

    def steps():
        for number in range(50):
            drawn.append(number)
            yield number

    window = OrderedWindow(steps(), lambda number: number == 0, max_jobs=5, max_steps=10)
    assert list(window.jobs()) == [(0, 0)]
    assert len(drawn) == 10
    assert list(window.in_order()) == []
    window.put(0, "late")
    assert [step for step, _ in window.in_order()] == list(range(10))
    assert list(window.jobs()) == []
    assert len(drawn) == 20
    assert not window.is_complete
