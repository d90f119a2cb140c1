"""The files on disk that kerchunk's references point into: what is rewritten there changes the source too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.fetch.source_url import source_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 256 << 20
"""Of a file of references."""
MAX_TARGETS = 10_000
_KEPT = 16
_FILE_SCHEME = "file://"


def targets_of(path: Path) -> tuple[str, ...]:
    """Return the files on disk that a file of references points into.

    Args:
        path: Of the references, as JSON; a folder, which holds them as Parquet, names none.

    Returns:
        Their paths, each once, sorted; read once for each state of the references.

    Raises:
        SourceError: The references are no JSON, or too many.
        OSError: They cannot be read.
    """
    if path.is_dir():
        return ()
    known = process.current().resource("targets of references", _no_targets)
    return known.get((str(path), source_stamp(str(path))), lambda: _read(path))


def _no_targets() -> BytesLru[tuple[str, ...]]:
    return BytesLru(_KEPT, lambda _: 1)


def _read(path: Path) -> tuple[str, ...]:
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"{path} has {path.stat().st_size} bytes, at most {MAX_BYTES} of references are read")
    try:
        document: Any = json.loads(path.read_bytes())
        found = sorted(set(_targets(document.get("refs", document), document.get("templates", {}))))
    except (ValueError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} holds no references: {error}") from error
    if len(found) > MAX_TARGETS:
        raise SourceError(f"{path} points into {len(found)} files, at most {MAX_TARGETS} are followed")
    return tuple(found)


def _targets(references: dict[str, Any], templates: dict[str, Any]) -> Iterator[str]:
    """Yield the target of each reference that is a file on disk, perhaps more than once."""
    for reference in references.values():
        if not isinstance(reference, list) or not reference or not isinstance(reference[0], str):
            continue
        target = reference[0]
        for name, text in templates.items():
            target = target.replace(f"{{{{{name}}}}}", str(text)) if "{{" in target else target
        target = target.removeprefix(_FILE_SCHEME)
        if "://" not in target and "{{" not in target:
            yield target
