"""Hostile JSON is an error of one kind, whatever is wrong with it."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pytest

from lazytile.pyramid.core.json_text import json_values, parse_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000 + "1" + "}" * 200_000, "nested too deeply"),
        ("9" * 100_000, "digits"),
        ("[1,", "Expecting value"),
        (b"\xff\xfe\xfd", "codec can't decode"),
        ('"' + "a" * 2000 + '"', "2002 bytes of JSON exceed the limit of 1000"),
    ],
)
def test_hostile_documents(content, message):
    with pytest.raises(ValueError, match=message):
        parse_json(content, 1000 if "exceed" in message else 10_000_000)


def test_a_document():
    assert parse_json(b'{"a": [1, null]}') == {"a": [1, None]}


class Pair(NamedTuple):
    rows: int
    cols: int


@dataclass(frozen=True, slots=True)
class Inner:
    counts: tuple[int, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Outer:
    inner: tuple[Inner, ...]
    pair: Pair
    one: Inner
    attributes: dict[str, Any] = field(default_factory=dict)


def test_the_values_of_a_dataclass():
    one = Inner((1, 2, 3), "a")
    attributes = {"a": [1, 2.5, None], "b": {"c": (True, "x")}, "d": [[1], [2, {"e": one}]]}
    outer = Outer((one, Inner((), None)), Pair(2, 3), one, attributes)
    assert json_values(outer) == asdict(outer)
    assert json_values(one) == {"counts": (1, 2, 3), "name": "a"}
    assert json_values(one)["counts"] is one.counts
