"""Requests of every kind for tiles, and a client that compares the answers of two servers."""

from __future__ import annotations

import http.client
import random
import re
import socket
from urllib.parse import quote, urlencode

CHANCE = random.Random(14)
IGNORED = {"X-Request-Id", "Date", "Server-Timing"}
LAYERS = ("global_180", "time_steps", "extra_dimension", "two_variables.chl", "antimeridian", "mercator", "odd_sizes")
TIMES = ("2024-01-01", "2024-01-02T00:00:00Z", "default", "current", "1800-01-01", "junk", "")
OPTIONS = (
    "style=default", "colormap=grey", "rescale=0,30", "rescale=0,30&spacing=log", "resampling=nearest",
    "resampling=average", "resampling=bilinear", "time=default", "time=current", "time=", "scale=2", "foo=bar",
    "foo=bar&baz=%22", "colormap=nosuch", "rescale=x", "rescale=5,1", "filter=sobel", "scale=3",
    "style=grey&colormap=anomaly", "STYLE=Grey", "Rescale=0,20", "resampling=%6eearest", "time=2024-01-01",
    "time=2024", "time=1900", "time=junk", "style=a&style=b", "a=1&a=1", "expression=x*2", "rgb=a,b,c",
    "colormap=random-3", "tilerow=7", "scale=auto", "scale=auto&colormap=grey", "cmap=grey", "min_value=0&max_value=30",
    "colorscalerange=0,30&numcolorbands=5", "colorscalerange=auto", "abovemaxcolor=0xFF0000&rescale=0,9", "bands=x",
    "logscale=true&rescale=1,9", "elevation=0", "elevation=500", "elevation=-3", "time=2024-01-01/2024-01-02",
    "time=2024-01-01,2024-01-03", "time=../2024-01-02", "time=2030-01-01/..", "spacing=log", "palette=nosuch",
)  # fmt: skip
KVP = {
    "SERVICE": "WMTS", "REQUEST": "GetTile", "VERSION": "1.0.0", "LAYER": "global_180", "STYLE": "default",
    "FORMAT": "image/png", "TILEMATRIXSET": "WebMercatorQuad", "TILEMATRIX": "2", "TILEROW": "1", "TILECOL": "3",
}  # fmt: skip
CHANGES = (
    {"TILEROW": None}, {"TILECOL": "x"}, {"TILEROW": "9"}, {"LAYER": "no"}, {"LAYER": None}, {"STYLE": None},
    {"STYLE": ""}, {"FORMAT": "image/gif"}, {"FORMAT": "image/jpeg"}, {"VERSION": "1.1.0"}, {"SERVICE": "WMS"},
    {"REQUEST": "Get"}, {"TILEMATRIX": "77"}, {"TILEMATRIXSET": "none"}, {"FOO": "bar"}, {"TIME": "junk"},
    {"TILEMATRIXSET": "native", "TILEMATRIX": "0", "TILEROW": "0", "TILECOL": "0"},
    {"LAYER": "time_steps", "TIME": "1800-01-01"}, {"LAYER": "time_steps", "TIME": "2024-01-02"},
    {"TILEROW": "1&TILEROW=1"}, {"TILEROW": "1&tilerow=2"}, {"TILEROW": "1&tile%52ow=2"}, {"TILEROW": "1&tile%72ow=1"},
    {"TILEROW": "%31"}, {"TILEROW": "+1"}, {"TILEROW": "%201"}, {"TILEROW": "01"}, {"TILEROW": "1234567890"},
    {"REQUEST": "GetCapabilities"}, {"REQUEST": "GetFeatureInfo", "I": "3", "J": "4", "INFOFORMAT": "application/json"},
    {"colormap": "grey"}, {"rescale": "0,5"}, {"scale": "2"}, {"resampling": "nearest"},
)  # fmt: skip


def some(values):
    return CHANCE.choice(values)


def xyz(layer, query="", extension="png", zoom=None, suffix=""):
    zoom = CHANCE.randint(0, 3) if zoom is None else zoom
    last = (1 << zoom) - 1
    path = f"/xyz/{layer}/{zoom}/{CHANCE.randint(0, last)}/{CHANCE.randint(0, last)}{suffix}.{extension}"
    return f"{path}?{query}" if query else path


def kvp(path="/wmts", *, shuffled=False, **changes):
    pairs = [(name, value) for name, value in {**KVP, **changes}.items() if value is not None]
    if shuffled:
        CHANCE.shuffle(pairs)
    return f"{path}?" + "&".join(f"{name}={value}" for name, value in pairs)


def targets() -> list[str]:
    """Return at least 500 targets, the same each time."""
    CHANCE.seed(14)
    found = [xyz(some(LAYERS)) for _ in range(110)]
    found += [xyz(layer, option) for option in OPTIONS for layer in ("global_180", "time_steps", "extra_dimension")]
    for extension in ("png", "jpg", "webp", "tif", "npy", "lerc", "terrain", "gif", "PNG", "jpeg", ""):
        found += [xyz("global_180", "", extension), xyz("odd_sizes", "", extension, 2)]
    found += [xyz("mercator", "", "png", 3, suffix) for suffix in ("@2x", "@1x", "@3x", "@", "@x", "@2")]
    tile = "/xyz/global_180/2/1/1.png"
    found += [
        "/xyz/global_180/2/9/1.png", "/xyz/global_180/2/-1/1.png", "/xyz/global_180/2/+1/1.png",
        "/xyz/global_180/2/01/002.png", "/xyz/global_180/2/1/1", "/xyz/global_180/99/1/1.png", "/xyz/none/2/1/1.png",
        "/xyz/two_variables/2/1/1.png", "/xyz/two_variables./2/1/1.png", "/xyz/global_180./2/1/1.png",
        "/xyz/two_variables.none/2/1/1.png", "/xyz/../2/1/1.png", "/xyz/global%5f180/2/1/1.png",
        "/xyz/global_180/2/%31/1.png", f"{tile}?", f"{tile}?&", f"{tile}/", "/xyz//global_180/2/1/1.png",
        "/xyz/global_180/2/1234567890/1.png", "/xyz/global_180/2/1/1234567890.png", f"{tile}?x=/3/1.png",
        f"{tile}?x=y.png", f"{tile}?" + "a" * 1100, f"{tile}?" + "&".join(f"a{n}=1" for n in range(120)),
        f"{tile}?x=" + "a" * 9000, "/wmts", "/wmts/", "/xyz/", "/xyz/global_180.json", "/ogc/collections/global_180",
        "/wmts/1.0.0/WMTSCapabilities.xml", "/legends/global_180/default_H.svg", "/colormaps/global_180/default.xml",
    ]  # fmt: skip
    for _ in range(45):
        row, col, time = CHANCE.randint(0, 3), CHANCE.randint(0, 3), some(TIMES)
        found += [
            f"/wmts/time_steps/default/{quote(time) or 'default'}/WebMercatorQuad/2/{row}/{col}.png",
            f"/wmts/{some(LAYERS)}/default/WebMercatorQuad/2/{row}/{col}.{some(('png', 'jpg'))}",
            f"/wmts/epsg3857/best/global_180/default/default/GoogleMapsCompatible_Level7/3/{row}/{col + 2}.png",
            f"/wmts/epsg4326/best/antimeridian/default/default/2km/1/{row}/{col}.png",
            f"/ogc/collections/{some(LAYERS)}/map/tiles/WebMercatorQuad/2/{row}/{col}?f={some(('png', 'jpeg', 'x'))}",
            kvp(shuffled=some((True, False)), LAYER=some(LAYERS), TILEROW=str(row), TILECOL=str(col)),
            kvp(path="/wmts/epsg3857/best/wmts.cgi", TILEROW=str(row), STYLE=some(("", "default", None))),
        ]
    for changes in CHANGES:
        found += [kvp(**changes), kvp(shuffled=True, **changes)]
        row = changes.get("TILEROW")
        if row is not None and "&" in row:
            found += [kvp(**{**changes, "TILEROW": row.replace("1&", f"{first}&", 1)}) for first in (2, 3)]
    found += [kvp().replace("TILEROW", "TileRow").replace("TILECOL", "tilecol"), kvp().replace("/wmts?", "/wmts/?")]
    box = {"crs": "CRS:84", "bbox": "-90,-45,90,45", "width": "64", "height": "64", "format": "image/png"}
    for layer in LAYERS:
        wms = {"service": "WMS", "version": "1.3.0", "request": "GetMap", "layers": layer, "styles": "", **box}
        found += [f"/wms?{urlencode(wms)}", f"/wms?{urlencode({**wms, 'width': '0'})}"]
    CHANCE.shuffle(found)
    return found


class Client:
    """Asks one server over one connection."""

    def __init__(self, port):
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def ask(self, target, method="GET", headers=None):
        """Return what must be equal: status, headers but those of the moment, and body."""
        self._connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        response = self._connection.getresponse()
        body = response.read()
        self.timing = response.getheader("Server-Timing") or ""
        self.request_id = response.getheader("X-Request-Id")
        fields = sorted((name, value) for name, value in response.getheaders() if name not in IGNORED)
        if response.getheader("Connection") == "close":
            self._connection.close()
        return response.status, fields, body

    def raw(self, *pieces, wait_s=0.5):
        """Send bytes as they are, and return everything that comes back."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.settimeout(wait_s)
            got = b""
            for piece in pieces:
                sock.sendall(piece)
            try:
                while data := sock.recv(1 << 16):
                    got += data
                got += b"<end>"
            except TimeoutError:
                pass
        got = re.sub(rb"(X-Request-Id|Date|Server-Timing): [^\r]*\r\n", b"", got)
        heads = [b"\r\n".join(sorted(head.split(b"\r\n"))) for head in got.split(b"\r\n\r\n")]
        return b"\r\n\r\n".join(heads)
