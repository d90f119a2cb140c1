"""The settings of what a server gives to programs and to other servers: Zarr, and a tile cache that hosts share."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from lazytile.service.http.operating.access_settings import AccessSettings

SHARED_SCHEMES = ("redis", "rediss", "s3", "gs", "az")


class SharingSettings(AccessSettings):
    """The part of ``Settings`` that is about programs and other servers."""

    zarr_bytes_in_flight: int = Field(128 << 20, ge=1 << 20)
    """Bytes of chunks that each server process holds at a time for clients of ``/zarr``; beyond it requests wait, and
    the response is 503 after ``queue_wait_s``."""
    shared_cache: str | None = None
    """Address of a tile cache that several hosts share: ``redis://HOST``, ``rediss://USER:PASSWORD@HOST/0`` or
    ``s3://BUCKET/PREFIX`` (also ``gs`` and ``az``); by default there is none. Needs the extra ``shared``."""
    shared_cache_timeout_s: float = Field(0.5, gt=0, le=60)
    """Time limit of each answer of the shared tile cache; beyond it, the host computes for itself."""
    shared_cache_ttl_s: int = Field(7 * 86400, ge=60)
    """How long tiles are kept in Redis; in object storage a rule of the bucket deletes them."""
    shared_value_bytes: int = Field(8 << 20, ge=1024, le=512 << 20)
    """Size of the largest tile that is kept in the shared tile cache."""
    shared_lease_s: float = Field(5.0, gt=0, le=300)
    """How long a host may compute a tile before another one that waits for it computes it, too."""
    shared_lease_ms: float = Field(0.0, ge=0, le=1e6)
    """Estimated time, in milliseconds on one processor, from which on a tile is computed by one host while others wait;
    those that take less are computed by each."""

    @field_validator("shared_cache")
    @classmethod
    def _check_shared_cache(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in SHARED_SCHEMES or not parts.netloc:
                raise ValueError(f"must be SCHEME://HOST or SCHEME://BUCKET/PREFIX, with {', '.join(SHARED_SCHEMES)}")
        return value
