"""Damaged MRFs: each is remembered with the state of its files, and checked again once that has changed."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.checksums import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Identity = tuple[tuple[int, int, int], ...]
    PageAddress = tuple[int, int, int, int]

LOG = logging.getLogger(__name__)

MAX_DAMAGED = 4096
"""Damaged MRFs that are remembered; the one seen longest ago is forgotten first."""
_LOOKED_AT = 64
"""Damaged MRFs of which one check sees whether they have changed."""


@dataclass(frozen=True, slots=True)
class _Damage:
    identity: Identity
    page: PageAddress | None
    """The page that is damaged; None where the file cannot be served at all."""


class DamagedMrfs:
    """The MRFs that are damaged, with a condition for each. Belongs to one thread."""

    def __init__(self, check: Callable[[Path, PageAddress | None], None], limit: int = MAX_DAMAGED) -> None:
        """Create an empty list.

        Args:
            check: Opens an MRF anew and reads a page of it, if one is given. Raises ``MrfError`` where either is
                damaged.
            limit: Most MRFs to remember.
        """
        self._check = check
        self._limit = limit
        self._known: OrderedDict[Path, _Damage] = OrderedDict()

    def is_useless(self, path: Path, identity: Identity) -> bool:
        """Return whether an MRF in this state cannot be served at all.

        Args:
            path: Of the .mrf file.
            identity: State of its files, by ``identity_of``.

        Returns:
            Whether that has been noted.
        """
        return self._known.get(path) == _Damage(identity, None)

    def note(self, path: Path, identity: Identity, page: PageAddress | None, reason: str) -> None:
        """Remember damage, and say so once for each state of a file.

        Args:
            path: Of the .mrf file.
            identity: State of its files.
            page: Level, row, column and slice of a damaged page; None where the file cannot be served at all.
            reason: What is wrong.
        """
        known = self._known.get(path)
        if known is not None and known.identity == identity and (page is not None or known.page is None):
            return
        self._known[path] = _Damage(identity, page)
        self._known.move_to_end(path)
        while len(self._known) > self._limit:
            self._forget(next(iter(self._known)))
        LOG.warning(
            "%s is skipped, its tiles are computed: %s", "MRF" if page is None else "MRF page", reason
        )  # fmt: skip
        Conditions.current().report(_condition(path), reason, ready=True)

    def check_again(self) -> None:
        """Check those whose files have changed since, some at each call; forget what is whole again or gone."""
        for path in list(self._known)[:_LOOKED_AT]:
            known, identity = self._known[path], identity_of(path)
            if identity == known.identity:
                self._known.move_to_end(path)
            elif not path.exists():
                self._forget(path)
            else:
                self._check_changed(path, identity, known.page)

    def _check_changed(self, path: Path, identity: Identity, page: PageAddress | None) -> None:
        try:
            self._check(path, None)
        except MrfError as error:
            self.note(path, identity, None, str(error))
            return
        try:
            self._check(path, page)
        except MrfError as error:
            self.note(path, identity, page, str(error))
        else:
            self._forget(path)

    def _forget(self, path: Path) -> None:
        del self._known[path]
        Conditions.current().clear(_condition(path))


def _condition(path: Path) -> str:
    return f"mrf {path}"


def identity_of(path: Path) -> Identity:
    """Return a value that changes when any of an MRF's files is replaced, rewritten or truncated.

    Args:
        path: Of the .mrf file.

    Returns:
        Inode, time of change and size of each file; zeros for one that is missing.
    """
    found = []
    for suffix in (".mrf", ".idx", ".ppg", SUFFIX):
        try:
            status = path.with_suffix(suffix).stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            # The time of change too: copies may preserve that of modification.
            found.append((status.st_ino, max(status.st_mtime_ns, status.st_ctime_ns), status.st_size))
    return tuple(found)
