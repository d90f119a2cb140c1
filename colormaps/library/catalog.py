"""Colormaps by name, and one that suits a layer of any name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError
from lazytile.colormaps.core.model import Diagnostic
from lazytile.colormaps.core.names import check_name, is_name
from lazytile.colormaps.formats.readers import SUFFIXES, read_colormap
from lazytile.colormaps.synthesis.defaults import choose_default
from lazytile.colormaps.synthesis.named import named_colormap, named_colormap_names
from lazytile.colormaps.synthesis.reverse import SUFFIX, reversed_colormap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lazytile.colormaps.core.model import Colormap

BUNDLED = Path(__file__).resolve().parent.parent
"""The folder of this package, which holds the bundled colormaps."""


def default_user_folder() -> Path:
    """Return the default folder of a user's own and fetched colormaps."""
    return Path.home() / ".config" / "lazytile" / "colormaps"


@dataclass(frozen=True, slots=True)
class ColormapCatalog:
    """Colormaps by name: first the user's folder, then the bundled ones, then names that are computed.

    It looks into the folder at each call, so a file put there is found without a restart. It does not go online;
    ``lazytile.colormaps.library.online`` fetches files into the user's folder.
    """

    user_folder: Path | None = None
    """Colormap files of the user; need not exist."""
    bundled_folder: Path = field(default=BUNDLED)

    def names(self) -> tuple[str, ...]:
        """Return the names of all files, sorted. Computed names such as ``random`` are not among them."""
        found = {
            path.stem
            for folder in self.folders()
            for path in folder.iterdir()
            if path.suffix in SUFFIXES and is_name(path.stem)
        }
        return tuple(sorted(found))

    def path_of(self, name: str) -> Path | None:
        """Return the file of a colormap.

        Args:
            name: Of the colormap.

        Returns:
            The path; None where there is no such file.

        Raises:
            ColormapError: The name is invalid.
        """
        check_name(name)
        for folder in self.folders():
            for suffix in SUFFIXES:
                path = folder / f"{name}{suffix}"
                if path.is_file():
                    return path
        return None

    def find(self, name: str) -> Colormap:
        """Return the colormap of a name.

        Args:
            name: Of a file or a computed colormap; with ``_r`` at its end, of one whose colours are reversed.

        Returns:
            The colormap.

        Raises:
            ColormapNotFoundError: No colormap has this name.
            ColormapError: The name is invalid, or the file cannot be read.
        """
        path = self.path_of(name)
        if path is not None:
            return read_colormap(path, name)
        computed = named_colormap(name)
        if computed is not None:
            return computed
        base = name.removesuffix(SUFFIX)
        if base != name and (self.path_of(base) is not None or named_colormap(base) is not None):
            return reversed_colormap(self.find(base), name)
        names = dict.fromkeys((*self.names(), *named_colormap_names()))
        raise ColormapNotFoundError(f"there is no colormap {name!r}; there are {', '.join(names)}")

    def default_for(
        self,
        names: Sequence[str] = (),
        *,
        units: str = "",
        standard_name: str = "",
        minimum: float | None = None,
        maximum: float | None = None,
        is_classes: bool = False,
        attributes: Mapping[str, Any] | None = None,
        title: str = "",
    ) -> tuple[Colormap, str]:
        """Choose a colormap for a layer. There always is one.

        A file named like the layer comes first, then flag attributes, then what standard_name and units suggest, then a
        map generated for the range. A file that cannot be read is skipped, with a warning in the colormap.

        Args:
            names: Of the layer, most specific first.
            units: Of the data.
            standard_name: CF standard name of the data.
            minimum: Of the data; None if unknown.
            maximum: Of the data; None if unknown.
            is_classes: Whether the data are classes.
            attributes: Of the variable (``flag_values``, ``long_name``, ...).
            title: Of the layer.

        Returns:
            The colormap, and the reason for it as text.
        """
        skipped: list[Diagnostic] = []
        for name in names:
            try:
                path = self.path_of(name)
                if path is not None:
                    colormap = read_colormap(path, name)
                    return colormap, f"it has the layer's name, {name}"
            except ColormapError as error:
                if is_name(name):
                    skipped.append(Diagnostic(name, str(error)))
        colormap, reason = choose_default(
            self.find,
            name=next(iter(names), "") or standard_name or "default",
            units=units,
            standard_name=standard_name,
            minimum=minimum,
            maximum=maximum,
            is_classes=is_classes,
            attributes=attributes or {},
            title=title,
        )
        return colormap.with_warnings((*skipped, *colormap.warnings)), reason

    def folders(self) -> tuple[Path, ...]:
        """Return the folders that exist, the preferred one first."""
        folders = (self.user_folder, self.bundled_folder)
        return tuple(folder for folder in folders if folder is not None and folder.is_dir())
