"""The form of log messages on a terminal: what a user reads, not what a program that runs for months writes."""

from __future__ import annotations

import logging


class MessageFormat(logging.Formatter):
    """A line for each message: the text; above the level INFO with the level before it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line.

        Args:
            record: What is logged.

        Returns:
            The line; with the traceback of an exception below it where one is logged.
        """
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def show_messages(*, is_verbose: bool) -> None:
    """Write log messages to standard error.

    Args:
        is_verbose: Whether to write those of the level DEBUG too, and who says each.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s") if is_verbose else MessageFormat())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("lazytile").setLevel(logging.DEBUG if is_verbose else logging.INFO)
    # What an engine says of itself is noise to most; ``lazytile serve`` prints it in a line of its own.
    logging.getLogger("lazytile.pyramid.engines.factory").setLevel(logging.NOTSET if is_verbose else logging.WARNING)
