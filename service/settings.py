"""The settings of a server: built once, passed down. Environment variables start with ``LAZYTILE_``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lazytile.service.errors import SettingsError


class Settings(BaseSettings):
    """Everything that can be set. Immutable; build it with ``Settings.of``."""

    model_config = SettingsConfigDict(env_prefix="LAZYTILE_", frozen=True, extra="forbid")

    store: Path = Path("store")
    """Folder of the datasets."""
    cache: Path = Path("cache")
    """Folder of the tile cache; made with mode 0700."""
    cache_limit_bytes: int = Field(2 << 30, ge=1 << 20)
    """Bytes of tiles on disk; the oldest go first."""
    memory_cache_bytes: int = Field(256 << 20, ge=0)
    """Bytes of encoded tiles in memory, for each server process."""
    chunk_cache_bytes: int = Field(128 << 20, ge=0)
    """Bytes of decoded chunks in memory, for each process that renders."""
    value_cache_bytes: int = Field(32 << 20, ge=0)
    """Bytes of values of tiles in memory, for each process that renders: a second style of them is quick."""
    no_tile_cache: bool = False
    """Switch the tile caches off, for measuring."""
    colormaps: Path | None = None
    """Folder of further colormaps (GIBS XML and the other formats); the bundled ones are there anyway."""

    tile_matrix_sets: Path | None = None
    """Folder of further tile matrix sets, one OGC 17-083r4 JSON document a file (``*.json``); read at start-up."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str | None = None
    """Address of the server's root as clients see it; without it, what each request's Host header says."""

    engine: str = "auto"
    workers: int | None = Field(None, ge=1, le=1024)
    """Server processes with the engine ``threads``; Dask workers behind one server process otherwise."""
    dashboard: str | None = None
    """Address of Dask's dashboard, such as 127.0.0.1:8787; it asks for no password."""
    metatile: int | None = Field(None, ge=1, le=16)
    """Tiles on a side of the square block that is computed as one task; 1 with ``threads``, else 2."""
    queue_length: int = Field(1024, ge=0)
    """Tasks that may wait for the engine; over it the answer is 503."""
    timeout_s: float = Field(30.0, gt=0, le=3600)
    """How long a request may take; over it the answer is 504."""
    shutdown_s: float = Field(5.0, ge=0, le=3600)
    """How long requests under way may go on when the server is stopped."""

    max_query_bytes: int = Field(8192, ge=512)
    """Longest path and query string that is read; the answer to a longer one is 414."""
    max_value_length: int = Field(1024, ge=64)
    """Longest single value in a request."""
    jpeg_background: str = Field("#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")
    """Colour that shows through no data in formats without transparency."""

    capabilities_title: str = "lazytile"
    max_age_s: int = Field(3600, ge=0)
    """How long clients may keep a tile whose time they asked for by name."""
    latest_max_age_s: int = Field(60, ge=0)
    """How long clients may keep a tile of the default (latest) time."""
    metrics_folder: Path | None = None
    """Where several server processes share their counters; set by ``lazytile serve`` itself."""

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Build settings from options, then the environment, then defaults. None means that an option was not given.

        Raises ``SettingsError`` with one line that names the culprit.
        """
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SettingsError(f"setting {name}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"must be http(s)://HOST[:PORT][/PATH], got {value!r}")
        return value.rstrip("/")

    @property
    def background(self) -> tuple[int, int, int]:
        """``jpeg_background`` as red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.jpeg_background[1:])
        return red, green, blue
