"""The target of a request for a tile, split into row, column and the rest, which is the name of its family."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_plus

_PATH = re.compile(r"(/(?:xyz|wmts)/[^?#]*/)([0-9]{1,9})/([0-9]{1,9})((?:[^0-9/?#][^/?#]*)?(?:\?[^#]*)?)")
_QUERY = re.compile(r"/wmts(?:/[^?#]*)?\?[^#]*")
_ROW = re.compile(r"(?i)(?<=[?&])tilerow=([0-9]{1,9})(?=&|$)")
_COLUMN = re.compile(r"(?i)(?<=[?&])tilecol=([0-9]{1,9})(?=&|$)")
_NAMES = ("tilerow", "tilecol")


class SplitTarget(NamedTuple):
    """A target that differs from others of its family in row and column only."""

    family: tuple[str, ...]
    row: int
    col: int


def split_target(target: str) -> SplitTarget | None:
    """Split the target of a request.

    Args:
        target: Path and query as received, still percent-encoded.

    Returns:
        The parts; None where row and column are not written as plain digits, so that the target may mean anything.
    """
    match = _PATH.fullmatch(target)
    if match is not None:
        start, first, second, end = match.groups()
        if start.startswith("/xyz/"):
            return SplitTarget((start, end), int(second), int(first))
        return SplitTarget((start, end), int(first), int(second))
    if _QUERY.fullmatch(target) is None:
        return None
    row, col = _ROW.search(target), _COLUMN.search(target)
    if row is None or col is None:
        return None
    first_at, second_at = (row, col) if row.start() < col.start() else (col, row)
    parts = (target[: first_at.start(1)], target[first_at.end(1) : second_at.start(1)], target[second_at.end(1) :])
    return SplitTarget(parts, int(row[1]), int(col[1]))


def is_ambiguous(target: str) -> bool:
    """Return whether a query gives row or column more than once, in whatever spelling.

    Then their first values are not what decides: two that differ are an error.

    Args:
        target: Path and query as received.

    Returns:
        True where a family must not be made of the target.
    """
    names = [unquote_plus(pair.partition("=")[0]).lower() for pair in target.partition("?")[2].split("&")]
    return any(names.count(name) > 1 for name in _NAMES)
