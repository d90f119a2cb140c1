"""The mixture of requests of ``scripts/soak.py``: every layer, style, time, format and option, and wrong ones."""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import quote

PICTURES = ("png", "jpg", "webp")
VALUES = ("tif", "lerc", "npy", "terrain")
COLORMAPS = ("ocean", "lagoon", "rain", "relief", "random")


@dataclass(frozen=True)
class Layer:
    """What requests of a layer need."""

    name: str
    times: tuple[str, ...]


class Requests:
    """An endless mixture of requests, the same for the same seed."""

    def __init__(self, layers: list[Layer], seed: int) -> None:
        """Mix requests.

        Args:
            layers: The layers of the store.
            seed: Of the random numbers.
        """
        self._layers = layers
        self._random = random.Random(seed)  # noqa: S311 - not for security
        self._etags: dict[str, str] = {}

    def next(self) -> tuple[str, str, dict[str, str]]:
        """Return method, address and headers of a request."""
        pick = self._random
        layer = pick.choice(self._layers)
        kinds = (self._tile, self._tile, self._wmts, self._option, self._wrong, self._document, self._map, self._number)
        path = pick.choices(kinds, (30, 15, 10, 15, 10, 8, 6, 6))[0](layer)
        headers = {"Accept-Encoding": pick.choice(("", "gzip", "gzip, br"))}
        if path in self._etags and pick.random() < 0.5:
            headers["If-None-Match"] = self._etags[path]
        method = pick.choices(("GET", "HEAD", "OPTIONS"), (95, 4, 1))[0]
        return method, path, headers

    def note(self, path: str, etag: str | None) -> None:
        """Remember the entity tag of an answer, for later conditional requests."""
        if etag is not None and (path in self._etags or len(self._etags) < 20_000):
            self._etags[path] = etag

    def _address(self) -> tuple[int, int, int]:
        zoom = self._random.choices(range(7), (1, 2, 4, 8, 8, 8, 8))[0]
        return zoom, self._random.randrange(2**zoom), self._random.randrange(2**zoom)

    def _tile(self, layer: Layer) -> str:
        zoom, col, row = self._address()
        extension = self._random.choices((*PICTURES, *VALUES), (10, 3, 3, 1, 1, 1, 1))[0]
        time_of = f"?time={quote(self._random.choice(layer.times))}" if layer.times else ""
        return f"/xyz/{layer.name}/{zoom}/{col}/{row}.{extension}{time_of}"

    def _wmts(self, layer: Layer) -> str:
        zoom, col, row = self._address()
        where = f"layer={layer.name}&style=default&TileMatrixSet=WebMercatorQuad&TileMatrix={zoom}"
        where += f"&TileRow={row}&TileCol={col}&format=image/png&service=WMTS&version=1.0.0"
        if self._random.random() < 0.2:
            return f"/wmts?request=GetFeatureInfo&I=3&J=7&InfoFormat=application/json&{where}"
        return f"/wmts?request=GetTile&{where}"

    def _option(self, layer: Layer) -> str:
        zoom, col, row = self._address()
        low = self._random.randrange(200, 280)
        option = self._random.choice(
            (
                f"rescale={low},{low + self._random.randrange(1, 60)}",
                f"colormap={self._random.choice(COLORMAPS)}",
                f"colormap=random-{self._random.randrange(500)}",
                f"filter={self._random.choice(('blur', 'sobel', 'hillshade', f'contour:{low}'))}",
                f"resampling={self._random.choice(('nearest', 'bilinear', 'cubic', 'average', 'mode'))}",
                "scale=2",
            )
        )
        return f"/xyz/{layer.name}/{zoom}/{col}/{row}.png?{option}"

    def _wrong(self, layer: Layer) -> str:
        number = self._random.randrange(1 << 30)
        return self._random.choice(
            (
                f"/xyz/nothing-{number}/1/0/0.png",
                f"/xyz/{layer.name}/3/99/{number}.png",
                f"/xyz/{layer.name}/1/0/0.png?time={number}",
                f"/xyz/{layer.name}/1/0/0.png?colormap=none-{number}",
                f"/xyz/{layer.name}/1/0/0.png?rescale={number}",
                f"/wmts?request=GetTile&layer={number}",
                f"/nowhere/{number}",
                f"/legends/{number}/default_H.svg",
            )
        )

    def _document(self, layer: Layer) -> str:
        return self._random.choice(
            (
                "/wmts/1.0.0/WMTSCapabilities.xml",
                "/ogc/collections",
                f"/ogc/collections/{layer.name}",
                f"/xyz/{layer.name}.json",
                f"/legends/{layer.name}/default_{self._random.choice('HV')}.{self._random.choice(('svg', 'png'))}",
                f"/colormaps/{self._random.choice(COLORMAPS)}.xml",
                "/healthz",
                "/readyz",
                "/metrics",
                "/wms?service=WMS&request=GetCapabilities",
            )
        )

    def _map(self, layer: Layer) -> str:
        west, south = self._random.uniform(-170, 0), self._random.uniform(-80, 0)
        east, north = west + self._random.uniform(1, 160), south + self._random.uniform(1, 80)
        return (
            f"/wms?service=WMS&version=1.3.0&request=GetMap&layers={layer.name}&styles=&crs=CRS:84"
            f"&bbox={west:.3f},{south:.3f},{east:.3f},{north:.3f}&width=200&height=120&format=image/png"
        )

    def _number(self, layer: Layer) -> str:
        lon, lat = self._random.uniform(-179, 170), self._random.uniform(-80, 79)
        if self._random.random() < 0.5:
            return f"/numbers/{layer.name}/point?lon={lon:.3f}&lat={lat:.3f}"
        return f"/numbers/{layer.name}/statistics?bbox={lon:.2f},{lat:.2f},{lon + 5:.2f},{lat + 5:.2f}"
