"""The address that a client used, as reverse proxies report it: ``Forwarded`` (RFC 7239) or ``X-Forwarded-*``.

Anyone can send these headers. Only elements that trusted proxies added count: the last one, and each one before it as
long as the element after it names a trusted proxy.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PAIR = re.compile(r'([A-Za-z]+)=("[^"]*"|[^;,\s]*)')
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}/?")


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How the client addressed the outermost trusted proxy; empty where no proxy reports it."""

    scheme: str = ""
    host: str = ""
    prefix: str = ""
    """Path under which the proxy serves us, without a trailing slash."""


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Parse addresses and networks.

    Args:
        texts: Each an address or a network such as ``10.0.0.0/8``.

    Returns:
        The networks.

    Raises:
        ValueError: A text is neither.
    """
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def forwarding(remote: str | None, headers: Mapping[str, str], trusted: Sequence[Network]) -> Forwarding:
    """Return what trusted proxies report.

    Args:
        remote: The address that the request came from.
        headers: The headers of the request.
        trusted: The networks of trusted proxies.

    Returns:
        The report of the outermost trusted proxy, empty if ``remote`` is not trusted.
    """
    if not trusted or not _is_trusted(remote, trusted):
        return Forwarding()
    prefix = headers.get("X-Forwarded-Prefix", "").strip()
    prefix = prefix.rstrip("/") if _PREFIX.fullmatch(prefix) else ""
    chosen: dict[str, str] = {}
    for element in reversed(_elements(headers)):
        chosen = element
        if not _is_trusted(_address(element.get("for", "")), trusted):
            break
    scheme = chosen.get("proto", "").lower()
    return Forwarding(scheme if scheme in ("http", "https") else "", chosen.get("host", ""), prefix)


def client_of(remote: str | None, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """Return the address of the client.

    Args:
        remote: The address that the request came from.
        headers: The headers of the request.
        trusted: The networks of trusted proxies.

    Returns:
        The address that the outermost trusted proxy names, else ``remote``; ``-`` for none, as with a Unix socket.
    """
    if trusted and _is_trusted(remote, trusted):
        for element in reversed(_elements(headers)):
            address = _address(element.get("for", ""))
            if not _is_address(address):
                break
            remote = address
            if not _is_trusted(address, trusted):
                break
    return remote or "-"


def _elements(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what each proxy reports, that of the nearest one last."""
    if "Forwarded" in headers:
        return [dict(_pairs(part)) for part in headers["Forwarded"].split(",")]
    return _older(headers)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _pairs(element: str) -> list[tuple[str, str]]:
    return [(name.lower(), value.strip('"')) for name, value in _PAIR.findall(element)]


def _older(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Return X-Forwarded-For, -Proto and -Host as elements of Forwarded; the first value of a short list repeats."""
    columns = {
        name: [value.strip() for value in headers.get(f"X-Forwarded-{name.title()}", "").split(",") if value.strip()]
        for name in ("for", "proto", "host")
    }
    count = max(map(len, columns.values()))
    return [
        {name: values[max(at - count + len(values), 0)] for name, values in columns.items() if values}
        for at in range(count)
    ]


def _address(node: str) -> str:
    """Return the address of a node without its port (RFC 7239, 6)."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _is_trusted(address: str | None, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in trusted)
