"""How the parts of an address and the dimensions of layers are spelled in requests."""

import pytest

from lazytile.pyramid.core.errors import InvalidParameterError, TileOutOfRangeError
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.store.dataset import Dimension
from lazytile.service.http.errors import failure_of
from lazytile.service.http.parameter_names import parameter_name, parameter_of

DAYS = Dimension("valid_time", "time", ("2024-01-01T00:00:00Z",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("level", "level"), ("layer", "dim_layer"), ("Style", "dim_Style"), ("a b{", "a_b_"), ("time", "dim_time"),
     ("_x", "dim__x"), ("3", "dim_3"), ("TileRow", "dim_TileRow"), ("scale", "dim_scale"), ("j", "dim_j")],
)  # fmt: skip
def test_a_dimension_keeps_its_name_unless_a_parameter_has_it(name, expected):
    assert parameter_name(Dimension(name, "other", ("1",))) == expected


def test_time_is_time_whatever_the_source_calls_it():
    assert parameter_name(DAYS) == "Time"


@pytest.mark.parametrize(
    ("field", "expected"),
    [(RequestField.ADDRESS, "request"), (RequestField.STYLE, "Style"), (RequestField.FORMAT, "Format"),
     (RequestField.TILE_MATRIX_SET, "TileMatrixSet"), (RequestField.TILE_MATRIX, "TileMatrix"),
     (RequestField.ROW, "TileRow"), (RequestField.COLUMN, "TileCol"), (RequestField.TIME, "Time"),
     (RequestField.RESCALE, "rescale"), (RequestField.SPACING, "spacing"), (RequestField.RESAMPLING, "resampling"),
     (RequestField.FILTER, "filter"), (RequestField.EXPRESSION, "expression"), (RequestField.RGB, "rgb"),
     (RequestField.SCALE, "scale"), (RequestField.BOX, "bbox"), (DAYS, "Time"),
     (Dimension("level", "other", ("1",)), "level"), ("Query_Layers", "Query_Layers")],
)  # fmt: skip
def test_every_field_has_its_spelling(field, expected):
    assert parameter_of(field) == expected


def test_a_report_has_the_spelling_in_its_text_and_its_locator():
    failure = failure_of(TileOutOfRangeError(RequestField.ROW, "row 7 is out of range"), in_path=False)
    assert (failure.locator, failure.text) == ("TileRow", "TileRow 7 is out of range")
    failure = failure_of(InvalidParameterError(DAYS, "time 'x' is no time"), in_path=False)
    assert (failure.locator, failure.text) == ("Time", "Time 'x' is no time")
