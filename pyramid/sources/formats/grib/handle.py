"""ecCodes' library: its lock, and the keys of a message (the extra ``grib``)."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import pyproj  # noqa: F401 - before eccodes, whose wheels bring a PROJ that breaks every CRS of a pyproj imported later

from lazytile.pyramid.core import process

eccodes: Any
try:
    eccodes = importlib.import_module("eccodes")  # untyped
except (ImportError, RuntimeError):  # the extra or its library is missing
    eccodes = None

UNIT_SECONDS = {0: 60, 1: 3600, 2: 86400, 10: 3 * 3600, 11: 6 * 3600, 12: 12 * 3600, 13: 1, 254: 1}
"""Seconds of the units of time with a fixed length (edition 1, table 4; edition 2, code table 4.4)."""


def library_lock() -> threading.Lock:
    """Return the process's lock of ecCodes, whose calls must not run at the same time."""
    return process.current().resource("ecCodes lock", threading.Lock)


def key_of(handle: Any, key: str, default: Any = None) -> Any:
    """Return the value of a key of a message.

    Args:
        handle: Of the message.
        key: As ecCodes names it.
        default: For a message without the key.

    Returns:
        The value or the default.
    """
    try:
        return eccodes.codes_get(handle, key)
    except eccodes.KeyValueNotFoundError:
        return default


def number_of(handle: Any, key: str, default: int | None = None) -> int:
    """Return the number of a key of a message, where ecCodes also has a name for it.

    Args:
        handle: Of the message.
        key: As ecCodes names it.
        default: For a message without the key.

    Returns:
        The number or the default.

    Raises:
        KeyError: The message lacks the key, and there is no default.
    """
    try:
        return int(eccodes.codes_get(handle, key, int))
    except eccodes.KeyValueNotFoundError:
        if default is None:
            raise KeyError(key) from None
        return default


def scaled_of(handle: Any, which: str) -> tuple[int, int] | None:
    """Return the value of a fixed surface of edition 2 as the message has it.

    Args:
        handle: Of the message.
        which: ``First`` or ``Second``.

    Returns:
        Scaled value and scale factor; None where the surface has no value.
    """
    value, factor = f"scaledValueOf{which}FixedSurface", f"scaleFactorOf{which}FixedSurface"
    try:
        if eccodes.codes_is_missing(handle, value) or eccodes.codes_is_missing(handle, factor):
            return None
        return int(eccodes.codes_get(handle, value, int)), int(eccodes.codes_get(handle, factor, int))
    except eccodes.KeyValueNotFoundError:
        return None
