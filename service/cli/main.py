"""The command ``lazytile``. What a command needs it imports when it runs, so that help comes at once."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from lazytile import __version__
from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process
from lazytile.service.cli import append, convert, export, info, remove, replace, serve, verify, warm
from lazytile.service.cli.colormap.group import app as colormap
from lazytile.service.cli.mrf.group import app as mrf

USAGE_CODE = 2
"""Exit code of everything that is wrong with what was asked for, as of the usual Unix tools."""
INTERRUPTED_CODE = 130

app = typer.Typer(
    name="lazytile",
    help="Scientific grids as map tiles: convert a netCDF file, then serve it over WMTS and XYZ.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("convert")(convert.convert)
for command in (append.append, replace.replace, remove.remove, verify.verify):
    app.command()(command)
app.command("serve")(serve.serve)
app.add_typer(mrf, name="mrf")
app.command("export")(export.export)
app.command("warm")(warm.warm)
app.command("info")(info.info)
app.add_typer(colormap, name="colormap")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lazytile {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback prints it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, to standard error.")] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("lazytile").setLevel(logging.DEBUG if verbose else logging.INFO)
    # Which engine it is matters to whoever serves for days; in front of every other command it is noise.
    quiet = context.invoked_subcommand != "serve" and not verbose
    logging.getLogger("lazytile.pyramid.engines.factory").setLevel(logging.WARNING if quiet else logging.NOTSET)


def main() -> None:
    """Run the command line; the console script."""
    process.begin()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code. What the user did wrong is one line on standard error and code 2."""
    try:
        code = app(args=arguments, prog_name="lazytile", standalone_mode=False)
    except LazytileError as error:
        return _fail(str(error), USAGE_CODE)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED_CODE)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (lazytile info | head); there is nobody to tell.
        sys.stderr.close()
        return 1
    except Exception as error:
        text = _usage_error(error)
        if text is None:
            raise
        return _fail(text, USAGE_CODE) if text else USAGE_CODE
    return code if isinstance(code, int) else 0


def _usage_error(error: Exception) -> str | None:
    """Return what typer found wrong with the arguments, empty where it has printed help itself; None if it did not.

    typer has its own copy of click's exceptions in some versions; what they share are these members.
    """
    explain = getattr(error, "format_message", None)
    if explain is None:
        return None
    text = str(explain()).rstrip(".")
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "lazytile"
    return f"{text}; see {where} --help" if text else ""


def _fail(text: str, code: int) -> int:
    print(f"lazytile: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201 - this is the command line
    return code
