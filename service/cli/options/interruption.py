"""What is left when a command is interrupted, and how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONVERTED = "what is converted stays, and the same command goes on from there"
_EXPORTED = "finished tiles stay, and the same command goes on from there"
RESUMED = {
    "convert": _CONVERTED,
    "append": _CONVERTED,
    "replace": _CONVERTED,
    "view": _CONVERTED,
    "mrf": _EXPORTED,
    "export": _EXPORTED,
    "warm": "the tiles in the cache stay, and the same command goes on from there",
}
"""What an interrupted command leaves, by its name."""


def interrupted_text(arguments: Sequence[str]) -> str:
    """Return what to say of an interrupted command.

    Args:
        arguments: The command line without the program's name.

    Returns:
        One line.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    return f"interrupted; {RESUMED[command]}" if command in RESUMED else "interrupted"
