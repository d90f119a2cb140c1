"""Files below a folder that is open: they go to that folder, whatever has its name meanwhile."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_folders(root: int, relative: Path) -> None:
    """Create the folders of a path below an open folder.

    Args:
        root: Descriptor of the open folder.
        relative: The path, of a file.

    Raises:
        OSError: One cannot be created.
    """
    for parent in reversed(relative.parents[:-1]):
        try:
            os.mkdir(parent, dir_fd=root)
        except FileExistsError:
            continue


def replace_file(root: int, relative: Path, data: bytes) -> None:
    """Move a file into place below an open folder; without content, remove it.

    Args:
        root: Descriptor of the open folder.
        relative: Path of the file.
        data: Its content.

    Raises:
        OSError: It cannot be written.
    """
    if not data:
        with suppress(FileNotFoundError):
            os.unlink(relative, dir_fd=root)
        return
    temporary = f"{relative.parent}/.{relative.name}-{secrets.token_hex(4)}"
    make_folders(root, relative)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=root)
        with open(descriptor, "wb") as target:  # noqa: PTH123 - it has no path of its own
            target.write(data)
        os.rename(temporary, relative, src_dir_fd=root, dst_dir_fd=root)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=root)
        raise
