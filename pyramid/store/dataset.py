"""What a stored dataset is: the description that the converter writes and everybody else reads.

On disk a dataset is the Zarr v3 group ``STORE/NAME.zarr``. Its attributes hold the GeoZarr conventions for other
readers and, under ``lazytile``, the JSON of ``Dataset.to_json`` for us; ``pyramid.conventions`` writes both.
Level k is the group ``k`` in it with one array ``k/VARIABLE`` a variable, shape (*dimensions, rows, cols), and
coordinate arrays. No data is opened here.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import DatasetNotFoundError, StoreError
from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

FORMAT = 2
"""Version of the description. A reader refuses a higher one and takes every lower one."""
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""Names of datasets: no dots (layers are DATASET.VARIABLE), nothing that could be part of a path."""
SUFFIX = ".zarr"
REDUCTIONS = frozenset({"mean", "nearest", "mode", "min", "max"})


@dataclass(frozen=True, slots=True)
class Dimension:
    """A non-spatial dimension: one label for each index along it."""

    name: str
    """As the source spells it, such as ``time`` or ``level``."""
    kind: str
    """``time`` (labels are ISO 8601 instants, UTC, ascending) or ``other``."""
    labels: tuple[str, ...]
    units: str = ""

    def __post_init__(self) -> None:
        if self.kind not in {"time", "other"}:
            raise StoreError(f"a dimension is of kind time or other, not {self.kind!r}")
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise StoreError(f"dimension {self.name} needs labels, each one once")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of a variable's values (physical units). All None where no cell holds data."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    valid_count: int
    cell_count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often which values occur, in neighbouring bins of one width."""

    first_edge: float
    """Lower end of the first bin, physical units."""
    width: float
    """Of a bin, physical units."""
    counts: tuple[int, ...]
    """Cells in each bin, ascending."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a dataset; WMTS shows it as a layer."""

    name: str
    dimensions: tuple[Dimension, ...]
    """Leading dimensions in the order of the array's axes; rows and columns follow."""
    packing: Packing
    reduction: str = "mean"
    """How overviews were made from finer levels."""
    title: str = ""
    units: str = ""
    standard_name: str = ""
    colormap: str | None = None
    """Name of the colormap chosen at conversion, or None to find one by name, units and range."""
    statistics: Statistics | None = None
    """Of level 0."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """The source's attributes as JSON values (flag_values, flag_meanings, long_name, ...)."""
    level_statistics: tuple[Statistics, ...] = ()
    """Of each level that is stored whole, level 0 first; empty where they are not known."""
    histogram: Histogram | None = None
    """Of level 0."""
    first_range: tuple[float, float] | None = None
    """Range of the values before steps were appended or replaced, None where none were."""
    generations: tuple[tuple[str, int], ...] = ()
    """Generation of the content of each time step, as (generation, number of steps) in order; of a variable without
    times, of the whole. Empty where all of it has the dataset's."""

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise StoreError(f"reduction {self.reduction!r} is not one of {', '.join(sorted(REDUCTIONS))}")

    @property
    def is_classes(self) -> bool:
        """Whether the codes name classes, so that values must never be mixed."""
        return self.reduction == "mode"

    @property
    def style_range(self) -> tuple[float | None, float | None]:
        """Least and greatest value that styles go by. It stays when steps are appended, and so do the colours."""
        if self.first_range is not None:
            return self.first_range
        return (None, None) if self.statistics is None else (self.statistics.minimum, self.statistics.maximum)

    @property
    def time_axis(self) -> int | None:
        """Which of the leading dimensions is time."""
        return next((at for at, dimension in enumerate(self.dimensions) if dimension.kind == "time"), None)

    def step_generations(self, generation: str) -> list[str]:
        """Return the generation of each time step (of the whole without times); ``generation`` is the dataset's."""
        steps = 1 if self.time is None else len(self.time.labels)
        runs = self.generations or ((generation, steps),)
        return [each for each, count in runs for _ in range(count)]

    @property
    def time(self) -> Dimension | None:
        """The time dimension, if there is one."""
        return next((dimension for dimension in self.dimensions if dimension.kind == "time"), None)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One converted source: variables on one grid, at several levels."""

    name: str
    generation: str
    """Changes whenever the content changes; part of every cache key and ETag."""
    grid: Grid
    """Of level 0."""
    levels: int
    chunk: Shape
    """Cells of a chunk in rows and columns, the same at every level; other axes have chunks of 1."""
    variables: tuple[Variable, ...]
    title: str = ""
    source: str = ""
    """File name of the source, without its folder."""
    codec: str = ""
    """How chunks are compressed, as ``convert --codec`` takes it; empty in format 1."""
    shard: int = 0
    """Chunks on a side of the square that one file holds; 0 where each has a file of its own."""
    lazy: bool = False
    """Whether overview chunks are made when they are first read: then one without a file has not been made yet."""

    def __post_init__(self) -> None:
        if self.levels < 1 or not self.variables:
            raise StoreError(f"dataset {self.name} needs a level and a variable")

    def variable(self, name: str) -> Variable:
        """Return the variable of that name or raise ``DatasetNotFoundError``."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        known = ", ".join(variable.name for variable in self.variables)
        raise DatasetNotFoundError(f"dataset {self.name} has no variable {name!r}, it has {known}")

    def content_generation(self, variables: Iterable[str], dim_index: tuple[int, ...]) -> str:
        """Return what names the content of one step of some variables: part of the key of all that is made of it.

        It changes with the content of that step, and stays when other steps are appended or replaced. Raises
        ``DatasetNotFoundError`` for a variable or a step that there is not.
        """
        found: dict[str, None] = {}
        for name in variables:
            variable = self.variable(name)
            if not variable.generations:
                found[self.generation] = None
                continue
            axis = variable.time_axis
            step = 0 if axis is None or axis >= len(dim_index) else dim_index[axis]
            for generation, count in variable.generations:
                if step < count:
                    found[generation] = None
                    break
                step -= count
            else:
                raise DatasetNotFoundError(f"variable {name} of dataset {self.name} has no step {dim_index}")
        return "+".join(found)

    def live_generations(self) -> frozenset[str]:
        """Generations that some content of the dataset still has."""
        parts = {each for variable in self.variables for each, _ in variable.generations or ((self.generation, 1),)}
        return frozenset(parts)

    def layer_name(self, variable: Variable) -> str:
        """Name of a variable's layer: the dataset's where it is the only one, else ``DATASET.VARIABLE``."""
        return self.name if len(self.variables) == 1 else f"{self.name}.{variable.name}"

    def to_json(self) -> dict[str, Any]:
        """Return the description as JSON values; ``from_json`` is its inverse."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> Dataset:
        """Build a description from JSON values. Raises ``StoreError`` for anything that does not fit."""
        try:
            if document["format"] > FORMAT:
                raise StoreError(f"dataset format {document['format']} is newer than this version's {FORMAT}")
            fields = {key: value for key, value in document.items() if key != "format"}
            fields["grid"] = _grid(fields["grid"])
            fields["chunk"] = Shape(**fields["chunk"])
            fields["variables"] = tuple(_variable(variable) for variable in fields["variables"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"not a dataset description: {type(error).__name__}: {error}") from error


def _grid(document: dict[str, Any]) -> Grid:
    return Grid(document["crs"], RegularAxis(**document["x"]), RegularAxis(**document["y"]))


def _variable(document: dict[str, Any]) -> Variable:
    fields = dict(document)
    fields["dimensions"] = tuple(
        Dimension(**{**dimension, "labels": tuple(dimension["labels"])}) for dimension in fields["dimensions"]
    )
    fields["packing"] = Packing(**{**fields["packing"], "missing": tuple(fields["packing"]["missing"])})
    if fields["statistics"] is not None:
        fields["statistics"] = Statistics(**fields["statistics"])
    fields["level_statistics"] = tuple(Statistics(**each) for each in fields.get("level_statistics", ()))
    histogram = fields.get("histogram")
    if histogram is not None:
        fields["histogram"] = Histogram(**{**histogram, "counts": tuple(histogram["counts"])})
    if fields.get("first_range") is not None:
        least, greatest = fields["first_range"]
        fields["first_range"] = (least, greatest)
    fields["generations"] = tuple((str(each), int(count)) for each, count in fields.get("generations", ()))
    return Variable(**fields)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The values of a dimension as the source stores them, for readers other than us."""

    name: str
    values: NDArray[Any]
    """Shape (steps,), in stored order."""
    attributes: dict[str, Any]
