"""Hostile JSON is an error of one kind, whatever is wrong with it."""

import pytest

from lazytile.pyramid.core.json_text import parse_json


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
