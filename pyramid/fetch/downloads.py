"""The folder that holds sources before their conversion: downloads, and what was unpacked.

Each source has a folder of its own there, named by a hash of its URL or path, with the file under its own name. A
finished file is used again as long as the server reports it as unchanged. A lock keeps two processes from fetching the
same source at once; the system releases the lock of a process that dies.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.file_lock import LockHeldError, file_lock
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.fetch.credentials import origin_of
from lazytile.pyramid.fetch.http_client import HttpOptions, run
from lazytile.pyramid.fetch.nexus_file import discard_windows, fetch_grid
from lazytile.pyramid.fetch.nexus_request import is_nexus, parse_request
from lazytile.pyramid.fetch.source_url import is_url
from lazytile.pyramid.fetch.transfer import Part, Transfer, Version
from lazytile.pyramid.fetch.unpack import is_packed, unpack, unpacked_name
from lazytile.pyramid.fetch.zarr_url import OBJECT_SCHEMES, is_zarr_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lazytile.pyramid.fetch.checksum import Checksum
    from lazytile.pyramid.fetch.transfer import Progress

LOG = logging.getLogger(__name__)
FOLDER = ".downloads"
"""Name of the folder in a store, where no other is given."""
_WEB = frozenset({"http", "https", "nexus+http", "nexus+https"})
_STATE = ".state.json"
_PART = ".part"
_LOCK = ".lock"
_BARRED = re.compile(r"[^A-Za-z0-9._-]+")


def local_files(
    sources: Sequence[str],
    folder: Path,
    options: HttpOptions | None = None,
    *,
    checksums: Sequence[Checksum] = (),
    progress: Progress | None = None,
) -> list[str]:
    """Return the files to open for sources that are files or URLs.

    Args:
        sources: Paths and URLs.
        folder: Where remote and packed sources are fetched and unpacked to; other files stay where they are.
        options: How to fetch.
        checksums: None, or one for each source.
        progress: Called with the bytes so far and the total, None where that is unknown.

    Returns:
        Paths and URLs of remote Zarr, in the order of the sources.

    Raises:
        SourceError: A source cannot be fetched or unpacked; one line says why.
    """
    if checksums and len(checksums) != len(sources):
        raise SourceError(f"{len(checksums)} checksums were given for {len(sources)} files; give one for each, or none")
    options = options or HttpOptions()
    if options.credentials.token:
        origins = {origin_of(source.removeprefix("nexus+")) for source in sources if urlsplit(source).scheme in _WEB}
        if len(origins) > 1:
            raise SourceError(
                f"a token is valid for one server, but the URLs name {len(origins)}; convert them separately"
            )
    downloads = Downloads(folder, options, progress)
    wanted: Sequence[Checksum | None] = checksums or [None] * len(sources)
    return [downloads.local(source, checksum) for source, checksum in zip(sources, wanted, strict=True)]


@dataclass(frozen=True, slots=True)
class _State:
    """What the folder of a source holds once it is complete."""

    source: str
    name: str
    """Of the file."""
    version: dict[str, Any]
    """Validators of a download; size and time of a local packed file."""
    checksum: str = ""
    """The one that the user gave and the file has."""


class Downloads:
    """The folder of fetched and unpacked sources."""

    def __init__(self, folder: Path, options: HttpOptions, progress: Progress | None = None) -> None:
        self._folder = folder
        self._options = options
        self._progress = progress

    def local(self, source: str, checksum: Checksum | None = None) -> str:
        """Return the file to open for a source.

        Args:
            source: A path or URL.
            checksum: Of the file.

        Returns:
            A path, or the URL of remote Zarr.

        Raises:
            SourceError: The source cannot be fetched or unpacked; one line says why.
        """
        if not is_url(source):
            path = Path(source)
            if checksum is not None and path.is_file():
                checksum.check(path, source)
            return self._unpacked(path) if os.path.isfile(path) and is_packed(path) else source  # noqa: PTH113 - false for any name
        if is_nexus(source):
            if checksum is not None:
                raise SourceError(f"{source} is assembled from many responses, so it has no checksum")
            with self._entry(source) as entry:
                return str(self._gridded(source, entry))
        scheme = urlsplit(source).scheme.lower()
        if scheme not in {"http", "https", *OBJECT_SCHEMES}:
            raise SourceError(f"{source} has the scheme {scheme}; use http, https, s3, gs, az or nexus+https")
        if is_zarr_url(source, self._options):
            if checksum is not None:
                raise SourceError(f"{source} is Zarr, which has many files, so it has no checksum")
            return source.rstrip("/")
        with self._entry(source) as entry:
            return str(self._downloaded(source, entry, checksum))

    def _downloaded(self, url: str, entry: Path, checksum: Checksum | None) -> Path:
        state = _read_state(entry)
        known = None
        if state is not None and not self._options.refresh and str(checksum or state.checksum) == state.checksum:
            known = Version(**state.version)
        part = Part(entry / _PART)
        version = run(Transfer(url, self._options, self._progress).fetch(part, known))
        if version is None and state is not None:
            LOG.info("%s is unchanged; using the earlier download", url)
            return entry / state.name
        assert version is not None  # None only where a version was known
        if checksum is not None:
            try:
                checksum.check(part.path, url)
            except SourceError:
                part.discard()
                raise
        name = _file_name(urlsplit(url).path)
        _forget(entry)
        if is_packed(part.path):
            name = unpacked_name(name)
            unpack(part.path, entry / name, url, self._options.limit_bytes)
        else:
            part.path.replace(entry / name)
        _write_state(entry, _State(url, name, asdict(version), str(checksum or "")))
        part.discard()
        return entry / name

    def _gridded(self, source: str, entry: Path) -> Path:
        """Return the file made from the points of an SDAP server."""
        state = _read_state(entry)
        if state is not None and not self._options.refresh:
            LOG.info("using the earlier download of %s; --refresh fetches it again", source)
            return entry / state.name
        if self._options.refresh:
            discard_windows(entry)
        request = parse_request(source, self._options)
        _forget(entry)
        name = f"{_file_name(request.dataset)}.nc"
        fetch_grid(request, entry / name, source, self._options, self._progress)
        _write_state(entry, _State(source, name, {}))
        return entry / name

    def _unpacked(self, path: Path) -> str:
        """Return the unpacked content of a local file."""
        status = path.stat()
        version = {"bytes": status.st_size, "changed": status.st_mtime_ns, "number": status.st_ino}
        with self._entry(str(path.resolve())) as entry:
            state = _read_state(entry)
            if state is not None and state.version == version and not self._options.refresh:
                LOG.info("%s is unchanged; using what was unpacked earlier", path)
                return str(entry / state.name)
            _forget(entry)
            name = unpacked_name(_file_name(path.name))
            unpack(path, entry / name, str(path), self._options.limit_bytes)
            _write_state(entry, _State(str(path.resolve()), name, version))
            return str(entry / name)

    @contextmanager
    def _entry(self, source: str) -> Iterator[Path]:
        """Yield the folder of a source, locked against other processes."""
        entry = self._folder / hashlib.sha256(source.encode()).hexdigest()[:16]
        try:
            entry.mkdir(parents=True, exist_ok=True)
            with file_lock(entry / _LOCK, wait=False):
                yield entry
        except LockHeldError:
            raise SourceError(f"another process is fetching {source} to {entry}; wait until it ends") from None
        except OSError as error:
            raise SourceError(f"{error.filename or entry}: {error.strerror or error}") from error


def _file_name(path: str) -> str:
    """Return the last part of a path as a name that is safe in any folder."""
    return _BARRED.sub("_", unquote(path.rstrip("/").rpartition("/")[2])).lstrip(".")[-128:] or "download"


def _read_state(entry: Path) -> _State | None:
    """Return what a folder holds; None where it is incomplete."""
    try:
        state = _State(**parse_json((entry / _STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return state if (entry / state.name).is_file() else None


def _write_state(entry: Path, state: _State) -> None:
    """Mark a folder as complete, in one step."""
    new = entry / f"{_STATE}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump(asdict(state), file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(entry / _STATE)


def _forget(entry: Path) -> None:
    """Remove a complete file: first the mark, then the file."""
    state = _read_state(entry)
    (entry / _STATE).unlink(missing_ok=True)
    if state is not None:
        (entry / state.name).unlink(missing_ok=True)
