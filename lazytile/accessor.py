"""The accessor ``lazytile`` of xarray objects, and the backend by which xarray opens stored datasets.

``import lazytile`` has it registered together with xarray, whichever is imported first: see ``import_hook``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr
from xarray.backends import BackendEntrypoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.dataset import Dataset
    from lazytile.server import Server


class Accessor:
    """What lazytile does with an xarray object."""

    def __init__(self, found: Any) -> None:
        """Look at an object.

        Args:
            found: A ``Dataset`` or ``DataArray``.
        """
        self._object = found

    def open(self, name: str | None = None, **options: Any) -> Dataset:
        """Convert the object to a dataset, by default in a temporary store.

        Args:
            name: Of the dataset; None derives one.
            options: As for ``lazytile.open``.

        Returns:
            The dataset.

        Raises:
            SourceError: The object cannot be placed on the Earth.
        """
        from lazytile.opening import open as open_source  # noqa: PLC0415 - imported where it is used

        return open_source(self._object, name, **options)

    def explore(self, **settings: Any) -> Server:
        """Show the object on a map.

        Args:
            settings: As for ``lazytile.serve``.

        Returns:
            The running server. Notebooks show its map.

        Raises:
            LazytileError: The object cannot be placed on the Earth, or the server cannot start.
        """
        from lazytile.server import serve  # noqa: PLC0415 - the HTTP server

        return serve(self.open(), **settings)

    def __repr__(self) -> str:
        return f"<lazytile of a {type(self._object).__name__}: open() converts it, explore() shows it on a map>"


class Backend(BackendEntrypoint):
    """Opens stored datasets with ``xarray.open_dataset(path, engine="lazytile", level=2)``."""

    description = "Datasets of lazytile, at any level"

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, level: int = 0
    ) -> xr.Dataset:
        """Open a level of a stored dataset.

        Args:
            filename_or_obj: Path of the dataset, ``STORE/NAME.zarr``.
            drop_variables: Names of variables to leave out.
            level: 0 for the source's resolution.

        Returns:
            As ``lazytile.Dataset.to_xarray``.

        Raises:
            StoreError: There is no such dataset.
            InvalidParameterError: There is no such level.
        """
        from lazytile.opening import open as open_source  # noqa: PLC0415 - imported where it is used

        found = open_source(filename_or_obj).to_xarray(level)
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return found.drop_vars(dropped, errors="ignore")


def register() -> None:
    """Register the accessor."""
    registrations: tuple[Any, ...] = (xr.register_dataset_accessor, xr.register_dataarray_accessor)
    for each in registrations:
        each("lazytile")(Accessor)
