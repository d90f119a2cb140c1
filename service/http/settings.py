"""The settings of a server: built once, passed down. Environment variables start with ``LAZYTILE_``."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from lazytile.colormaps.core.safe_xml import LIMIT_BYTES
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.core.memory_size import default_memory_bytes, default_watermark_bytes
from lazytile.pyramid.storage.object_path import ObjectPath, store_location
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.operating.access_settings import Texts  # noqa: TC001 - pydantic reads annotations
from lazytile.service.http.operating.sharing_settings import SharingSettings
from lazytile.service.http.proxies import networks_of
from lazytile.service.http.settings_file import (
    MEMORY_VARIABLE,
    PREFIX,
    REPLACED,
    GpuBytes,
    MemoryBytes,
    left_to_file,
    read_settings_file,
    unknown_name,
    variable_of,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from lazytile.service.http.proxies import Network


_SPELLINGS = {"memory_bytes": f"--memory or {MEMORY_VARIABLE}"}
"""How users set it, where option and environment variable differ from the name."""
FIXED = (
    "host",
    "port",
    "engine",
    "engine_fallback",
    "workers",
    "dashboard",
    "metrics_folder",
    "watchdog_s",
    "rate_limit_clients",
    "admin_address",
    "admin_token",
    "gpu_memory",
)
"""Settings that a running server keeps."""
SECRETS = frozenset({"admin_token", "layer_tokens", "shared_cache"})
"""Settings that are not shown."""


class Settings(SharingSettings):
    """Everything that can be set. Immutable; build it with ``Settings.of``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True)

    store: Path = Path("store")
    """Folder of the datasets, or object storage: ``s3://BUCKET/PREFIX``, ``gs://``, ``az://``, ``https://``."""
    cache: Path = Path("cache")
    """Folder of the tile cache; created with mode 0700."""
    cache_limit_bytes: int = Field(2 << 30, ge=1 << 20)
    """Size limit of the tile cache on disk; the oldest tiles are evicted first."""
    cache_queue_length: int = Field(1024, ge=0)
    """Number of rendered tasks whose tiles may wait to be written to disk, in each server process; those of further
    ones are not written."""
    cache_queue_bytes: int = Field(32 << 20, ge=0)
    """Size limit of the tiles that wait to be written to disk, in each server process."""
    memory_bytes: MemoryBytes = Field(default_factory=default_memory_bytes, validation_alias=MEMORY_VARIABLE, ge=0)
    """Size of all caches in memory, of all processes of the server together: ``2GiB``, ``512MB``, ``25%`` of the
    machine's memory, or a number of bytes."""
    no_tile_cache: bool = False
    """Disable the tile cache (memory, MRF and disk), for benchmarks."""
    mrf_folder: Path | None = None
    """Folder of exported MRFs to serve from; by default ``mrf`` beside the store, or in the current folder where the
    store is object storage. An MRF without checksums is skipped."""
    mrf_unchecked_folder: Path | None = None
    """Folder of MRFs to serve from that need no checksums, such as copies without them; damage may go unnoticed."""
    colormaps: Path | None = None
    """Folder of your own colormaps, in GIBS XML or another supported format; by default
    ``~/.config/lazytile/colormaps``."""

    catalogue_poll_s: float = Field(0.5, ge=0.05, le=3600)
    """How often to look at datasets and colormaps whose changes the system does not report: on network file systems,
    and outside Linux."""
    link_poll_s: float = Field(5.0, ge=0.1, le=86400)
    """How often to look whether the sources of linked datasets have changed."""

    tile_matrix_sets: Path | None = None
    """Folder of your own tile matrix sets, one OGC 17-083r4 JSON document per ``*.json`` file; read at start-up."""

    offline: bool = False
    """Do not download the colormaps that layers need and that are missing here; otherwise done after start-up."""
    colormap_urls: Texts = ()
    """URL templates of colormaps, each with ``{name}``; by default those of GIBS and the Sea Level Change Portal."""
    colormap_timeout_s: float = Field(10.0, gt=0, le=300)
    """Time limit of one request for a colormap."""
    colormap_limit_bytes: int = Field(LIMIT_BYTES, ge=1024)
    """Size limit of a downloaded colormap."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    public_url: str | None = None
    """Public URL of the server's root, for the URLs in documents; by default taken from each request's Host header."""

    trusted_proxies: Texts = ()
    """Addresses and networks of reverse proxies whose Forwarded and X-Forwarded headers are trusted."""

    kernel: Literal["auto", "native", "numpy"] = "auto"
    """What computes pixels: compiled code (``native``), ``numpy``, or ``auto``, compiled code where it was built. The
    environment variable counts for Dask workers and programs too."""
    kernel_level: int | None = Field(None, ge=1, le=4)
    """Instruction set of the native kernel on x86-64: 1 SSE2, 3 AVX2, 4 AVX-512; by default the best there is."""
    gpu_memory: GpuBytes | None = Field(None, ge=512 << 20)
    """Memory that a worker takes of its GPU, such as ``8GiB``; by default four fifths of it. The environment variable
    counts for Dask workers that others started, too."""

    engine: str = "auto"
    """Where tiles are computed: auto, threads, local, cuda, or the address of a Dask scheduler (tcp://HOST:8786)."""
    engine_fallback: Literal["none", "threads"] = "none"
    """What renders tiles while a Dask engine is not available: ``threads`` of the server process; by default nothing,
    and the response is 503."""
    workers: int | None = Field(None, ge=1, le=1024)
    """Number of server processes with the engine ``threads`` or an existing scheduler, by default 1; with ``auto`` by
    default as many as make sense; with ``local`` and ``cuda`` of Dask workers behind one server process."""
    dashboard: str | None = None
    """Address of Dask's dashboard on this machine, such as 127.0.0.1:8787; it has no password."""
    metatile: int | None = Field(None, ge=1, le=16)
    """Tiles per side of a metatile, which one task renders; by default 1 with ``threads`` and 2 on a cluster."""
    queue_length: int = Field(1024, ge=0)
    """Number of tasks of each class of work that may wait; beyond it the response is 503."""
    queue_wait_s: float = Field(5.0, gt=0, le=3600)
    """How long a task may wait for its turn; beyond it the response is 503."""
    heavy_ms: float = Field(100.0, ge=1, le=1e6)
    """Estimated time, in milliseconds on one processor, from which on a request is heavy and has slots of its own."""
    heavy_slots: int | None = Field(None, ge=1, le=1024)
    """Heavy tasks that run at a time in each server process; by default half as many as its engine has threads."""
    heavy_queue_length: int = Field(64, ge=0)
    """Number of heavy tasks that may wait; beyond it the response is 503."""
    background_slots: int = Field(1, ge=1, le=1024)
    """Tasks that nobody waits for (``--prefetch``, ``lazytile warm``) that run at a time in each server process."""
    max_map_ms: float = Field(20_000.0, ge=100, le=1e7)
    """Limit of the estimated time of a WMS map, in milliseconds on one processor."""
    memory_watermark_bytes: MemoryBytes = Field(default_factory=default_watermark_bytes, ge=64 << 20)
    """Resident memory of all processes of the server from which on they begin no heavy work, and a little above it none
    at all: 503. As ``memory_bytes``; by default nine tenths of the machine's memory."""
    prefetch: bool = False
    """Whether the server renders the next time step and the neighbours of requested tiles while it has nothing else to
    do."""
    timeout_s: float = Field(30.0, gt=0, le=3600)
    """Time limit of a request; beyond it the response is 504."""
    shutdown_s: float = Field(5.0, ge=0, le=3600)
    """Time that running requests get to finish when the server stops."""
    client_timeout_s: float = Field(20.0, gt=0, le=3600)
    """Time that a client gets to send the first request of a connection, to send a body, and to read a response."""
    keepalive_s: float = Field(75.0, gt=0, le=3600)
    """How long a connection without a request stays open. Make it longer than a proxy in front does: then none is
    closed while a request is on its way."""
    max_connections: int | None = Field(None, ge=1)
    """Most connections of one server process; at the limit, those without a request make room. By default what the
    limit of open files leaves."""
    watchdog_s: float = Field(5.0, ge=0, le=3600)
    """Of several server processes, one that has not responded for this time is killed and replaced; 0 disables that."""
    damage_log_s: float = Field(60.0, ge=0, le=86400)
    """A damaged chunk of a dataset is logged once in this time, however often it is read."""
    damage_log_lines: int = Field(60, ge=1, le=100_000)
    """Most lines about damaged chunks in ``damage_log_s``, about all of them together."""
    damage_recheck_s: float = Field(1.0, ge=0.1, le=3600)
    """Damaged chunks are read again this often, to see whether they were repaired; 16 at a time."""
    settings_file: Path | None = None
    """TOML file with settings by name, such as ``timeout_s = 60``; options and environment take precedence. SIGHUP
    makes a server read it again."""

    event_loop: Literal["asyncio", "uvloop"] = "asyncio"
    """The event loop of server processes; ``uvloop`` takes less time for a request and needs the extra ``uvloop``."""
    short_path: bool = True
    """Whether tiles of known addresses are answered before routing."""
    max_query_bytes: int = Field(8192, ge=512)
    """Length limit of path and query string together; a longer one is answered with 414."""
    max_value_length: int = Field(1024, ge=64)
    """Length limit of a single parameter value, in characters."""
    max_map_side_px: int = Field(2048, ge=256, le=8192)
    """Limit of the width and the height of a WMS map in pixels."""
    max_number_cells: int = Field(1 << 22, ge=1 << 16, le=1 << 26)
    """Limit of the cells that a request for statistics reads; larger regions use a coarser level."""
    max_subset_cells: int = Field(1 << 20, ge=1 << 10, le=1 << 24)
    """Limit of the cells that a request for a box as a file reads, all times together."""
    jpeg_background: str = Field("#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")
    """Background colour for no data in formats without transparency."""

    capabilities_title: str = "lazytile"
    """Title of the service in capabilities and on landing pages."""
    base_map: str | None = Field(None, pattern=r"^https?://[^\s'\";,]+$")
    """URL template of a background map for the viewer, with ``{z}``, ``{x}`` and ``{y}`` of Web Mercator; without one
    the viewer draws coastlines only."""
    base_map_attribution: str = ""
    """Attribution that the background map requires."""
    resource_url_formats: tuple[Literal["png", "jpg", "webp"], ...] = Field(("png",), min_length=1)
    """Formats that WMTS capabilities have a ``ResourceURL`` of tiles for, the preferred one first. OpenLayers mixes the
    formats of several ones; by KVP every format is there."""
    feature_info: bool = True
    """Whether the server offers GetFeatureInfo."""
    max_age_s: int = Field(3600, ge=0)
    """How long clients may cache tiles of a layer without times."""
    latest_max_age_s: int = Field(60, ge=0)
    """How long clients may cache tiles of the latest time."""
    old_max_age_s: int = Field(7 * 86400, ge=0)
    """How long clients may cache tiles of earlier times, without revalidation."""
    layer_max_age_s: dict[str, int] = Field(default_factory=dict)
    """Seconds by name of layer or dataset, for all times: ``{"sst": 600}``; 0 makes clients revalidate every time."""
    metric_layers: int = Field(100, ge=0, le=10000)
    """Number of layers that have metrics of their own, in each server process; all others count as ``(other)``."""
    metrics_folder: Path | None = None
    """Folder in which server processes share their metrics; set by ``lazytile serve`` itself."""

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Build settings from options, then the environment, then defaults.

        Args:
            options: Settings by name; None for an option that was not given.

        Returns:
            The settings.

        Raises:
            SettingsError: A setting is unknown or invalid, or was replaced; the text names it in one line.
        """
        given = {name: value for name, value in options.items() if value is not None}
        for old, new in REPLACED.items():
            if old in given or variable_of(old) in os.environ:
                name = old if old in given else variable_of(old)
                raise SettingsError(f"setting {name} no longer exists: set {_SPELLINGS[new]}, the memory of all caches")
        path = given.get("settings_file") or os.environ.get(variable_of("settings_file"))
        if path is not None:
            given = {**left_to_file(read_settings_file(Path(path))), **given}
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(*(cls._problem(each) for each in error.errors())) from error
        except UnreadableSettingError as error:
            name = str(error).partition('"')[2].partition('"')[0]
            raise SettingsError(f"setting {name}: {variable_of(name)} is no JSON") from error

    @classmethod
    def _problem(cls, error: ErrorDetails) -> str:
        """Return what is wrong with a setting in one line."""
        name = ".".join(str(part) for part in error["loc"]).replace(MEMORY_VARIABLE, "memory_bytes")
        if error["type"] == "extra_forbidden":
            return f"setting {name}: {unknown_name(name, cls.model_fields)}"
        text = error["msg"].removeprefix("Value error, ")
        return f"setting {name}: {text[:1].lower()}{text[1:]}"

    def reloaded(self, new: Settings) -> tuple[Settings, list[str]]:
        """Return the settings of a running server after a reload.

        Args:
            new: The settings as they are read now.

        Returns:
            The new settings with the old values of those that a running server keeps, and the names of these whose
            new values wait for a restart.
        """
        kept = {name: getattr(self, name) for name in FIXED}
        waiting = [name for name, value in kept.items() if getattr(new, name) != value and name != "metrics_folder"]
        return new.model_copy(update=kept), waiting

    @field_validator("store")
    @classmethod
    def _locate_store(cls, value: Path) -> Path:
        return store_location(value)

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"must be http(s)://HOST[:PORT][/PATH], got {value!r}")
        return value.rstrip("/")

    @field_validator("colormap_urls")
    @classmethod
    def _check_colormap_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if url.count("{name}") != 1 or urlsplit(url).scheme not in ("http", "https"):
                raise ValueError(f"must be a URL with {{name}} in it, got {url!r}")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        networks_of(value)
        return value

    @cached_property
    def proxy_networks(self) -> tuple[Network, ...]:
        """``trusted_proxies`` as networks."""
        return networks_of(self.trusted_proxies)

    @property
    def cache_budget(self) -> CacheBudget:
        """Memory of all caches, and its division among them."""
        budget = CacheBudget.server(self.memory_bytes)
        return budget.without("tiles", "values") if self.no_tile_cache else budget

    @property
    def mrfs(self) -> Path:
        """``mrf_folder``, or its default."""
        beside = Path() if isinstance(self.store, ObjectPath) else self.store.parent
        return self.mrf_folder or beside / "mrf"

    @property
    def background(self) -> tuple[int, int, int]:
        """``jpeg_background`` as red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.jpeg_background[1:])
        return red, green, blue
