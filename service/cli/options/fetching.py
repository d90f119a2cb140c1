"""The options of commands whose sources may be remote, and the fetching that they control."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.storage.staging import staging_folder
from lazytile.service.cli.options.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN = "LAZYTILE_TOKEN"  # noqa: S105 - the name of the variable that holds it
ChecksumOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND:HEX",
        help="md5, sha1, sha256 or sha512 of the file as served; repeat it once for each file, in their order.",
    ),
]


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How sources are fetched. The environment is read when fetching begins."""

    nexus_dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="Dataset of an SDAP server (nexus+https://HOST/PATH)."),
    ] = None
    bbox: Annotated[
        str | None,
        typer.Option(
            "--bbox",
            metavar="W,S,E,N",
            help="SDAP: bounding box in degrees; W > E crosses the antimeridian [default: all].",
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            metavar="TIME|START/END",
            help="Time of a file that states none (ISO 8601). SDAP: time range, both ends included [default: all].",
        ),
    ] = None
    downloads: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for downloads and unpacked files [default: STORE/.downloads]."),
    ] = None
    netrc: Annotated[
        Path | None,
        typer.Option("--netrc", metavar="FILE", envvar="NETRC", help="File of passwords by host [default: ~/.netrc]."),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help=f"File with the bearer token for the URL's host [default: the variable {TOKEN}].",
        ),
    ] = None
    download_limit: Annotated[
        float, typer.Option(metavar="GB", min=0.001, help="Maximum size of a file, both as fetched and as unpacked.")
    ] = 100.0
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Maximum time without data from a server."),
    ] = 60.0
    refresh: Annotated[bool, typer.Option("--refresh", help="Fetch and unpack again, even what is there already.")] = (
        False
    )

    def requests(self, sources: Sequence[str]) -> list[str]:
        """Return the sources with the options of SDAP requests applied.

        Args:
            sources: Files and URLs.

        Returns:
            As many files and URLs.

        Raises:
            SourceError: There are such options, and a source that is not on an SDAP server.
        """
        from lazytile.pyramid.fetch.nexus_request import is_nexus, nexus_url  # noqa: PLC0415 - imports aiohttp

        options = (self.nexus_dataset, self.bbox, self.time)
        if all(map(is_nexus, sources)):
            return [nexus_url(source, *options) for source in sources] if any(options) else list(sources)
        if self.nexus_dataset or self.bbox:
            raise SourceError("--dataset and --bbox are for SDAP servers only: nexus+https://HOST/PATH")
        return list(sources)

    def time_of(self, sources: Sequence[str]) -> str | None:
        """Return the time that the user states of files.

        Args:
            sources: Files and URLs.

        Returns:
            The time; None where there is none, or where it is the range of a request to an SDAP server.
        """
        from lazytile.pyramid.fetch.nexus_request import is_nexus  # noqa: PLC0415 - as above

        return None if all(map(is_nexus, sources)) else self.time

    def local_files(self, sources: Sequence[str], store: Path, checksums: Sequence[str] = ()) -> list[str]:
        """Fetch and unpack sources as needed, with a progress bar.

        Args:
            sources: Files and URLs.
            store: Folder of the datasets, below which downloads go by default.
            checksums: One for each source, or none.

        Returns:
            The files to open.

        Raises:
            SourceError: A source cannot be fetched or unpacked, or its checksum differs.
        """
        from lazytile.pyramid.fetch.checksum import Checksum  # noqa: PLC0415 - imports aiohttp
        from lazytile.pyramid.fetch.credentials import Credentials, read_passwords, read_token  # noqa: PLC0415
        from lazytile.pyramid.fetch.downloads import FOLDER, local_files  # noqa: PLC0415
        from lazytile.pyramid.fetch.http_client import HttpOptions  # noqa: PLC0415
        from lazytile.pyramid.fetch.source_url import is_url  # noqa: PLC0415

        token = os.environ.get(TOKEN, "").strip() if self.token_file is None else read_token(self.token_file)
        required = self.netrc is not None
        passwords = read_passwords(self.netrc or Path.home() / ".netrc", required=required)
        fetching = HttpOptions(
            credentials=Credentials(passwords, token),
            limit_bytes=int(self.download_limit * 10**9),
            timeout_s=self.timeout,
            refresh=self.refresh,
        )
        folder = staging_folder(store) / FOLDER if self.downloads is None else self.downloads
        label = "downloading" if any(map(is_url, sources)) else "unpacking"
        with progress_bar(label, "bytes") as bar:
            return local_files(
                sources,
                folder,
                fetching,
                checksums=[Checksum.parse(text) for text in checksums],
                progress=lambda done, total: bar(done, done if total is None else total),
            )
