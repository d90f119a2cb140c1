"""An opened dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from lazytile.async_twin import async_method
from lazytile.html import picture, table, text_table
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.reading.steps import StepSelection
from lazytile.pyramid.reading.view import LayerView
from lazytile.readable import Readable
from lazytile.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import xarray as xr

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.ingest.build import Progress
    from lazytile.pyramid.store import dataset as stored
    from lazytile.pyramid.store.store import Store
    from lazytile.pyramid.verification.verify import Verification


class Dataset(Readable):
    """A dataset of a store. Its variables are found by name: ``dataset["sst"]``.

    It is always as it is stored now. Tiles, numbers and exports of a dataset of one variable need not name it.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        colormaps: str | None = None,
        steps: StepSelection | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Look at a stored dataset.

        Args:
            store: The store.
            name: Of the dataset.
            colormaps: Folder of further colormaps; None for the user's own.
            steps: What is selected.
            release: Removes a store that was made for this dataset only.

        Raises:
            StoreError: The store has no such dataset, or it is damaged.
        """
        self._store = store
        self._name = name
        self._colormaps = colormaps
        self._steps = steps or StepSelection()
        self._release = release
        _ = self.description

    @property
    def description(self) -> stored.Dataset:
        """All that the store knows of it."""
        return self._store.dataset(self._name).description

    @property
    def store(self) -> Store:
        """The store that it is in."""
        return self._store

    @property
    def path(self) -> Path:
        """Its folder, which is plain GeoZarr."""
        return self._store.dataset(self._name).path

    @property
    def name(self) -> str:
        """Name in the store."""
        return self._name

    @property
    def title(self) -> str:
        """Title for people."""
        return self.description.title

    @property
    def generation(self) -> str:
        """Changes with the content."""
        return self.description.generation

    @property
    def levels(self) -> int:
        """Number of levels, level 0 being the source's resolution."""
        return self.description.levels

    @property
    def crs(self) -> str:
        """CRS of the grid."""
        return self.description.grid.crs

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the grid's outer edges, in ``crs``."""
        bounds = self.description.grid.bounds
        return (bounds.west, bounds.south, bounds.east, bounds.north)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the conversion left out, corrected or found contradictory, one line each."""
        return self.description.remarks

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables."""
        return tuple(self[name] for name in self)

    def __getitem__(self, name: str) -> Variable:
        variable = self.description.variable(name).name
        return Variable(LayerView(self._store, self._name, variable, self._steps, self._colormaps))

    def __iter__(self) -> Iterator[str]:
        return iter([variable.name for variable in self.description.variables])

    def __len__(self) -> int:
        return len(self.description.variables)

    def __contains__(self, name: object) -> bool:
        return any(variable.name == name for variable in self.description.variables)

    def _view(self) -> LayerView:
        names = list(self)
        if len(names) != 1:
            text = f"dataset {self._name} has {len(names)} variables, choose one: {', '.join(names)}"
            raise InvalidParameterError("variable", text)
        return self[names[0]]._view()  # noqa: SLF001 - of the same family

    def sel(self, **selectors: Any) -> Dataset:
        """Select steps of all variables by label.

        Args:
            selectors: As for ``Variable.sel``.

        Returns:
            The dataset with these steps.

        Raises:
            InvalidParameterError: There is no such dimension or step.
        """
        steps = self._steps.narrowed(self.description.variables, selectors)
        return Dataset(self._store, self._name, colormaps=self._colormaps, steps=steps)

    def to_xarray(self, level: int = 0) -> xr.Dataset:
        """Return a level as an xarray object whose values are read when they are used.

        Args:
            level: 0 for the source's resolution; each further level halves it.

        Returns:
            Dask arrays of float64 in physical units, NaN for no data, with coordinates.

        Raises:
            InvalidParameterError: There is no such level.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.reading.level import level_dataset  # noqa: PLC0415 - imports xarray

        return level_dataset(self._store, self._name, tuple(self), self._steps, level)

    def append(
        self,
        path: str | Path,
        *,
        group: str | None = None,
        time: str | None = None,
        time_pattern: str | None = None,
        replace_steps: bool = False,
        engine: str | BulkEngine | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Self:
        """Append the time steps of a source.

        Until the end, and if anything fails, the dataset stays as it is; a run that was killed is resumed.

        Args:
            path: A file or URL of the same grid and variables.
            group: Of the file, where the variables are not in the root.
            time: Of a file that states none, ISO 8601.
            time_pattern: Where the name of a file that states no time holds it: ``sst-%Y%m%d.nc``.
            replace_steps: Whether a time that the dataset has replaces the old step.
            engine: ``threads``, ``local``, the address of a Dask scheduler, or an open engine.
            progress: Called after each task.

        Returns:
            The dataset itself.

        Raises:
            SourceError: The source cannot be read or does not fit.
            StoreError: The store cannot be written.
        """
        from lazytile.pyramid.ingest.append import append  # noqa: PLC0415 - imports xarray
        from lazytile.pyramid.ingest.opened_files import release_files  # noqa: PLC0415

        append(
            path,
            self._store.folder,
            self._name,
            group=group,
            time=time,
            time_pattern=time_pattern,
            replace_steps=replace_steps,
            engine=engine,
            progress=progress,
        )
        release_files(path)
        return self

    def verify(
        self,
        *,
        engine: str | BulkEngine | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Verification:
        """Check every chunk against its checksum, and every level against the finer one.

        Args:
            engine: ``threads``, ``local``, the address of a Dask scheduler, or an open engine.
            progress: Called with the number of tasks done and of all tasks.

        Returns:
            The findings; ``problems`` is empty for a sound dataset.

        Raises:
            StoreError: The description cannot be read.
        """
        from lazytile.pyramid.verification.verify import verify  # noqa: PLC0415 - imported where it is used

        return verify(self._store.folder, self._name, engine=engine, progress=progress)

    append_async = async_method(append)
    verify_async = async_method(verify)

    def close(self) -> None:
        """Remove the temporary store of a source that was opened without ``store``. Others stay as they are."""
        if self._release is not None:
            self._release()
            self._release = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return text_table(f"lazytile.Dataset {self._name}", self._rows)

    def _repr_html_(self) -> str:
        return table(self._name, self._rows, picture(lambda: self[next(iter(self))].tile(0, 0, 0).png))

    def _rows(self) -> list[tuple[str, str]]:
        found = self.description
        shape = found.grid.shape
        crs = found.grid.crs if len(found.grid.crs) <= 40 else "its own CRS"
        return [
            ("title", found.title or "none stated"),
            ("cells", f"{shape.cols} x {shape.rows} in {crs}"),
            ("levels", f"{found.levels}{', made when first read' if found.lazy else ''}"),
            ("store", str(self._store.folder)),
            *((variable.name, self._text(variable)) for variable in found.variables),
        ]

    @staticmethod
    def _text(variable: stored.Variable) -> str:
        dimensions = ", ".join(f"{each.name} {len(each.labels)}" for each in variable.dimensions)
        units = f"[{variable.units}]" if variable.units else ""
        return " ".join(part for part in (variable.title, units, dimensions) if part)
