"""JSON: parsing of untrusted documents, bounded in size and depth, and the values of our own."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

LIMIT_BYTES = 64 << 20
"""The metadata of a store of 100,000 times has some 5 MB."""
_PLAIN = frozenset({str, int, float, bool, type(None)})


def parse_json(content: bytes | str, limit_bytes: int = LIMIT_BYTES) -> Any:
    """Parse a JSON document.

    Args:
        content: The document.
        limit_bytes: Most bytes or characters of it.

    Returns:
        Its value.

    Raises:
        ValueError: It is not JSON, too large, nested too deeply, or has a number of thousands of digits.
    """
    if len(content) > limit_bytes:
        raise ValueError(f"{len(content)} bytes of JSON exceed the limit of {limit_bytes}")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_values(value: Any) -> Any:
    """Return the JSON values of a dataclass, as ``dataclasses.asdict`` does, but without copying what cannot change.

    ``asdict`` visits every number: of a histogram, 512; of an axis of times, as many labels. It took a tenth of a small
    conversion.

    Args:
        value: A dataclass, or what one may hold.

    Returns:
        Dataclasses as dictionaries; tuples and lists of plain values as they are.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple or kind is list:
        return value if _PLAIN.issuperset(map(type, value)) else kind(map(json_values, value))
    if kind is dict:
        return {key: json_values(each) for key, each in value.items()}
    if is_dataclass(value):
        return {each.name: json_values(getattr(value, each.name)) for each in fields(value)}
    return value
