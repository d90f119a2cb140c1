"""Tables that programs and notebooks show for datasets and variables."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from lazytile.colormaps.core.errors import LazytileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def picture(render: Callable[[], bytes]) -> bytes:
    """Return a picture for a table: one that cannot be rendered must not hide what the table says.

    Args:
        render: Returns a PNG.

    Returns:
        The PNG; empty where it cannot be rendered.
    """
    try:
        return render()
    except LazytileError:
        return b""


def text_table(heading: str, rows: Callable[[], Iterable[tuple[str, str]]]) -> str:
    """Return a table as text.

    Args:
        heading: Above the table.
        rows: Returns name and text of each row.

    Returns:
        A line for the heading and for each row; the error in one line where the rows cannot be read.
    """
    try:
        found = list(rows())
    except LazytileError as error:
        return f"<{heading}>\n  {error}"
    width = max([12, *(len(name) + 2 for name, _ in found)])
    return "\n".join([f"<{heading}>", *(f"  {name:<{width}}{text}" for name, text in found)])


def table(heading: str, rows: Callable[[], Iterable[tuple[str, str]]], shown: bytes = b"") -> str:
    """Return a table of names and texts.

    Args:
        heading: Above the table.
        rows: Returns name and text of each row; an error is a row.
        shown: A PNG to show beside it; empty for none.

    Returns:
        HTML without scripts and without links to other hosts.
    """
    try:
        found = list(rows())
    except LazytileError as error:
        found = [("error", str(error))]
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in found
    )
    text = base64.b64encode(shown).decode()
    image = f"<img alt='zoom 0' width='192' height='192' src='data:image/png;base64,{text}'>" if shown else ""
    return (
        f"<div style='display:flex;gap:1em;align-items:flex-start'>{image}"
        f"<div><strong>{escape(heading)}</strong><table>{cells}</table></div></div>"
    )
