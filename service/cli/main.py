"""The command ``lazytile``. A command imports what it needs when it runs, so that ``--help`` is fast."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from lazytile import __version__
from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.core import process
from lazytile.service.cli import (
    append,
    bench,
    cache,
    completion,
    config,
    connect,
    convert,
    demo,
    export,
    info,
    link,
    numbers,
    remove,
    replace,
    serve,
    verify,
    view,
    warm,
)
from lazytile.service.cli.colormap.group import app as colormap
from lazytile.service.cli.doctor.command import doctor
from lazytile.service.cli.mrf.group import app as mrf
from lazytile.service.cli.options.interruption import interrupted_text
from lazytile.service.cli.options.messages import show_messages
from lazytile.service.cli.options.subject import is_subject, looks_like_file

USAGE_CODE = 2
"""Exit code of any error in the command line, as of the usual Unix tools."""
INTERRUPTED_CODE = 130
VERBOSE = ("-v", "--verbose")

app = typer.Typer(
    name="lazytile",
    help="Scientific grids as map tiles. lazytile FILE shows a file or URL on a map; the commands do each step of it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("view", short_help="Show files on a map: the same as lazytile FILE.")(view.view)
app.command("demo", short_help="Show made-up sea surface temperature on a map.")(demo.demo)
app.command("convert")(convert.convert)
app.command("link", short_help="Show data where it is, without copying it.")(link.link)
for command in (append.append, replace.replace, remove.remove):
    app.command()(command)
app.command("verify", short_help="Check every chunk of a dataset against its checksum.")(verify.verify)
app.command("serve")(serve.serve)
app.add_typer(mrf, name="mrf")
app.command("export", short_help="Export a layer as PMTiles, MBTiles or GeoTIFF.")(export.export)
app.command("warm")(warm.warm)
app.command("info")(info.info)
app.command("bench", short_help="Measure this installation.")(bench.bench)
app.add_typer(colormap, name="colormap")
app.add_typer(config.app, name="config", short_help="Show and check the settings of a server.")
app.add_typer(cache.app, name="cache")
app.command("stats")(numbers.stats)
app.command("point")(numbers.point)
app.command("doctor", short_help="Say what is wrong with the installation, and what to do.")(doctor)
app.command("completion", short_help="Print the script that completes commands.")(completion.completion)
app.add_typer(connect.app, name="connect")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"lazytile {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001 - the callback prints it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, to standard error.")] = False,
) -> None:
    show_messages(is_verbose=verbose)


def main() -> None:
    """Run the command line as the console script."""
    process.begin()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command.

    Args:
        arguments: The command line without the program's name.

    Returns:
        The exit code: 2 after an error of the user, which is one line on standard error.
    """
    if completion.VARIABLE in os.environ:
        import_module("typer.completion").completion_init()  # only where a shell asks
    try:
        arguments = _with_command(_verbose_first(arguments))
        code = app(args=arguments, prog_name="lazytile", standalone_mode=False)
        if code == INTERRUPTED_CODE:
            raise KeyboardInterrupt  # noqa: TRY301 - what newer versions of Typer have made of it
    except (LazytileError, MemoryError) as error:
        return _fail(str(error) or "not enough memory", USAGE_CODE)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(interrupted_text(arguments), INTERRUPTED_CODE)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except BrokenPipeError:
        # The reader of our output has closed it (lazytile info | head).
        sys.stderr.close()
        return 1
    except Exception as error:
        text = _usage_error(error)
        if text is None:
            raise
        return _fail(text, USAGE_CODE) if text else USAGE_CODE
    return code if isinstance(code, int) else 0


def command_names() -> set[str]:
    """Return the names of the commands."""
    named = [each.name or getattr(each.callback, "__name__", "") for each in app.registered_commands]
    return {*named, *(each.name or "" for each in app.registered_groups)}


def _verbose_first(arguments: list[str]) -> list[str]:
    """Return a command line in which ``-v``, which all commands have in common, comes before the command."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = [word for word in arguments[:end] if word in VERBOSE]
    return [*found, *(word for word in arguments[:end] if word not in VERBOSE), *arguments[end:]]


def _with_command(arguments: list[str]) -> list[str]:
    """Return a command line in which ``FILE`` is ``view FILE``. Raises ``SourceError`` for a file that is not there."""
    commands = command_names()
    at = next((at for at, word in enumerate(arguments) if word not in VERBOSE), None)
    if at is None or not commands.isdisjoint(arguments[at : at + 1]):
        return arguments
    if arguments[at].startswith("-"):
        # Options before the file: lazytile --port 9000 sst.nc
        is_view = commands.isdisjoint(arguments) and any(map(looks_like_file, arguments[at:]))
    else:
        is_view = is_subject(arguments[at])
    return [*arguments[:at], "view", *arguments[at:]] if is_view else arguments


def _usage_error(error: Exception) -> str | None:
    """Return Typer's message about the arguments, empty if it printed help instead; None for any other exception.

    Some versions of Typer have their own copy of click's exceptions; these members are what the copies share.
    """
    explain = getattr(error, "format_message", None)
    if explain is None:
        return None
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(context.get_help(), err=True)  # not as one line: the message is a page of help
        return ""
    text = str(explain()).rstrip(".")
    where = context.command_path if context is not None else "lazytile"
    return f"{text}; see {where} --help" if text else ""


def _fail(text: str, code: int) -> int:
    print(f"lazytile: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201 - this is the command line
    return code
