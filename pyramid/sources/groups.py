"""The groups of a source file, each with the coordinates that its parents hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr


def chosen_groups(groups: Mapping[str, xr.Dataset], chosen: str | None) -> dict[str, xr.Dataset]:
    """Return groups, each with the coordinates that it inherits from its parents (CF conventions, 2.7).

    Args:
        groups: Of the file, by path, parents before children.
        chosen: Path of the only group to use; None for all.

    Returns:
        Groups by path.

    Raises:
        SourceError: The file has no group of that path.
    """
    only = None
    if chosen is not None:
        only = "/" + chosen.strip("/")
        if only not in groups:
            raise SourceError(f"there is no group {chosen!r}; the file has {', '.join(groups)}")
    whole: dict[str, xr.Dataset] = {}
    for path, group in groups.items():
        parent = whole.get(path.rpartition("/")[0] or "/")
        if parent is not None and path != "/":
            shared = {
                name: variable
                for name, variable in parent.variables.items()
                if name not in group.variables
                and variable.ndim <= 1
                and all(group.sizes.get(dim, size) == size for dim, size in variable.sizes.items())
            }
            group = group.assign_coords({str(name): variable for name, variable in shared.items()})  # noqa: PLW2901
        whole[path] = group
    return whole if only is None else {only: whole[only]}
