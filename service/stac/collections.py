"""Datasets as STAC collections: their extents, renderings, assets and links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lazytile.pyramid.render.style import DEFAULT
from lazytile.pyramid.store.geozarr import RESAMPLING
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.tiling.crs_spellings import proj_attributes
from lazytile.service.http.documents import HTML, Link, link
from lazytile.service.http.json_document import JSON
from lazytile.service.stac.cube import cube_dimensions, cube_variables, extent_of
from lazytile.service.stac.models import (
    DATACUBE,
    PROJECTION,
    RENDER,
    VERSION,
    Asset,
    Catalog,
    Collection,
    Collections,
    Rendering,
)
from lazytile.service.zarr_http.address import store_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.store.dataset import Dataset
    from lazytile.pyramid.store.store import StoredDataset
    from lazytile.service.stac.source_attributes import SourceAttributes

PREFIX = "/stac"
CONFORMS_TO = ("https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/collections")
ZARR = "application/vnd.zarr; version=3"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
THUMBNAIL_SIDE_PX = 512


@dataclass(frozen=True, slots=True)
class StacWriter:
    """Makes the documents for clients of one base URL."""

    base_url: str
    """Address of the server, without a trailing slash."""

    @property
    def root(self) -> str:
        """Address of the catalog."""
        return f"{self.base_url}{PREFIX}"

    def address(self, name: str) -> str:
        """Return the address of a collection.

        Args:
            name: Of the dataset.

        Returns:
            The URL.
        """
        return f"{self.root}/collections/{name}"

    def catalog(self, title: str, datasets: Iterable[Dataset]) -> Catalog:
        """Return the landing page.

        Args:
            title: Of the service.
            datasets: Those that the client may see.

        Returns:
            The document.
        """
        children = [link(self.address(each.name), "child", title=each.title or each.name) for each in datasets]
        return Catalog(
            type="Catalog",
            stac_version=VERSION,
            id="lazytile",
            title=title,
            description="Scientific grids as map tiles and as Zarr",
            conforms_to=list(CONFORMS_TO),
            links=[
                link(self.root, "self", title="This document"),
                link(self.root, "root"),
                link(f"{self.root}/collections", "data", title="All datasets"),
                link(f"{self.base_url}/ogc/api", "service-desc", OPENAPI, "The API's definition"),
                link(f"{self.base_url}/ogc/api?f=html", "service-doc", HTML, "The API's documentation"),
                link(f"{self.base_url}/ogc/", "related", title="OGC API - Tiles"),
                *children,
            ],
        )

    def listing(self, collections: list[Collection]) -> Collections:
        """Return the list of collections.

        Args:
            collections: Those that the client may see.

        Returns:
            The document.
        """
        address = f"{self.root}/collections"
        return Collections(collections=collections, links=[link(address, "self"), link(self.root, "root")])

    def collection(self, stored: StoredDataset, attributes: SourceAttributes) -> Collection:
        """Return the collection of a dataset.

        Args:
            stored: The dataset.
            attributes: Of its source.

        Returns:
            The document.
        """
        dataset = stored.description
        title = dataset.title or dataset.name
        return Collection(
            type="Collection",
            stac_version=VERSION,
            stac_extensions=[DATACUBE, PROJECTION, RENDER],
            id=dataset.name,
            title=title,
            description=attributes.description or f"{title}, converted from {dataset.source or 'a grid'}",
            keywords=attributes.keywords or None,
            license=attributes.license,
            providers=attributes.providers or None,
            extent=extent_of(dataset, attributes),
            cube_dimensions=cube_dimensions(dataset),
            cube_variables=cube_variables(dataset),
            renders={layer.name: _rendering(layer) for layer in _layers(dataset)},
            assets=self._assets(dataset),
            links=self._links(dataset, attributes),
        )

    def _links(self, dataset: Dataset, attributes: SourceAttributes) -> list[Link]:
        licence = attributes.license_url
        return [
            link(self.address(dataset.name), "self"),
            link(self.root, "root"),
            link(self.root, "parent"),
            *([] if licence is None else [link(licence, "license", HTML, "Licence")]),
            *(
                link(
                    f"{self.base_url}/ogc/collections/{quote(layer.name)}", "related", JSON, f"{layer.title}: map tiles"
                )
                for layer in _layers(dataset)
            ),
        ]

    def _assets(self, dataset: Dataset) -> dict[str, Asset]:
        """Return the numbers, the maps, and for each layer tiles and a legend; of a single layer without its name."""
        grid = dataset.grid
        bounds = grid.bounds
        projection = {name.removeprefix("proj:"): value for name, value in proj_attributes(grid.crs).items()} | {
            "bbox": (bounds.west, bounds.south, bounds.east, bounds.north),
            "shape": (grid.shape.rows, grid.shape.cols),
            "transform": (grid.x.cell_size, 0.0, grid.x.first_edge, 0.0, grid.y.cell_size, grid.y.first_edge),
        }
        fixed = store_url(self.base_url, dataset.name, dataset.generation)
        layers = _layers(dataset)
        found = {
            "zarr": Asset(
                href=store_url(self.base_url, dataset.name),
                title="The numbers at every level, as they are at any time",
                type=ZARR,
                roles=["data"],
                **projection,
            ),
            "zarr-generation": Asset(
                href=fixed,
                title="The numbers as they are now; this address is gone once they change",
                type=ZARR,
                roles=["data"],
                **projection,
            ),
            "wmts": Asset(
                href=f"{self.base_url}/wmts/1.0.0/WMTSCapabilities.xml",
                title="WMTS capabilities",
                type="application/xml",
                roles=["visual", "metadata"],
            ),
            "thumbnail": Asset(
                href=self._thumbnail(layers[0]), title=layers[0].title, type="image/png", roles=["thumbnail"]
            ),
        }
        for layer in layers:
            suffix, name = f"-{layer.variable.name}" if len(layers) > 1 else "", quote(layer.name)
            found[f"xyz{suffix}"] = Asset(
                href=f"{self.base_url}/xyz/{name}/{{z}}/{{x}}/{{y}}.png",
                title=f"{layer.title}: template of its tiles in Web Mercator",
                type="image/png",
                roles=["visual", "tiles"],
            )
            found[f"tilejson{suffix}"] = Asset(
                href=f"{self.base_url}/xyz/{name}.json",
                title=f"{layer.title}: TileJSON",
                type=JSON,
                roles=["visual", "metadata"],
            )
            found[f"legend{suffix}"] = Asset(
                href=f"{self.base_url}/legends/{name}/{DEFAULT}_H.svg",
                title=f"{layer.title}: legend",
                type="image/svg+xml",
                roles=["legend"],
            )
        return found

    def _thumbnail(self, layer: Layer) -> str:
        """Return the address of a picture of a layer, in longitude and latitude."""
        bounds = layer.geographic_bounds()
        width, height = bounds.east - bounds.west, bounds.north - bounds.south
        scale = THUMBNAIL_SIDE_PX / max(width, height)
        parameters = {
            "service": "WMS",
            "version": "1.3.0",
            "request": "GetMap",
            "layers": layer.name,
            "styles": "",
            "crs": "CRS:84",
            "bbox": ",".join(f"{edge:.9g}" for edge in (bounds.west, bounds.south, bounds.east, bounds.north)),
            "width": max(1, round(width * scale)),
            "height": max(1, round(height * scale)),
            "format": "image/png",
            "transparent": "true",
        }
        return f"{self.base_url}/wms?{urlencode(parameters, safe=':,/')}"


def _layers(dataset: Dataset) -> list[Layer]:
    return [Layer(dataset, variable) for variable in dataset.variables]


def _rendering(layer: Layer) -> Rendering:
    low, high = layer.variable.style_range
    return Rendering(
        title=layer.title,
        assets=["zarr"],
        rescale=None if low is None or high is None else [(low, high)],
        colormap_name=layer.variable.colormap,
        resampling=RESAMPLING[layer.variable.reduction],
        variable=layer.variable.name,
    )
