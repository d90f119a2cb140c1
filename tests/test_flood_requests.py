"""The floods of ``scripts/bench_floods.py`` never ask for the same thing twice."""

import math

import pytest

from scripts.flood_requests import FLOODS


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_repeats_nothing(name):
    template, numbers = FLOODS[name]
    names = {"math": math, "seed": 7}
    asked = {
        template.format(layer="sst") % eval(numbers, names, {"n": n})  # our own text, Lua and Python alike
        for n in range(1, 60_001)
    }
    assert len(asked) == 60_000
