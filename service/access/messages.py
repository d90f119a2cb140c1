"""The form of log messages: a time stamp, the level, who says it, and the text; or the same as JSON."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, TextIO

from lazytile.service.access.log_lines import utc

if TYPE_CHECKING:
    from lazytile.service.http.settings import Settings

QUIET = ("lazytile.pyramid.engines.factory",)
"""Loggers that say at the level INFO what only those want to know who ask for more."""


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(time)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.time = utc(record.created)
        return super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document)


class _Handler(logging.StreamHandler[TextIO]):
    """The handler of our own, so that another call finds it."""


def log_messages(settings: Settings) -> None:
    """Log to standard error as settings say, instead of as before.

    Args:
        settings: ``log_level``, and the format of the access log, which the messages share.
    """
    handler = _Handler()
    handler.setFormatter(_Json() if settings.access_log == "json" else _Text())
    root = logging.getLogger()
    for each in root.handlers[:]:
        if type(each) in (logging.StreamHandler, _Handler):
            root.removeHandler(each)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(logging.WARNING, level))
    logging.getLogger("lazytile").setLevel(level)
    quiet_loggers(is_verbose=level <= logging.DEBUG)


def quiet_loggers(*, is_verbose: bool) -> None:
    """Set the level of the loggers in ``QUIET``.

    Args:
        is_verbose: Whether they say all that they have to say.
    """
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if is_verbose else logging.WARNING)
