"""Where a source is: a path on this machine, or a URL."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(source: object) -> bool:
    """Return whether a source is named by a URL."""
    return _SCHEME.match(str(source)) is not None
