"""The exceptions of requests: what they name, how a protocol spells it, and their way between processes."""

import pickle

import pytest

from lazytile.pyramid.core.errors import InvalidParameterError, TileOutOfRangeError
from lazytile.pyramid.core.request_field import RequestField, field_name
from lazytile.pyramid.store.dataset import Dimension

DAYS = Dimension("valid_time", "time", ("2024-01-01T00:00:00Z",))
LEVEL = Dimension("level", "other", ("1000", "850"))


@pytest.mark.parametrize(
    ("field", "text", "name", "expected"),
    [
        (RequestField.ROW, "row 7 is out of range", "TileRow", "TileRow 7 is out of range"),
        (RequestField.TILE_MATRIX, "tile matrix '7' is not in 1km", "TileMatrix", "TileMatrix '7' is not in 1km"),
        (RequestField.ROW, "rows are counted from 0", "TileRow", "rows are counted from 0"),
        (RequestField.FORMAT, "a format such as png", "Format", "a format such as png"),
        (DAYS, "time 'x' is no time", "Time", "Time 'x' is no time"),
        (LEVEL, "level '7' is invalid", "dim_level", "dim_level '7' is invalid"),
        ("bbox", "bbox is four numbers", "BBOX", "BBOX is four numbers"),
    ],
)
def test_a_protocol_spells_the_field_with_which_a_text_begins(field, text, name, expected):
    error = InvalidParameterError(field, text)
    assert str(error) == text
    assert error.spelled(name) == expected


def test_fields_have_names_for_people():
    assert [field_name(field) for field in (RequestField.TILE_MATRIX_SET, DAYS, LEVEL, "Query_Layers")] == [
        "tile matrix set", "time", "level", "Query_Layers",
    ]  # fmt: skip


@pytest.mark.parametrize("field", [RequestField.COLUMN, LEVEL, "bbox"])
def test_a_request_error_survives_the_way_between_processes(field):
    error = pickle.loads(pickle.dumps(TileOutOfRangeError(field, "7 is out of range")))
    assert type(error) is TileOutOfRangeError
    assert (error.field, str(error)) == (field, "7 is out of range")
