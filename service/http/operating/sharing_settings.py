"""The settings of what a server gives to programs and to other servers: the Zarr of its datasets."""

from __future__ import annotations

from pydantic import Field

from lazytile.service.http.operating.access_settings import AccessSettings


class SharingSettings(AccessSettings):
    """The part of ``Settings`` that is about programs and other servers."""

    zarr_bytes_in_flight: int = Field(128 << 20, ge=1 << 20)
    """Bytes of chunks that each server process holds at a time for clients of ``/zarr``; beyond it requests wait, and
    the response is 503 after ``queue_wait_s``."""
