"""The description of a stored dataset: its round trip through JSON, and refusals."""

import json

import pytest

from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.dataset import Dataset, Dimension, Histogram, Statistics, Variable
from tests.data import CATALOGUE

TIME = Dimension("t", "time", ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"))
LEVEL = Dimension("level", "other", ("200", "500", "850"), "hPa")
GRID = Grid("EPSG:4326", RegularAxis(-180.0, 0.25, 1440), RegularAxis(90.0, -0.25, 720))


def _variable(name="sst", **fields):
    return Variable(name, (TIME, LEVEL), Packing("int16", 0.01, 273.15, (-32768,), valid_min=-300), **fields)


def _dataset(*variables):
    return Dataset("d", "g1", GRID, 4, Shape(256, 256), variables or (_variable(),), title="T", source="f.nc")


def test_json_and_back():
    dataset = _dataset(
        _variable(
            title="SST",
            units="kelvin",
            standard_name="sea_surface_temperature",
            colormap="sst",
            statistics=Statistics(270.5, 306.6, 290.1, 600_000, 1_036_800),
            attributes={"flag_values": [1, 2], "comment": "ü"},
            level_statistics=(
                Statistics(270.5, 306.6, 290.1, 600_000, 1_036_800),
                Statistics(271.0, 306.0, 290.0, 9, 9),
            ),
            histogram=Histogram(270.0, 0.32, (1, 0, 5)),
            first_range=(270.5, 300.0),
            generations=(("g0", 1), ("g1", 1)),
        ),
        _variable("mask", reduction="mode", statistics=Statistics(None, None, None, 0, 10)),
    )
    text = json.dumps(dataset.to_json(), allow_nan=False)
    assert Dataset.from_json(json.loads(text)) == dataset


def test_each_step_has_the_generation_of_the_run_that_wrote_it():
    assert _variable().step_generations("g") == ["g", "g"]
    assert _variable(generations=(("g0", 1), ("g1", 1))).step_generations("g1") == ["g0", "g1"]
    still = Variable("t", (LEVEL,), Packing("int16"))
    assert still.step_generations("g") == ["g"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_synthetic_descriptions_survive_json(name):
    description = CATALOGUE[name]().description()
    assert Dataset.from_json(json.loads(json.dumps(description.to_json(), allow_nan=False))) == description


def test_the_description_holds_its_format():
    document = _dataset().to_json()
    assert document["format"] == 3
    document["format"] = 4
    with pytest.raises(StoreError, match="format 4 is newer than this version's 3"):
        Dataset.from_json(document)


@pytest.mark.parametrize("key", ["format", "name", "grid", "levels", "chunk", "variables"])
def test_a_description_without_a_part_is_refused(key):
    document = _dataset().to_json()
    del document[key]
    with pytest.raises(StoreError, match="not a dataset description"):
        Dataset.from_json(document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("grid", None),
        ("grid", {"crs": "EPSG:4326"}),
        ("chunk", {"rows": 1}),
        ("variables", 5),
        ("variables", [{"name": "x"}]),
        ("surprise", 1),
        ("format", "one"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(key, value):
    with pytest.raises(StoreError):
        Dataset.from_json({**_dataset().to_json(), key: value})


@pytest.mark.parametrize("document", [None, [], "text", 5, {}])
def test_something_else_is_refused(document):
    with pytest.raises(StoreError, match="not a dataset description"):
        Dataset.from_json(document)


def test_a_dataset_needs_a_level_and_a_variable():
    with pytest.raises(StoreError, match="needs a level and a variable"):
        Dataset("d", "g", GRID, 0, Shape(256, 256), (_variable(),))
    with pytest.raises(StoreError, match="needs a level and a variable"):
        Dataset("d", "g", GRID, 1, Shape(256, 256), ())


def test_dimensions_name_each_index_once():
    with pytest.raises(StoreError, match="needs unique labels"):
        Dimension("t", "time", ("a", "a"))
    with pytest.raises(StoreError, match="needs unique labels"):
        Dimension("t", "time", ())
    with pytest.raises(StoreError, match="kind time or other"):
        Dimension("t", "depth", ("1",))


def test_reductions_are_known():
    with pytest.raises(StoreError, match="'median' is not one of max, mean, min, mode, nearest"):
        _variable(reduction="median")
    assert _variable(reduction="mode").is_classes
    assert not _variable().is_classes


def test_time_is_found_among_the_dimensions():
    assert _variable().time == TIME
    assert Variable("v", (LEVEL,), Packing("int8")).time is None


def test_layers_are_named_after_the_dataset_where_that_is_enough():
    single = _dataset()
    assert single.layer_name(single.variable("sst")) == "d"
    several = _dataset(_variable("u"), _variable("v"))
    assert [several.layer_name(variable) for variable in several.variables] == ["d.u", "d.v"]


def test_an_unknown_variable_is_named_with_the_known_ones():
    with pytest.raises(DatasetNotFoundError, match="dataset d has no variable 'w', it has u, v"):
        _dataset(_variable("u"), _variable("v")).variable("w")


def test_a_description_of_format_1_is_read():
    document = _dataset().to_json()
    document["format"] = 1
    for key in ("codec", "shard", "lazy"):
        del document[key]
    for variable in document["variables"]:
        for key in ("level_statistics", "histogram", "first_range", "generations"):
            del variable[key]
    assert Dataset.from_json(document) == _dataset()


def test_content_has_the_generation_of_its_step():
    grown = _variable("sst", generations=(("g0", 1), ("g1", 1)))
    dataset = _dataset(grown, _variable("other"))
    assert dataset.content_generation(["sst"], (0, 2)) == "g0"
    assert dataset.content_generation(["sst"], (1, 0)) == "g1"
    assert dataset.content_generation(["sst", "other"], (0, 0)) == "g0+g1"
    assert dataset.content_generation(["sst", "other"], (1, 0)) == "g1"
    with pytest.raises(DatasetNotFoundError, match="no step"):
        dataset.content_generation(["sst"], (2, 0))
    assert dataset.live_generations() == {"g0", "g1"}
