"""The record of a linked dataset's source: what to open, and which version of it the dataset shows."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.core.json_text import json_values, parse_json
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.storage.protocol import StorageError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "link.json"
"""In the folder of the dataset."""
CHANGED = "link-changed"
"""A file beside the record: a reader met another version of the source."""
_CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """What a linked dataset is read from."""

    generation: str
    """Of the dataset."""
    paths: tuple[str, ...]
    """Files, folders and URLs, absolute."""
    version: str
    """Identifies the content of the source, as ``source_version`` returns it."""
    as_of_ns: int
    """Files and objects that were changed after this time, in nanoseconds since 1970 by the source's own clock, are
    of another version."""
    variables: tuple[str, ...] | None = None
    group: str | None = None
    overrides: Overrides = field(default_factory=Overrides)
    title: str | None = None
    colormap: str | None = None
    witnesses: tuple[tuple[str, str, str], ...] = ()
    """Source, name and entity tag of objects that were read on linking: what is rewritten under the same metadata is
    noticed by them."""
    levels: tuple[str, ...] = ()
    """Group of each coarser level that is used as it is, level 1 first."""
    is_exact: bool = False
    """Whether the whole source was read for the statistics on demand."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the files was stated, and the whole source was read for its statistics."""
        stated = (self.variables, self.group, self.title, self.colormap)
        return self.is_exact and self.overrides == Overrides() and not any(each is not None for each in stated)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, with a checksum; ``from_json`` is the inverse."""
        document: dict[str, Any] = json_values(self)
        return {**document, _CHECKSUM: _checksum(document)}

    @classmethod
    def from_json(cls, document: Any) -> LinkRecord:
        """Build a record from JSON values.

        Args:
            document: As ``to_json`` returns it.

        Returns:
            The record.

        Raises:
            StoreError: The document has another form, or was changed.
        """
        try:
            fields = {key: value for key, value in document.items() if key != _CHECKSUM}
            if document[_CHECKSUM] != _checksum(fields):
                raise StoreError("the record of the source differs from its checksum; link it again")
            overrides = dict(fields["overrides"])
            if overrides["bounds"] is not None:
                overrides["bounds"] = tuple(overrides["bounds"])
            fields["overrides"] = Overrides(**overrides)
            fields["witnesses"] = tuple((str(path), str(key), str(tag)) for path, key, tag in fields["witnesses"])
            fields["levels"] = tuple(map(str, fields.get("levels", ())))
            fields["paths"] = tuple(fields["paths"])
            fields["variables"] = None if fields["variables"] is None else tuple(fields["variables"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"not a record of a source: {type(error).__name__}: {error}") from error


def write_record(folder: Path, record: LinkRecord) -> None:
    """Write the record of a dataset that is not published yet.

    Args:
        folder: Of the dataset.
        record: Of its source.
    """
    (folder / FILE).write_text(json.dumps(record.to_json(), indent=1), encoding="utf-8")


def read_record(folder: Path) -> LinkRecord:
    """Read the record of a linked dataset.

    Args:
        folder: Of the dataset.

    Returns:
        The record of its source.

    Raises:
        StoreError: It is missing or damaged.
        StoreUnavailableError: Object storage does not answer.
    """
    try:
        return LinkRecord.from_json(parse_json((folder / FILE).read_bytes()))
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except OSError as error:
        raise StoreError(f"the record of the source cannot be read: {folder / FILE}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"the record of the source is damaged: {folder / FILE}: {error}") from error


def note_change(folder: Path) -> None:
    """Note that a reader met another version of the source, for those who register it anew. May do nothing.

    Args:
        folder: Of the dataset.
    """
    try:
        place, text = folder / CHANGED, secrets.token_hex(4)
        if isinstance(place, ObjectPath):
            place.storage.put(place.key, text.encode())
        else:
            place.write_text(text)
    except OSError:
        return  # a read-only store: whoever follows the source looks at the source itself


def _checksum(document: dict[str, Any]) -> int:
    """Return the CRC-32 of a record in one spelling of its JSON."""
    return crc32(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
