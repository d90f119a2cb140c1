"""lazytile: scientific grids as map tiles.

>>> import lazytile
>>> ds = lazytile.open("sst.nc")  # or "store/sst.zarr", a URL, an xarray object
>>> ds["analysed_sst"].sel(time="2024-10-11").tile(3, 5, 2).array  # values; .png and .image are its picture
>>> lazytile.serve(ds)  # a map, in a notebook or a browser

``open`` opens what there is, ``convert`` makes a dataset that stays, ``serve`` shows it. ``open_store`` and
``render_tile`` are the shortest way from a folder of datasets to the bytes that the service returns. The modules are
imported on first use; only ``serve`` imports an HTTP server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lazytile.import_hook import register_accessor

if TYPE_CHECKING:
    from lazytile.api import open_store, render_tile
    from lazytile.colormaps.core.errors import LazytileError
    from lazytile.dataset import Dataset
    from lazytile.opening import convert, convert_async, link, link_async, open, open_async  # noqa: A004 - lazytile.open
    from lazytile.pyramid.reading.tile import Tile
    from lazytile.pyramid.store.store import Store
    from lazytile.server import Server, serve, serve_async
    from lazytile.variable import Variable

__version__ = "0.1.0"
__all__ = [
    "Dataset",
    "LazytileError",
    "Server",
    "Store",
    "Tile",
    "Variable",
    "__version__",
    "convert",
    "convert_async",
    "link",
    "link_async",
    "open",
    "open_async",
    "open_store",
    "render_tile",
    "serve",
    "serve_async",
]

_MODULES = {
    "Dataset": "lazytile.dataset",
    "LazytileError": "lazytile.colormaps.core.errors",
    "Server": "lazytile.server",
    "Store": "lazytile.pyramid.store.store",
    "Tile": "lazytile.pyramid.reading.tile",
    "Variable": "lazytile.variable",
    "convert": "lazytile.opening",
    "convert_async": "lazytile.opening",
    "link": "lazytile.opening",
    "link_async": "lazytile.opening",
    "open": "lazytile.opening",
    "open_async": "lazytile.opening",
    "open_store": "lazytile.api",
    "render_tile": "lazytile.api",
    "serve": "lazytile.server",
    "serve_async": "lazytile.server",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'lazytile' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List all names, imported or not."""
    return sorted({*globals(), *_MODULES})


register_accessor()
