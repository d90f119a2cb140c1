"""The options of commands whose sources may be remote, and the fetching that they ask for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import SourceError
from lazytile.service.cli.options import progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN = "LAZYTILE_TOKEN"  # noqa: S105 - the name of the variable that holds it
SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE...",
        help="A file (netCDF, HDF5, Zarr, GeoTIFF, GRIB, NumPy; also in gzip or bzip2), a URL, or several of one time "
        "series; patterns such as 'sst-*.nc' too.",
        show_default=False,
    ),
]
ListOption = Annotated[
    Path | None,
    typer.Option("--list", metavar="LIST", help="Text file with a file or URL a line, each with a checksum if wanted."),
]
ChecksumOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND:HEX",
        help="md5, sha1, sha256 or sha512 of the file as served; given as often as there are files, in their order.",
    ),
]
DownloadsOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where downloads and unpacked files are kept [default: STORE/.downloads]."),
]
NetrcOption = Annotated[
    Path | None,
    typer.Option("--netrc", metavar="FILE", envvar="NETRC", help="Passwords by host [default: ~/.netrc]."),
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help=f"Bearer token for the URL's own host; or the variable {TOKEN}."),
]
LimitOption = Annotated[
    float, typer.Option(metavar="GB", min=0.001, help="Most that a file may have, as fetched and unpacked.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long a server may be silent.")
]
RefreshOption = Annotated[bool, typer.Option("--refresh", help="Fetch and unpack again what is there already.")]
NexusDatasetOption = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="Dataset of an SDAP server (nexus+https://HOST/PATH).")
]
NexusBoxOption = Annotated[
    str | None, typer.Option("--bbox", metavar="W,S,E,N", help="Box of it, in degrees; W > E crosses the antimeridian.")
]
NexusTimeOption = Annotated[
    str | None, typer.Option("--time", metavar="START/END", help="Times of it, both included [default: all].")
]
DEFAULT_LIMIT_GB = 100.0
DEFAULT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What a command line says about fetching. The environment is read when the fetching begins."""

    store: Path
    downloads: Path | None
    netrc: Path | None
    token_file: Path | None
    limit_gb: float = DEFAULT_LIMIT_GB
    timeout_s: float = DEFAULT_TIMEOUT_S
    refresh: bool = False

    def fetched(self, sources: Sequence[str], checksums: Sequence[str] = ()) -> list[str]:
        """Return the files to open for files and URLs, fetching and unpacking what must be. Shows a bar meanwhile."""
        from lazytile.pyramid.fetch.checksum import Checksum  # noqa: PLC0415 - aiohttp takes a moment to import
        from lazytile.pyramid.fetch.credentials import Credentials, read_passwords, read_token  # noqa: PLC0415
        from lazytile.pyramid.fetch.downloads import FOLDER, local_files  # noqa: PLC0415
        from lazytile.pyramid.fetch.http_client import HttpOptions  # noqa: PLC0415

        token = os.environ.get(TOKEN, "").strip() if self.token_file is None else read_token(self.token_file)
        required = self.netrc is not None
        passwords = read_passwords(self.netrc or Path.home() / ".netrc", required=required)
        fetching = HttpOptions(
            credentials=Credentials(passwords, token),
            limit_bytes=int(self.limit_gb * 10**9),
            timeout_s=self.timeout_s,
            refresh=self.refresh,
        )
        folder = self.store / FOLDER if self.downloads is None else self.downloads
        with progress_bar("downloading", "bytes") as bar:
            return local_files(
                sources,
                folder,
                fetching,
                checksums=[Checksum.parse(text) for text in checksums],
                progress=lambda done, total: bar(done, done if total is None else total),
            )


def nexus_sources(sources: Sequence[str], dataset: str | None, bbox: str | None, time: str | None) -> list[str]:
    """Return the sources, requests to SDAP servers with what the options say of them."""
    from lazytile.pyramid.fetch.nexus_request import is_nexus, nexus_url  # noqa: PLC0415 - aiohttp takes a moment to import

    options = (dataset, bbox, time)
    if any(options) and not all(map(is_nexus, sources)):
        raise SourceError("--dataset, --bbox and --time say what an SDAP server is asked for: nexus+https://HOST/PATH")
    return [nexus_url(source, *options) if any(options) else source for source in sources]


def read_list(path: Path) -> tuple[list[str], list[str]]:
    """Return the sources that a list names, and their checksums: as many, or none.

    Lines hold a source, and a checksum after it; empty lines and those that begin with ``#`` say nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for row in rows:
        if len(row) > 2 or len(row) != len(rows[0]):
            raise SourceError(f"{path}: lines are SOURCE or SOURCE CHECKSUM, all of one kind, not {' '.join(row)!r}")
    if not rows:
        raise SourceError(f"{path} names no file")
    return [row[0] for row in rows], [row[1] for row in rows if len(row) == 2]
