"""Parsing of untrusted JSON: bounded in size and depth."""

from __future__ import annotations

import json
from typing import Any

LIMIT_BYTES = 64 << 20
"""The metadata of a store of 100,000 times has some 5 MB."""


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
