"""Writing a file so that a kill at any moment leaves the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lazytile.colormaps.core.errors import ColormapError


def write_atomically(path: Path, content: bytes) -> None:
    """Write the content beside the target, then rename. Raises ``ColormapError`` where that cannot be done."""
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
