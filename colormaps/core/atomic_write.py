"""Files written so that a kill at any moment leaves either the old or the new content."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lazytile.colormaps.core.errors import ColormapError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its target, then rename it.

    Args:
        path: The target; its folder is created if missing.
        content: Of the file.

    Raises:
        ColormapError: The file cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ColormapError(f"{path}: cannot be written: {error.strerror or error}") from error
