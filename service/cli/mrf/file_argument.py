"""What the commands that read an MRF share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The .mrf file.")]
UNSOUND_CODE = 1
"""Exit code where the MRF is damaged or a page holds no data; errors in the request are 2."""
