"""The base of JSON documents: order, absent and null members, what it refuses."""

import json
import math

import pytest
from pydantic import ValidationError

from lazytile.service.http.json_document import CamelDocument, JsonDocument, json_bytes


class Inner(CamelDocument):
    last_value: float | None
    first_name: str | None = None


class Outer(JsonDocument):
    title: str
    inner: Inner
    values: list[float | None]
    count: int | None = None


def outer(**changes):
    return Outer(**{"title": "b", "inner": Inner(last_value=None), "values": [1.0, None], **changes})


def test_members_have_the_order_of_the_fields_and_absent_ones_are_left_out():
    assert json_bytes(outer()) == b'{"title": "b", "inner": {"lastValue": null}, "values": [1.0, null]}'
    assert json_bytes(outer(count=0)).endswith(b'"values": [1.0, null], "count": 0}')


def test_text_is_ascii():
    body = json_bytes(outer(title='\u00e9"\U0001f600\ud800'))
    assert body.isascii()
    assert json.loads(body)["title"] == '\u00e9"\U0001f600\ud800'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_document_holds_nan_or_infinity(value):
    for changes in ({"values": [value]}, {"inner": {"last_value": value}}):
        with pytest.raises(ValidationError):
            outer(**changes)
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes(outer().model_copy(update={"values": [value]}))


def test_documents_are_immutable_and_have_no_other_members():
    with pytest.raises(ValidationError):
        outer().title = "c"
    with pytest.raises(ValidationError):
        outer(other=1)
    with pytest.raises(ValidationError):
        outer(inner=None)
