"""Sections of docs/benchmarks.md, each between two comments and written by the benchmark that it shows."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lazytile.pyramid.core.processors import processor_count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def conditions() -> str:
    """Return what figures depend on besides the code: processors, date and load."""
    return f"{processor_count()} processors, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f} at the end"


def write_section(document: Path, name: str, lines: Sequence[str]) -> None:
    """Replace a section of a document, or append it.

    Args:
        document: A Markdown file; created if there is none.
        name: The name in the comments ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
        lines: The section, heading first.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = document.read_text() if document.exists() else "# Benchmarks\n"
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    section = "\n".join([begin, *lines, "", end])
    document.write_text(f"{before.rstrip()}\n\n{section}{after}")
