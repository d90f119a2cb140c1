"""The settings of access and logs: who may ask for what, how often, and what is written of it."""

from __future__ import annotations

import json
import re
from pathlib import Path  # noqa: TC003 - pydantic reads annotations
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

MIN_TOKEN = 16
"""Characters of a token: a shorter one can be guessed."""


def _texts(value: Any) -> Any:
    """Return a list as an environment variable holds it: separated by commas, or as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [each.strip() for each in value.split(",") if each.strip()]


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_texts)]


def address_parts(text: str) -> tuple[str, int]:
    """Split an address to listen on.

    Args:
        text: ``HOST:PORT``, with an IPv6 address in brackets.

    Returns:
        Host and port.

    Raises:
        ValueError: The text is no such address.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"must be HOST:PORT, got {text!r}")
    return host, int(port)


class AccessSettings(BaseSettings):
    """The part of ``Settings`` that is about clients, logs and administrators."""

    allowed_hosts: Texts = ()
    """Names in Host headers that documents may repeat, such as ``maps.example`` or ``*.example``; other names get 421.
    By default every name; needless with ``public_url``."""
    max_hosts: int = Field(64, ge=1, le=65536)
    """Number of different Host headers that documents are made for at a time; new ones beyond it wait: one a second."""
    frame_ancestors: Texts = ("'self'",)
    """Pages that may show ours in a frame, as in the directive of Content-Security-Policy: ``'self'``,
    ``https://portal.example``, ``*``; an empty list for none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged to standard error; the access log counts as ``info``."""
    access_log: Literal["combined", "json", "off"] = "combined"
    """Format of the access log: the combined format of web servers, or JSON, which messages have then, too."""
    access_log_file: Path | None = None
    """File that the access log is appended to; by default standard error. SIGHUP opens it anew."""
    access_log_queue_bytes: int = Field(4 << 20, ge=1 << 16)
    """Size limit of the lines that wait to be written to the access log, in each server process; further ones are
    lost."""
    rate_limit: float | None = Field(None, gt=0, le=1_000_000)
    """Requests per second of each client; beyond it the response is 429. By default without limit."""
    rate_limit_burst: int = Field(200, ge=1, le=1_000_000)
    """Requests that a client may send at once; a map on a large screen asks for 50 to 100 tiles."""
    rate_limit_clients: int = Field(65536, ge=64, le=1 << 22)
    """Number of clients that are told apart; each takes 16 bytes, and one that is new replaces one that is idle."""
    error_rate: float = Field(200.0, gt=0, le=1_000_000)
    """Responses with an error, 503 included, that each server process sends at once in a second; further ones are held
    back for up to two seconds, so that answering errors takes no time from tiles."""
    layer_tokens: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Bearer tokens by dataset, whose layers only clients with one of them may see: ``{"sst": ["..."]}``; a token of at
    least 16 characters, or ``sha256:`` and its hash in hexadecimal."""
    metric_layers: int = Field(100, ge=0, le=10000)
    """Number of layers that have metrics of their own, in each server process; all others count as ``(other)``."""
    tracing: bool = False
    """Whether requests are traced with OpenTelemetry, whose own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``) say where
    to; needs the extra ``otel``."""
    admin_address: str | None = None
    """Address of the API for administrators, such as 127.0.0.1:8090; by default there is none."""
    admin_token: str | None = None
    """Bearer token of that API: at least 16 characters, or ``sha256:`` and its hash."""

    @field_validator("layer_tokens")
    @classmethod
    def _check_tokens(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for dataset, tokens in value.items():
            if "." in dataset:
                raise ValueError(f"must name datasets, whose layers are protected together, got {dataset!r}")
            if not tokens or any(len(token) < MIN_TOKEN or not token.isascii() or " " in token for token in tokens):
                raise ValueError(f"dataset {dataset!r} must have tokens of at least {MIN_TOKEN} ASCII characters each")
        return value

    @field_validator("frame_ancestors")
    @classmethod
    def _check_ancestors(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for source in value:
            if re.fullmatch(r"[A-Za-z0-9:/.*'_-]+", source) is None:
                raise ValueError(f"must be sources such as 'self' or https://portal.example, got {source!r}")
        return value

    @field_validator("admin_address")
    @classmethod
    def _check_admin_address(cls, value: str | None) -> str | None:
        if value is not None:
            address_parts(value)
        return value

    @model_validator(mode="after")
    def _check_admin_token(self) -> Self:
        token = self.admin_token
        if self.admin_address is not None and (token is None or len(token) < MIN_TOKEN or not token.isascii()):
            raise ValueError(f"admin_address needs an admin_token of at least {MIN_TOKEN} ASCII characters")
        return self
