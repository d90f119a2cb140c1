"""Kerchunk's references: for each object of a Zarr hierarchy its content, or a part of another file that holds it.

The references are JSON (kerchunk, specification of version 1, and version 0) or a folder of Parquet. A target is a path
on this machine, or an object at a URL.
"""

from __future__ import annotations

import base64
import functools
import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lazytile.pyramid.core import process
from lazytile.pyramid.core.byte_lru import BytesLru
from lazytile.pyramid.core.errors import SourceError, first_line
from lazytile.pyramid.fetch.source_url import is_url, source_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 256 << 20
"""Of references: of the JSON, or of all files of a folder of Parquet."""
MAX_TARGETS = 10_000
RECORDS = 128
"""Records of Parquet that are kept of a set of references."""
KEPT = 8
"""Sets of references that a process keeps."""
_FILE_SCHEME = "file://"
_METADATA = (".zgroup", ".zarray", ".zattrs", "zarr.json")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a target."""

    target: str
    """A path, or a URL."""
    offset: int = 0
    length: int | None = None
    """Bytes; None for all that follow."""


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """What a set of references says."""

    entries: Mapping[str, Any]
    """By name of the object, as kerchunk writes it."""
    names: frozenset[str]
    """Of the metadata: they tell which groups and arrays there are."""
    templates: Mapping[str, str]
    targets: tuple[str, ...]
    """Paths and URLs, each once, sorted."""
    is_plain: bool = True
    """Whether all is understood here; no names are generated, and templates are plain text."""

    @property
    def remote_roots(self) -> tuple[str, ...]:
        """The server or bucket of each target at a URL, each once."""
        return tuple(dict.fromkeys(split_url(target)[0] for target in self.targets if is_url(target)))

    @property
    def local_targets(self) -> tuple[str, ...]:
        """The targets that are files on this machine."""
        return tuple(target for target in self.targets if not is_url(target))

    def find(self, name: str) -> bytes | Part | None:
        """Find what an object is.

        Args:
            name: Of the object.

        Returns:
            Its content, or where that lies; None where there is no such object.

        Raises:
            SourceError: The reference has another form.
        """
        if name.rpartition("/")[2] in _METADATA and name not in self.names:
            return None  # Parquet has no entries of this form
        try:
            entry = self.entries[name]
        except KeyError:
            return None
        return _parsed(entry, self.templates, name)


def _parsed(entry: Any, templates: Mapping[str, str], name: str) -> bytes | Part:
    if isinstance(entry, bytes):
        entry = entry.decode("latin-1") if entry.startswith(b"base64:") else entry
    match entry:
        case bytes():
            return entry
        case str():
            return base64.b64decode(entry[7:]) if entry.startswith("base64:") else entry.encode()
        case dict():
            return json.dumps(entry).encode()
        case [str(target)]:
            return Part(_filled(target, templates))
        case [str(target), offset, length]:
            part = Part(_filled(target, templates), int(offset), int(length))
            if part.offset < 0 or int(length) < 0:
                raise SourceError(f"the reference {name} has a negative offset or length")
            return part
        case _:
            raise SourceError(f"the reference {name} is neither text nor a target with offset and length")


def _filled(target: str, templates: Mapping[str, str]) -> str:
    if "{{" in target:
        for name, text in templates.items():
            target = target.replace(f"{{{{{name}}}}}", text)
    return target.removeprefix(_FILE_SCHEME)


def split_url(url: str) -> tuple[str, str]:
    """Split a URL into its server or bucket, and the name of the object there.

    Args:
        url: Of an object.

    Returns:
        Such as ``https://HOST:PORT`` and ``PATH/FILE``.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", url[len(parts.scheme) + 3 + len(parts.netloc) :].lstrip("/")


def references_of(path: Path) -> References:
    """Read references, once for each state of them.

    Args:
        path: A file of JSON, or a folder of Parquet.

    Returns:
        The references.

    Raises:
        SourceError: They are damaged, or too many, or a package is missing.
        OSError: They cannot be read.
    """
    known = process.current().resource("references", _none_known)
    return known.get(
        (str(path), source_stamp(str(path))), lambda: _read_parquet(path) if path.is_dir() else _read(path)
    )


def references_stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when references change.

    Args:
        path: As for ``references_of``.

    Returns:
        Size, time of modification and inode of each of their files.

    Raises:
        OSError: They are not there.
    """
    files = sorted(path.rglob("*.parq")) if path.is_dir() else []
    return tuple(number for each in (path, *files) for number in source_stamp(str(each)))


def _none_known() -> BytesLru[References]:
    return BytesLru(KEPT, lambda _: 1)


def _read(path: Path) -> References:
    _check_bytes(path, path.stat().st_size)
    try:
        document: Any = json.loads(path.read_bytes())
        entries = document.get("refs", document)
        templates = {str(name): str(text) for name, text in document.get("templates", {}).items()}
        found = sorted(set(_targets(entries.values(), templates)))
    except (ValueError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} holds no references: {error}") from error
    _check_count(path, len(found))
    is_plain = "gen" not in document and not any("{{" in target for target in found)
    names = frozenset(name for name in entries if name.rpartition("/")[2] in _METADATA)
    return References(entries, names, templates, tuple(found), is_plain)


def _read_parquet(path: Path) -> References:
    files = sorted(path.rglob("*.parq"))
    _check_bytes(path, sum(file.stat().st_size for file in files))
    try:
        reference = importlib.import_module("fsspec.implementations.reference")
        fastparquet = importlib.import_module("fastparquet")
    except ImportError as error:
        raise SourceError(
            f"{path} holds references as Parquet, which need kerchunk: pip install 'lazytile[kerchunk]'"
        ) from error
    found: set[str] = set()
    try:
        for file in files:
            with file.open("rb") as opened:
                column = fastparquet.ParquetFile(opened).to_pandas(columns=["path"])["path"]
            found.update(_filled(str(each), {}) for each in column.dropna().unique())
            _check_count(path, len(found))
        mapper = reference.LazyReferenceMapper(str(path))
        names = frozenset(map(str, mapper.zmetadata))

        def columns(field: str, record: int) -> dict[str, Any]:
            with (path / field / f"refs.{record}.parq").open("rb") as opened:
                table = fastparquet.ParquetFile(opened).to_pandas()
            return {name: table[name].to_numpy() for name in table}

        # fsspec reads them through pandas, which warns of fastparquet.
        mapper.open_refs = functools.lru_cache(RECORDS)(columns)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise SourceError(f"{path} holds no references: {first_line(error)}") from error
    return References(_ParquetEntries(mapper), names, {}, tuple(sorted(found)))


class _ParquetEntries(dict[str, Any]):
    """The entries of a folder of Parquet, each read when it is asked for."""

    def __init__(self, mapper: Any) -> None:
        super().__init__()
        self._mapper = mapper

    def __missing__(self, name: str) -> Any:
        entry = self._mapper[name]
        if not isinstance(entry, list):
            return bytes(entry)
        return [str(entry[0]), *map(int, entry[1:])]


def _targets(entries: Any, templates: Mapping[str, str]) -> Iterator[str]:
    """Yield the target of each entry, perhaps more than once."""
    for entry in entries:
        if isinstance(entry, list) and entry and isinstance(entry[0], str):
            yield _filled(entry[0], templates)


def _check_bytes(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise SourceError(f"{path} has {size} bytes, at most {MAX_BYTES} of references are read")


def _check_count(path: Path, count: int) -> None:
    if count > MAX_TARGETS:
        raise SourceError(f"{path} points into {count} files, at most {MAX_TARGETS} are followed")
