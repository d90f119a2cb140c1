"""The group of commands ``mrf``."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from lazytile.service.cli.mrf.export import export
from lazytile.service.cli.mrf.extract import extract
from lazytile.service.cli.mrf.from_mrfgen import from_mrfgen
from lazytile.service.cli.mrf.info import info
from lazytile.service.cli.mrf.verify import verify


class _ExportUnlessNamed(TyperGroup):
    """``lazytile mrf LAYER OUTDIR`` exports; every other command is named."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put ``export`` before anything that is not the name of a command."""
        if not args or args[0] not in self.commands:
            args = ["export", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ExportUnlessNamed, help="Export a layer as MRF; verify, describe and read MRF files.")
app.command(short_help="Check every record and page of an MRF against its checksum.")(verify)
app.command(short_help="Describe an MRF by its header.")(info)
app.command(short_help="Write one page of an MRF to a file.")(extract)
app.command(
    short_help="Export a layer as MRF.",
    epilog="Further commands: mrf verify FILE, mrf info FILE, mrf extract FILE OUT, mrf from-mrfgen CONFIG. "
    "To export a layer of such a name: mrf export LAYER OUTDIR.",
)(export)
app.command("from-mrfgen", short_help="Make the MRF that a mrfgen configuration describes.")(from_mrfgen)
