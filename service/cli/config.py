"""The commands ``lazytile config``: show the settings of a server and where each comes from, and check them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lazytile.service.cli.options.common import JsonOption, SettingsOption  # noqa: TC001 - Typer reads annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.service.http.settings import Settings

INVALID_CODE = 1
"""Exit code of ``check`` where something is wrong."""
_SECRET = "(secret)"  # noqa: S105 - what is shown instead of one

app = typer.Typer(
    help="Show and check the settings of a server: file, environment, defaults.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("show", short_help="Print every setting, and where its value is from.")
def show(*, settings_file: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Print every setting with its value and where it comes from, as a TOML file.

    Secrets are not shown.
    """
    from lazytile.service.http.settings import Settings  # noqa: PLC0415 - slow to import

    settings = Settings.of(settings_file=settings_file)
    sources = _sources(settings)
    values = {name: _plain(name, getattr(settings, name)) for name in Settings.model_fields}
    if as_json:
        document = {name: {"value": value, "source": sources[name]} for name, value in values.items()}
        typer.echo(json.dumps(document, indent=2))
        return
    for name, value in values.items():
        is_commented = value is None or value == _SECRET or name == "settings_file"
        line = f"# {name} is {'not set' if value is None else value}" if is_commented else f"{name} = {_toml(value)}"
        typer.echo(line if sources[name] == "default" else f"{line}  # {sources[name]}")


@app.command("check", short_help="Check the settings file and the environment.")
def check(*, settings_file: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Check the settings file and the environment; name what is unknown or invalid, with the nearest right name.

    The exit code is 1 if anything is wrong.
    """
    from lazytile.service.http.errors import SettingsError  # noqa: PLC0415 - slow to import
    from lazytile.service.http.settings import Settings  # noqa: PLC0415
    from lazytile.service.http.settings_file import unknown_variables  # noqa: PLC0415

    problems = [
        f"environment variable {each.name}: {each}" for each in unknown_variables(Settings.model_fields, os.environ)
    ]
    try:
        Settings.of(settings_file=settings_file)
    except SettingsError as error:
        problems += [_located(problem, settings_file) for problem in error.problems]
    if as_json:
        typer.echo(json.dumps({"valid": not problems, "problems": problems}, indent=2))
    else:
        typer.echo("\n".join(problems) if problems else "the settings are valid")
    if problems:
        raise typer.Exit(INVALID_CODE)


def _located(problem: str, path: Path | None) -> str:
    """Return a problem with the place of the setting that it begins with, where that is the environment or a file."""
    from lazytile.service.http.settings_file import variable_of  # noqa: PLC0415 - slow to import

    name = problem.removeprefix("setting ").partition(":")[0].partition(".")[0]
    if variable_of(name) in {each.upper() for each in os.environ}:
        return f"environment variable {variable_of(name)}: {problem}"
    return problem if path is None or not problem.startswith("setting ") else f"{path}: {problem}"


def _sources(settings: Settings) -> dict[str, str]:
    """Return where each setting comes from: ``default``, the environment variable, or the file."""
    from lazytile.service.http.settings_file import read_settings_file, variable_of  # noqa: PLC0415 - slow to import

    present = {name.upper() for name in os.environ}
    path = settings.settings_file
    found: Mapping[str, Any] = {} if path is None else read_settings_file(path)
    sources = {}
    for name in type(settings).model_fields:
        variable = variable_of(name)
        sources[name] = variable if variable in present else str(path) if name in found else "default"
    if path is not None and sources["settings_file"] == "default":
        sources["settings_file"] = "--settings"
    return sources


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON has it, without secrets."""
    from lazytile.service.http.settings import SECRETS  # noqa: PLC0415 - slow to import

    if name in SECRETS:
        return _SECRET if value else None
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
