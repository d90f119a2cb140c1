"""Lines of the access log: the combined format of web servers, or JSON.

The combined format is that of Apache and nginx, with four fields more at the end of a line: the ID of the request, the
tier that had the tile, the seconds that the response took, and the milliseconds of its stages.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from multidict import istr

from lazytile.service.http.proxies import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lazytile.service.access.exchange import Exchange
    from lazytile.service.http.proxies import Network

    LineFormat = Callable[[Exchange], str]

_REFERER, _USER_AGENT = istr("Referer"), istr("User-Agent")
MAX_TEXT = 2048
"""Longest text of a client in a line; what is beyond is cut off."""
_UNSAFE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_TIER_FIELD = "cache;desc="
_TIER = re.compile(r"(?:^|, )cache;desc=([a-z]+)")
_STAGE = re.compile(r"(?:^|, )([a-z]+);dur=([0-9.]+)")


def line_format(name: str, proxies: Sequence[Network]) -> LineFormat:
    """Return the format of lines.

    Args:
        name: ``combined`` or ``json``.
        proxies: Networks of trusted proxies, which say whom they forward.

    Returns:
        A function from an exchange to its line, without the line's end.
    """
    if name == "json":
        return lambda exchange: _json_line(exchange, client_of(exchange.remote, exchange.headers, proxies))
    return _CombinedLines(proxies)


class _CombinedLines:
    """The combined format. The time is formatted once a second."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = proxies
        self._second = -1
        self._time = ""
        self._timing = ""
        self._stages = "-", "-"

    def __call__(self, exchange: Exchange) -> str:
        ended, seconds, remote, method, target, headers, status, size, request_id, timing, _ = exchange
        second = int(ended)
        if second != self._second:
            self._second, self._time = second, time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
        if timing is not self._timing:  # that of tiles in memory is one object
            self._timing, self._stages = timing, _tier_and_text(timing)
        tier, spent = self._stages
        client = client_of(remote, headers, self._proxies) if self._proxies else remote or "-"
        referer, agent = headers.get(_REFERER), headers.get(_USER_AGENT)
        return (
            f'{client} - - [{self._time}] "{method} {_quoted(target)} HTTP/1.1" {status} {size} '
            f'"{_quoted(referer) if referer else "-"}" "{_quoted(agent) if agent else "-"}" {request_id} {tier} '
            f'{seconds:.6f} "{spent}"'
        )


def _tier_and_text(timing: str) -> tuple[str, str]:
    """Return the tier and the milliseconds of the stages as they stand in a line, as ``tier_and_stages`` has them."""
    if timing.startswith(_TIER_FIELD):
        tier, _, stages = timing.removeprefix(_TIER_FIELD).partition(", ")
    else:
        tier, stages = "-", timing
    return tier, stages.replace(", ", " ").replace(";dur=", "=") or "-"


def _quoted(text: str) -> str:
    """Return a text of a client as it may stand between quotation marks: what else could end a line is escaped."""
    text = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "replace")), text)


def _json_line(exchange: Exchange, client: str) -> str:
    tier, stages = tier_and_stages(exchange.timing)
    document: dict[str, Any] = {
        "time": utc(exchange.ended),
        "level": "INFO",
        "logger": "lazytile.access",
        "client": client,
        "method": exchange.method,
        "target": exchange.target[:MAX_TEXT],
        "status": exchange.status,
        "bytes": exchange.size,
        "seconds": round(exchange.seconds, 6),
        "request_id": exchange.request_id,
        "route": exchange.route,
        "tier": tier or None,
        "stages_ms": {name: float(value) for name, value in stages},
        "referer": exchange.headers.get("Referer", "")[:MAX_TEXT] or None,
        "user_agent": exchange.headers.get("User-Agent", "")[:MAX_TEXT] or None,
    }
    return json.dumps(document)


def utc(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds.

    Args:
        seconds: Since 1970.

    Returns:
        The text.
    """
    whole, part = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{part:03d}Z"


def tier_and_stages(timing: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what Server-Timing says: the tier that had the tile, and the milliseconds of each stage.

    Args:
        timing: Value of the header as ``server_timing`` writes it.

    Returns:
        The tier, empty without one; name and milliseconds of each stage, as text.
    """
    if not timing:
        return "", []
    tier = _TIER.search(timing)
    return "" if tier is None else tier[1], _STAGE.findall(timing)
