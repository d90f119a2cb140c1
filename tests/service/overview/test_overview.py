"""The overview of layers, the details of one, and the colours of a style."""

import json

import numpy as np
import pytest

from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.dataset import Histogram, Variable
from lazytile.service.access.security_headers import PageHeaders
from lazytile.service.app.viewer_page import base_map_origins
from lazytile.service.overview.percentiles import percentiles_of, rounded_range, stretch_of


def overview(server):
    return json.loads(server.get("/catalogue").body)


def test_it_lists_every_layer_with_what_it_refers_to(server):
    document = overview(server)
    names = {layer["id"] for layer in document["layers"]}
    assert {"global_180", "time_steps", "extra_dimension", "antimeridian", "mercator"} <= names
    for layer in document["layers"]:
        assert layer["dataset"] in document["datasets"]
        assert set(layer["sets"]) <= set(document["sets"])
        assert document["styles"][layer["styles"]][0] == "default"
        assert layer["times"] is None or document["times"][layer["times"]]
        for name in layer["sets"]:
            assert {document["sets"][name]["crs"], name} & set(layer["extents"])


def test_layers_of_equal_times_share_them_and_dimensions_are_named_as_requests_do(server):
    document = overview(server)
    layer = next(each for each in document["layers"] if each["id"] == "extra_dimension")
    assert layer["path"] == ["Time", "level"]
    assert [(each["name"], each["values"]) for each in layer["dimensions"]] == [("level", ["200", "500", "850"])]
    assert document["times"][layer["times"]][0].startswith("2024-01-01")
    assert len({tuple(times) for times in document["times"]}) == len(document["times"])


def test_data_across_180_degrees_has_an_east_above_180(server):
    layer = next(each for each in overview(server)["layers"] if each["id"] == "antimeridian")
    west, _, east, _ = layer["bounds"]
    assert west < 180 < east


def test_the_entity_tag_answers_for_no_change(server):
    reply = server.get("/catalogue")
    assert reply.headers["Cache-Control"] == "no-cache"
    assert server.get("/catalogue", headers={"If-None-Match": reply.headers["ETag"]}).status == 304


def test_a_styles_entries_ascend_in_the_units_of_the_layer(server):
    document = json.loads(server.get("/catalogue/global_180/styles/grey?rescale=-10,10").body)
    ends = [(entry["lower"], entry["upper"]) for entry in document["entries"]]
    assert ends[0][0] is None
    assert ends[-1][1] is None
    assert [lower for lower, _ in ends[1:]] == [upper for _, upper in ends[:-1]]
    assert min(lower for lower, _ in ends[1:]) == pytest.approx(-10)
    assert max(upper for _, upper in ends[:-1]) == pytest.approx(10)


@pytest.mark.parametrize("path", ["/catalogue/nothing", "/catalogue/nothing/styles/default"])
def test_unknown_layers_are_not_found(server, path):
    assert server.get(path).status == 404


@pytest.mark.parametrize("query", ["rescale=5,1", "rescale=1", "rescale=1,2&spacing=odd"])
def test_invalid_ranges_are_refused(server, query):
    assert server.get(f"/catalogue/global_180/styles/grey?{query}").status == 400


def test_percentiles_are_those_of_the_values():
    values = np.random.default_rng(3).normal(10, 3, 20_000)
    counts, edges = np.histogram(values, 400)
    histogram = Histogram(float(edges[0]), float(edges[1] - edges[0]), tuple(counts.tolist()))
    found = percentiles_of(histogram, (0, 2, 50, 98, 100))
    assert found == pytest.approx(np.percentile(values, (0, 2, 50, 98, 100)).tolist(), abs=0.1)
    assert percentiles_of(Histogram(0.0, 1.0, (0, 0)), (50,)) == []


@pytest.mark.parametrize(
    ("standard_name", "first_edge", "expected"),
    [("eastward_wind", -10.0, (-29.2, 29.2)), ("air_temperature", -10.0, (-9.2, 29.2)), ("", 10.0, (10.8, 49.2))],
)
def test_a_stretch_is_between_percentiles_and_symmetric_about_a_natural_centre(standard_name, first_edge, expected):
    histogram = Histogram(first_edge, 1.0, (100,) * 40)
    variable = Variable("v", (), Packing("float32"), standard_name=standard_name, histogram=histogram)
    limits, spacing = stretch_of(variable)
    assert limits == pytest.approx(expected)
    assert spacing == "keep"


def test_chlorophyll_is_spread_in_equal_ratios():
    variable = Variable("chl", (), Packing("float32"), histogram=Histogram(1.0, 1.0, (100,) * 40),
                        standard_name="mass_concentration_of_chlorophyll_in_sea_water")  # fmt: skip
    assert stretch_of(variable)[1] == "log"


def test_classes_and_constant_values_have_no_stretch():
    histogram = Histogram(0.0, 1.0, (5, 5))
    assert stretch_of(Variable("v", (), Packing("uint8"), reduction="mode", histogram=histogram)) is None
    assert stretch_of(Variable("v", (), Packing("uint8"))) is None
    assert stretch_of(Variable("v", (), Packing("float32"), histogram=Histogram(3.0, 0.0, (7,)))) is None


def test_ranges_are_rounded_to_their_width():
    assert rounded_range(271.31834, 303.4911) == (271.3, 303.5)
    assert rounded_range(-0.0001, 0.98765) == (0.0, 0.988)
    assert str(rounded_range(-0.0001, 0.98765)[0]) == "0.0"


def test_the_page_may_load_the_background_map_and_nothing_else():
    origins = base_map_origins("https://tiles.example.org:8443/osm/{z}/{x}/{y}.png")
    assert origins == ("https://tiles.example.org:8443",)
    assert base_map_origins(None) == ()
    headers = PageHeaders((), origins).of("text/html", is_viewer=True)
    assert "img-src 'self' https://tiles.example.org:8443 blob: data:" in headers["Content-Security-Policy"]
    assert "example" not in str(PageHeaders((), origins).of("text/html", is_viewer=False))
    assert "example" not in str(PageHeaders(()).of("text/html", is_viewer=True))
