"""lazytile: scientific grids as map tiles.

>>> import lazytile
>>> lazytile.convert("sst.nc", "store")
>>> png = lazytile.render_tile("store", "sst", "WebMercatorQuad", matrix=3, row=2, col=5)

``convert`` makes a pyramid of a file, ``open_store`` opens a folder of them, ``render_tile`` returns the bytes of one
tile, the same that the service returns. Their modules are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazytile.api import open_store, render_tile
    from lazytile.colormaps.core.errors import LazytileError
    from lazytile.pyramid.ingest.convert import convert
    from lazytile.pyramid.store.store import Store

__version__ = "0.1.0"
__all__ = ["LazytileError", "Store", "__version__", "convert", "open_store", "render_tile"]

_MODULES = {
    "LazytileError": "lazytile.colormaps.core.errors",
    "Store": "lazytile.pyramid.store.store",
    "convert": "lazytile.pyramid.ingest.convert",
    "open_store": "lazytile.api",
    "render_tile": "lazytile.api",
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
