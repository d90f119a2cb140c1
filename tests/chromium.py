"""Chromiums that the tests of a process share: starting one takes longer than most pages."""

from __future__ import annotations

from functools import cache

from scripts.browser import Chromium


@cache
def _started() -> dict[tuple[str, ...], Chromium]:
    return {}


def chromium(*flags: str) -> Chromium:
    """Return the running Chromium with these flags, started where there is none."""
    running = _started()
    if flags not in running or not running[flags].is_running:
        running[flags] = Chromium(flags)
    return running[flags]


def close_all() -> None:
    """Stop those that run, at the end of the session."""
    while _started():
        _started().popitem()[1].close()
