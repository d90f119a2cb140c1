"""The store and the requests of ``scripts/probe_loop.py``: every kind of dataset, every kind of request."""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.store.store import Store
from lazytile.pyramid.tiling.tms import REGISTERED

if TYPE_CHECKING:
    from lazytile.pyramid.store.layer import Layer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tests.data, which no installation contains

STEPS, VARIABLES = 10_000, 50
LAYERS = 3
"""Of a dataset, that are asked for."""
OTHER_SETS = ("CanadianNAD83_LCC", "EuropeanETRS89_LAEAQuad", "UTM31WGS84Quad", "WorldMercatorWGS84Quad", "nosuch")
OPTIONS = (
    "", "style=default", "rescale=0,{n}", "rescale=1,{n}&spacing=log", "colormap=viridis", "colormap=random-{n}",
    "resampling=nearest", "resampling=bilinear", "resampling=average", "filter=blur", "filter=contour:{n}",
    "scale=auto", "scale=2", "time=current", "time=1850/2100", "time=19{n}", "elevation=0", "colormap=none-{n}",
    "foo={n}",
)  # fmt: skip
EXTENSIONS = ("png", "png", "png", "jpg", "webp", "npy", "tif", "lerc", "terrain")
INFO = ("json", "geojson", "html", "txt", "gml")
DOCUMENTS = (
    "/", "/healthz", "/readyz", "/metrics", "/wmts/1.0.0/WMTSCapabilities.xml", "/wmts/1.0.0/featureInfo.xsd",
    "/wmts?service=WMTS&request=GetCapabilities&sections=ServiceIdentification",
    "/wmts?service=WMTS&request=GetCapabilities&updateSequence=1", "/wmts/epsg3413/best/1.0.0/WMTSCapabilities.xml",
    "/wms?service=WMS&request=GetCapabilities", "/wms?service=WMS&request=GetCapabilities&version=1.1.1",
    "/wms?request=GetMetadata&item=menu", "/ogc", "/ogc/api", "/ogc/api?f=html", "/ogc/conformance",
    "/ogc/collections", "/ogc/collections?f=html", "/ogc/tileMatrixSets", "/ogc/tileMatrixSets/WebMercatorQuad",
    "/ogc/tileMatrixSets/UTM31WGS84Quad?f=html", "/catalogue", "/stac", "/stac/collections", "/colormaps/viridis.xml",
    "/colormaps/random-77.xml", "/legends/viridis_H.svg", "/nowhere",
)  # fmt: skip
CORNERS = 1500
POLYGON = json.dumps({
    "type": "Polygon",
    "coordinates": [[[20 * math.cos(at % CORNERS), 20 * math.sin(at % CORNERS)] for at in range(CORNERS + 1)]],
})  # fmt: skip
"""Nearly as long as a body may be."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    target: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    is_conditional: bool = False


def write_store(folder: Path, many: int) -> Path:
    """Write datasets of every kind: grids, projections, packings, a long axis, many variables.

    Args:
        folder: Where to write.
        many: Further datasets, all alike.

    Returns:
        The folder.
    """
    from tests.data import CATALOGUE, PROJECTED, Field, Synthetic  # noqa: PLC0415 - takes a second

    folder.mkdir()
    for make in (*CATALOGUE.values(), *PROJECTED.values()):
        make().write(folder)
    of = CATALOGUE["global_180"]()
    fields = tuple(Field(f"v{at:02d}", of.fields[0].codes[:64, :64], 0.01 * (at + 1)) for at in range(VARIABLES))
    Synthetic("wide", 0.0, 60.0, 0.5, 0.5, fields).write(folder)
    _lengthen(CATALOGUE["time_steps"]().write(folder, generation="long").name, folder)
    template = folder / "constant.zarr"
    for at in range(many):
        copy = folder / f"copy{at:04d}.zarr"
        shutil.copytree(template, copy)
        document = json.loads((copy / "zarr.json").read_text())
        document["attributes"]["lazytile"]["name"] = copy.stem
        (copy / "zarr.json").write_text(json.dumps(document))
    return folder


def _lengthen(name: str, folder: Path) -> None:
    """Make a copy of a dataset, ``long``, that has many time steps, most of them empty."""
    copy = folder / "long.zarr"
    shutil.copytree(folder / f"{name}.zarr", copy)
    document = json.loads((copy / "zarr.json").read_text())
    described = document["attributes"]["lazytile"]
    described["name"] = "long"
    labels = [f"{1990 + at // 336}-{at % 336 // 28 + 1:02d}-{at % 28 + 1:02d}T00:00:00Z" for at in range(STEPS)]
    for variable in described["variables"]:
        for dimension in variable["dimensions"]:
            dimension["labels"] = labels
    (copy / "zarr.json").write_text(json.dumps(document))
    for metadata in copy.glob("*/air/zarr.json"):
        array = json.loads(metadata.read_text())
        array["shape"][0] = STEPS
        metadata.write_text(json.dumps(array))


def requests_of(store: Path, seed: int) -> list[Request]:
    """Return requests of every kind for every layer of a store, the same for the same seed.

    Args:
        store: The store.
        seed: Of the random numbers.

    Returns:
        The requests, in no order.
    """
    process.install(CacheBudget.renderer(64 << 20))
    chance = random.Random(seed)  # noqa: S311 - not for security
    found: list[Request] = []
    for layer in _unlike(Store(store)):
        found += [_varied(target, chance) for target in _targets(layer, chance)]
        found.append(Request(f"/numbers/{quote(layer.name)}/statistics?budget=9000", "POST", {}, POLYGON))
    for target in DOCUMENTS:
        found += [Request(target), Request(target, headers={"Accept-Encoding": "gzip, br"}), _varied(target, chance)]
    for at in range(10):
        found.append(Request(f"/wmts/1.0.0/WMTSCapabilities.xml?{at}", headers={"Host": f"name{at}.example"}))
        found.append(Request(f"/xyz/none{chance.randrange(1000)}/1/0/0.png"))
    return found


def _unlike(store: Store) -> list[Layer]:
    """Return the first layers of each dataset, and of each number of datasets that are alike."""
    found: dict[str, Layer] = {}
    for layer in store.layers():
        at = layer.dataset.variables.index(layer.variable)
        if at < LAYERS:
            found.setdefault(f"{layer.dataset.name.rstrip('0123456789')} {at}", layer)
    return list(found.values())


def _varied(target: str, chance: random.Random) -> Request:
    """Return a request for a target, now and then a conditional one, or one for its headers."""
    headers = {"Accept-Encoding": chance.choice(("", "gzip", "gzip, br"))}
    method = chance.choices(("GET", "HEAD", "OPTIONS"), (90, 9, 1))[0]
    return Request(target, method, headers, None, chance.random() < 0.15)


def _targets(layer: Layer, chance: random.Random) -> list[str]:
    name, box = quote(layer.name), layer.geographic_bounds()
    lon, lat = (box.west + box.east) / 2, (box.south + box.north) / 2
    where, n = f"lon={lon}&lat={lat}", chance.randrange(1, 90)

    def option() -> str:
        return chance.choice(OPTIONS).format(n=n)

    found = [
        f"/xyz/{name}.json", f"/catalogue/{name}", f"/catalogue/{name}/styles/default?rescale=0,{n}",
        f"/ogc/collections/{name}", f"/ogc/collections/{name}?f=html", f"/ogc/collections/{name}/styles",
        f"/ogc/collections/{name}/map/tiles", f"/ogc/collections/{name}/styles/default/map/tiles?f=html",
        f"/legends/{name}/default_H.svg", f"/legends/{name}/default_V.png", f"/colormaps/{name}/default.xml",
        f"/numbers/{name}/point?{where}", f"/numbers/{name}/series?{where}&f=covjson",
        f"/numbers/{name}/series?{where}&f=csv", f"/numbers/{name}/point?{where}&datetime=1999-01-01",
        f"/numbers/{name}/statistics?bbox={lon - 1},{lat - 1},{lon + 1},{lat + 1}",
        f"/numbers/{name}/subset?bbox={lon - 1},{lat - 1},{lon + 1},{lat + 1}&f=csv",
        f"/stac/collections/{layer.dataset.name}", *_zarr(layer), *_wms(layer, name, chance),
    ]  # fmt: skip
    for _ in range(3):
        zoom = chance.randrange(5)
        x, y = chance.randrange(1 << zoom), chance.randrange(1 << zoom)
        found.append(f"/xyz/{name}/{zoom}/{x}/{y}.{chance.choice(EXTENSIONS)}?{option()}")
        found.append(f"/ogc/collections/{name}/map/tiles/WebMercatorQuad/{zoom}/{y}/{x}?f=png&{option()}")
        found.append(f"/wmts/epsg3857/best/{name}/default/default/GoogleMapsCompatible_Level7/{zoom}/{y}/{x}.png")
    sets = [*chance.sample(sorted(REGISTERED), 4), *chance.sample(OTHER_SETS, 2), "native"]
    for identifier in sets:
        tms = layer.native_set if identifier == "native" else REGISTERED.get(identifier)
        matrix = None if tms is None else chance.choice(tms.matrices[:6])
        row, col = (0, 0) if matrix is None else (matrix.matrix_height // 2, matrix.matrix_width // 2)
        level = "0" if matrix is None else matrix.identifier
        dimensions = "default/" * len(layer.variable.dimensions)
        path = f"/wmts/{name}/default/{dimensions}{identifier}/{level}/{row}/{col}"
        found += [f"{path}.png?{option()}", f"{path}.png", f"{path}/1/1.{chance.choice(INFO)}"]
        kvp = {
            "service": "WMTS", "version": "1.0.0", "layer": layer.name, "style": "default", "format": "image/png",
            "tilematrixset": identifier, "tilematrix": level, "tilerow": row, "tilecol": col,
        }  # fmt: skip
        found.append(f"/wmts?{urlencode({**kvp, 'request': 'GetTile'})}&{option()}")
        found.append(f"/wmts?{urlencode({**kvp, 'request': 'DescribeDomains'})}")
    return found


def _zarr(layer: Layer) -> list[str]:
    path, variable = f"/zarr/{layer.dataset.name}", layer.variable
    first = "/".join("0" for _ in range(len(variable.dimensions) + 2))
    return [f"{path}/zarr.json", f"{path}/0/{variable.name}/zarr.json", f"{path}/0/{variable.name}/c/{first}"]


def _wms(layer: Layer, name: str, chance: random.Random) -> list[str]:
    own = {"crs": layer.dataset.grid.crs, "box": layer.dataset.grid.bounds}
    boxes = {"CRS:84": layer.geographic_bounds(), "EPSG:3857": own["box"], "EPSG:3413": own["box"]}
    crs = chance.choice((*boxes, "EPSG:4326"))
    box = boxes.get(crs, layer.geographic_bounds())
    corners = (box.west, box.south, box.east, box.north)
    wanted = {
        "service": "WMS", "version": "1.3.0", "request": "GetMap", "layers": layer.name, "styles": "", "crs": crs,
        "bbox": ",".join(map(str, corners)), "width": 64, "height": 48, "format": "image/png",
    }  # fmt: skip
    point = {"request": "GetFeatureInfo", "query_layers": layer.name, "i": 3, "j": 4, "info_format": "text/plain"}
    return [
        f"/wms?{urlencode(wanted)}&{chance.choice(OPTIONS).format(n=7)}",
        f"/wms?{urlencode({**wanted, **point})}",
        f"/wms?request=GetMetadata&item=layerDetails&layerName={name}",
        f"/wms?request=GetMetadata&item=timesteps&layerName={name}&day=2000-01-01",
        f"/wms?request=GetMetadata&item=animationTimesteps&layerName={name}&start=1990-01-01&end=2030-01-01",
        f"/wms?service=WMS&version=1.3.0&request=GetLegendGraphic&layer={name}&format=image/png",
    ]
