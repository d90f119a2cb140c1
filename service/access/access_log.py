"""The access log: a line for each request, on by default."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lazytile.service.access.line_writer import LineWriter
from lazytile.service.access.log_lines import line_format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lazytile.service.access.log_lines import LineFormat
    from lazytile.service.http.settings import Settings

CLOSE_S = 2.0
"""How long lines that wait are written at the end."""


class AccessLog:
    """Makes and writes the lines of exchanges."""

    def __init__(self, form: LineFormat, writer: LineWriter) -> None:
        """Write with a writer.

        Args:
            form: Makes the lines.
            writer: Writes them; ``close`` closes it.
        """
        self.line = form
        """Returns the line of an exchange."""
        self._writer = writer

    @classmethod
    def of(cls, settings: Settings, on_lost: Callable[[int], object]) -> AccessLog | None:
        """Return the log that settings describe.

        Args:
            settings: Its format, its file, and the level of the log.
            on_lost: Called with a number of lines that were not written.

        Returns:
            The log; None where it is off, or the level of messages is above INFO.

        Raises:
            ServiceError: The file cannot be opened.
        """
        if settings.access_log == "off" or logging.getLevelNamesMapping()[settings.log_level.upper()] > logging.INFO:
            return None
        writer = LineWriter(settings.access_log_file, settings.access_log_queue_bytes, on_lost)
        return cls(line_format(settings.access_log, settings.proxy_networks), writer)

    def write(self, lines: Sequence[str]) -> None:
        """Write lines, soon.

        Args:
            lines: The lines, in order, as ``line`` returns them.
        """
        self._writer.write(lines)

    def close(self) -> None:
        """Write what waits and close the file. Blocks."""
        self._writer.close(CLOSE_S)
