"""Credentials for servers that require them: passwords from a ``.netrc`` file, and a bearer token.

Each secret goes to the host it is for and to no other, whatever a redirect says. NASA's Earthdata Login, for example,
redirects from the data's host to its own and back. Over plain ``http`` a secret goes only to the host that the user
named, and to this machine.
"""

from __future__ import annotations

import base64
import netrc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which secret may be sent to which host."""

    passwords: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """User and password by host name."""
    token: str = field(default="", repr=False)
    """Bearer token for the host of the URL that the user gave."""

    def __post_init__(self) -> None:
        if not self.token.isascii() or any(character.isspace() or ord(character) < 32 for character in self.token):
            raise SourceError("a bearer token must be one line of ASCII without spaces")

    def authorization(self, url: str, given: str) -> str | None:
        """Return the ``Authorization`` header for a request.

        Args:
            url: Of the request.
            given: The URL that the user gave, from which redirects led to ``url``.

        Returns:
            The header; None where the host may not receive a secret.

        Raises:
            SourceError: A URL is invalid.
        """
        here, first = origin_of(url), origin_of(given)
        if self.token and here == first:
            return f"Bearer {self.token}"
        scheme, host, _ = here
        if host not in self.passwords or (scheme != "https" and here != first and host not in _THIS_MACHINE):
            return None
        user, password = self.passwords[host]
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


NO_CREDENTIALS = Credentials()


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL.

    Args:
        url: Any URL.

    Returns:
        Scheme, host in lower case, port.

    Raises:
        SourceError: The URL is invalid or has no host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise SourceError(f"{url} is not a URL: {error}") from error
    if not host:
        raise SourceError(f"{url} names no host")
    return parts.scheme, host, port


def read_passwords(path: Path, *, required: bool = True) -> dict[str, tuple[str, str]]:
    """Read the passwords of a ``.netrc`` file.

    Args:
        path: Of the file.
        required: Whether a missing file is an error.

    Returns:
        User and password by host. An entry ``default`` is left out, since it would send a password to any host.

    Raises:
        SourceError: The file cannot be read.
    """
    if not required and not path.exists():
        return {}
    try:
        hosts = netrc.netrc(path).hosts
    except netrc.NetrcParseError as error:
        raise SourceError(f"{path} is not a valid .netrc file: line {error.lineno}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return {
        host.lower(): (user or "", password or "")
        for host, (user, _, password) in hosts.items()
        if host != "default" and (user or password)
    }


def read_token(path: Path) -> str:
    """Read the bearer token that a file holds.

    Args:
        path: Of the file.

    Returns:
        The token.

    Raises:
        SourceError: The file cannot be read or is empty.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not a token'}") from None
    if not token:
        raise SourceError(f"{path} holds no token")
    return token
