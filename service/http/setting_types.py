"""Types of settings that are written as texts: sizes of memory, and lists."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from lazytile.pyramid.core.memory_size import machine_memory_bytes, parse_memory


def _memory_bytes(value: Any) -> Any:
    return parse_memory(value, machine_memory_bytes()) if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """Return a list as an environment variable holds it: separated by commas, or as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [each.strip() for each in value.split(",") if each.strip()]


MemoryBytes = Annotated[int, BeforeValidator(_memory_bytes)]
"""Bytes, or a text such as ``2GiB`` or ``25%``."""
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_texts)]
"""Texts; in the environment separated by commas, or as JSON."""
