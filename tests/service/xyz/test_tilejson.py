"""TileJSON 3.0 of the XYZ tiles."""

import json

import numpy as np
import pytest

from tests import data


def tilejson(server, path):
    reply = server.get(path)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


def tile(server, document, z, x, y):
    [template] = document["tiles"]
    address = template.replace("{z}", str(z)).replace("{x}", str(x)).replace("{y}", str(y))
    return server.get(address.removeprefix(server.url))


def test_the_members_of_a_document(server):
    document = tilejson(server, "/xyz/global_180.json")
    assert document["tilejson"] == "3.0.0"
    assert document["scheme"] == "xyz"
    assert document["minzoom"] == 0
    west, south, east, north = document["bounds"]
    assert (west, east) == (-180, 180)
    assert north == -south == pytest.approx(85.0511287798066)
    reply = tile(server, document, 2, 3, 1)
    assert reply.body == server.get("/wmts/global_180/default/WebMercatorQuad/2/1/3.png").body


def test_maxzoom_is_the_first_zoom_that_shows_every_cell(server):
    for name in ("global_180", "mercator", "odd_sizes"):
        description = server.context.snapshot.dataset(name).description
        document = tilejson(server, f"/xyz/{name}.json")
        to_m = 1.0 if description.grid.crs == "EPSG:3857" else 111319.49079327358
        cell_m = min(description.grid.x.cell_size, -description.grid.y.cell_size) * to_m
        pixel_m = 156543.03392804097 / 2 ** document["maxzoom"]
        assert pixel_m <= cell_m * (1 + 1e-12)
        assert document["maxzoom"] == 0 or pixel_m * 2 > cell_m
        lon, lat, zoom = document["center"]
        west, south, east, north = document["bounds"]
        assert west <= lon <= east
        assert south <= lat <= north
        assert 0 <= zoom <= document["maxzoom"]


def test_style_time_format_and_options_are_in_the_url_of_tiles(server):
    label = data.CATALOGUE["time_steps"]().fields[0].dimensions[0].labels[1]
    styles = json.loads(server.get("/ogc/collections/time_steps/styles").body)["styles"]
    style = styles[-1]["id"]
    document = tilejson(server, f"/xyz/time_steps.json?style={style}&TIME={label[:10]}&format=webp&resampling=bilinear")
    reply = tile(server, document, 0, 0, 0)
    assert reply.headers["Content-Type"] == "image/webp"
    assert reply.headers["Layer-Time-Actual"] == label
    expected = server.get(f"/wmts/time_steps/{style}/{label}/WebMercatorQuad/0/0/0.webp?resampling=bilinear")
    assert reply.body == expected.body


def test_other_dimensions_are_in_the_url_of_tiles(server):
    [other] = [each for each in data.CATALOGUE["extra_dimension"]().fields[0].dimensions if each.kind != "time"]
    document = tilejson(server, f"/xyz/extra_dimension.json?{other.name}={other.labels[1]}")
    expected = server.get(f"/xyz/extra_dimension/0/0/0.png?{other.name}={other.labels[1]}")
    assert tile(server, document, 0, 0, 0).body == expected.body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/xyz/nope.json", 404),
        ("/xyz/global_180.json?style=nope", 400),
        ("/xyz/global_180.json?format=gif", 400),
        ("/xyz/time_steps.json?time=1999-01-01", 400),
        ("/xyz/global_180.json?rescale=1", 400),
    ],
)
def test_problems(server, path, status):
    reply = server.get(path)
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert json.loads(reply.body)["status"] == status


def test_it_is_conditional(server):
    first = server.get("/xyz/global_180.json")
    assert server.get("/xyz/global_180.json", {"If-None-Match": first.headers["ETag"]}).status == 304


def test_the_center_of_data_across_the_antimeridian(server):
    longitude, _, _ = tilejson(server, "/xyz/antimeridian.json")["center"]
    bounds = server.context.snapshot.layer("antimeridian").geographic_bounds()
    assert np.cos(np.radians(longitude - (bounds.west + bounds.east) / 2)) == pytest.approx(1)
    assert -180 <= longitude <= 180
