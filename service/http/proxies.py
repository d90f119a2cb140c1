"""What a reverse proxy says of the client's address for us: ``Forwarded`` (RFC 7239) and the older ``X-Forwarded-*``.

Anybody can send these headers, so only what a proxy in the settings sends is believed: the last element, and each one
before it that another such proxy has added.
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
    """How a client addressed the outermost proxy that is trusted; empty where it was not said."""

    scheme: str = ""
    host: str = ""
    prefix: str = ""
    """Path below which the proxy has us, without a slash at its end."""


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read addresses and networks (``10.0.0.0/8``). Raises ``ValueError``."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def forwarding(remote: str | None, headers: Mapping[str, str], trusted: Sequence[Network]) -> Forwarding:
    """Return what trusted proxies say. ``remote``: the address that the request came from."""
    if not trusted or not _is_trusted(remote, trusted):
        return Forwarding()
    prefix = headers.get("X-Forwarded-Prefix", "").strip()
    prefix = prefix.rstrip("/") if _PREFIX.fullmatch(prefix) else ""
    if "Forwarded" in headers:
        elements = [dict(_pairs(part)) for part in headers["Forwarded"].split(",")]
    else:
        elements = _older(headers)
    chosen: dict[str, str] = {}
    for element in reversed(elements):
        chosen = element
        if not _is_trusted(_address(element.get("for", "")), trusted):
            break
    scheme = chosen.get("proto", "").lower()
    return Forwarding(scheme if scheme in ("http", "https") else "", chosen.get("host", ""), prefix)


def _pairs(element: str) -> list[tuple[str, str]]:
    return [(name.lower(), value.strip('"')) for name, value in _PAIR.findall(element)]


def _older(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Return X-Forwarded-For, -Proto and -Host as elements; a list that is shorter has its last value repeated."""
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
    """Take the port off a node (RFC 7239, 6)."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _is_trusted(address: str | None, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in trusted)
