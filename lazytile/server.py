"""A map of a dataset in a notebook or a browser: a server in a thread of the program."""

from __future__ import annotations

import shutil
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from lazytile.async_twin import async_function
from lazytile.colormaps.core.errors import LazytileError
from lazytile.dataset import Dataset
from lazytile.variable import Variable

if TYPE_CHECKING:
    from lazytile.service.app.background import BackgroundServer

MAP_HEIGHT_PX = 500


class Server:
    """A running server. Notebooks show its map; ``url`` opens the viewer in a browser."""

    def __init__(self, dataset: Dataset, layer: str, host: str, port: int, settings: dict[str, Any]) -> None:
        """Start the server.

        Args:
            dataset: Whose store is served.
            layer: Name of the layer to show first.
            host: Address to listen on.
            port: Port to listen on; 0 takes a free one.
            settings: Further settings of the server.

        Raises:
            LazytileError: It cannot start.
        """
        from lazytile.service.app.background import BackgroundServer  # noqa: PLC0415 - the HTTP server
        from lazytile.service.http.settings import Settings  # noqa: PLC0415

        self._dataset = dataset
        self._layer = layer
        self._cache = Path(tempfile.mkdtemp(prefix="lazytile-cache-"))
        defaults: dict[str, Any] = {"cache": self._cache, "offline": True, "engine": "threads"}
        # Notebooks show the viewer in a frame, and the log would be in the way of their output.
        defaults |= {"access_log": "off", "frame_ancestors": ("*",)}
        found = Settings.of(store=dataset.store.folder, host=host, port=port, **(defaults | settings))
        try:
            self._server: BackgroundServer = BackgroundServer(found)
        except BaseException:
            shutil.rmtree(self._cache, ignore_errors=True)
            raise

    @property
    def url(self) -> str:
        """Address of the viewer."""
        return f"{self._server.url.rstrip('/')}/#layer={quote(self._layer)}"

    @property
    def tile_url(self) -> str:
        """Template of its tiles for web maps: ``{z}``, ``{x}``, ``{y}``."""
        return f"{self._server.url.rstrip('/')}/xyz/{quote(self._layer)}/{{z}}/{{x}}/{{y}}.png"

    @property
    def is_running(self) -> bool:
        """Whether it answers."""
        return self._server.is_running

    def map(self, **options: Any) -> Any:
        """Return a map widget of the layer.

        Args:
            options: Of ``ipyleaflet.Map``, such as ``center`` and ``zoom``; there is no base map unless ``basemap`` is
                one, so that nothing is loaded from elsewhere.

        Returns:
            An ``ipyleaflet.Map``.

        Raises:
            LazytileError: ipyleaflet is not installed.
        """
        try:
            import ipyleaflet  # noqa: PLC0415 - only in notebooks
        except ImportError as error:
            raise LazytileError("map widgets need ipyleaflet: pip install 'lazytile[notebook]'") from error
        bounds = self._dataset[next(iter(self._dataset))]._view().layer().geographic_bounds()  # noqa: SLF001
        centre = ((bounds.south + bounds.north) / 2, (bounds.west + bounds.east) / 2)
        layers = (ipyleaflet.TileLayer(url=self.tile_url, name=self._layer, attribution="", max_zoom=24),)
        base = options.pop("basemap", None)
        shown = (base, *layers) if base is not None else layers
        return ipyleaflet.Map(**({"center": centre, "zoom": 2, "layers": shown, "scroll_wheel_zoom": True} | options))

    def browse(self) -> Self:
        """Open the viewer in a browser.

        Returns:
            The server itself.
        """
        webbrowser.open(self.url)
        return self

    def close(self) -> None:
        """Stop the server and remove its tile cache."""
        self._server.close()
        shutil.rmtree(self._cache, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lazytile.Server {self.url}{'' if self.is_running else ' (stopped)'}>"

    def _repr_html_(self) -> str:
        return (
            f"<iframe src='{self.url}' width='100%' height='{MAP_HEIGHT_PX}' style='border:0'></iframe>"
            f"<a href='{self.url}' target='_blank'>{self.url}</a>"
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the map widget where ipyleaflet is installed, else the viewer in a frame."""
        del options
        try:
            shown = self.map()
        except LazytileError:
            return {"text/html": self._repr_html_(), "text/plain": repr(self)}
        return shown._repr_mimebundle_()


def serve(dataset: Dataset | Variable, *, host: str = "127.0.0.1", port: int = 0, **settings: Any) -> Server:
    """Serve the store of a dataset from a thread of this program: all protocols and the viewer.

    Args:
        dataset: The dataset or variable to show first. The other datasets of its store are served too.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        settings: Further settings of the server by name, such as ``memory_bytes`` or ``colormaps``; it looks for no
            colormaps online unless ``offline=False``.

    Returns:
        The running server. Notebooks show its map.

    Raises:
        LazytileError: It cannot start.
    """
    if isinstance(dataset, Variable):
        view = dataset._view()  # noqa: SLF001 - of the same family
        return Server(Dataset(view.store, view.dataset), dataset.layer_name, host, port, settings)
    return Server(dataset, next(iter(dataset.variables)).layer_name, host, port, settings)


serve_async = async_function(serve)
