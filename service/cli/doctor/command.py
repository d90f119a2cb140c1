"""The command ``doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    CacheOption,
    EngineOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    given,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.service.cli.doctor.finding import Finding

WRONG_CODE = 1
"""Exit code where a server would not work."""
_MARKS = {"ok": "ok     ", "note": "note   ", "warning": "WARNING", "error": "ERROR  "}


def doctor(
    context: typer.Context,
    *,
    store: StoreOption = DEFAULT_STORE,
    cache: CacheOption = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address that a server would listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Port that a server would listen on.")
    ] = None,
    engine: EngineOption = "auto",
    settings_file: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation and what a server with these settings would need; say what is wrong and what to do.

    The exit code is 1 if a server would not work.
    """
    options = {
        "store": given(context, "store", store),
        "cache": cache,
        "host": host,
        "port": port,
        "engine": given(context, "engine", engine),
        "settings_file": settings_file,
    }
    findings = list(_findings(options))
    is_wrong = any(each.status == "error" for each in findings)
    if as_json:
        document = {"ok": not is_wrong, "findings": [asdict(each) for each in findings]}
        typer.echo(json.dumps(document, indent=2))
    else:
        for each in findings:
            typer.echo(f"{_MARKS[each.status]} {each.check}: {each.text}")
            if each.advice:
                typer.echo(f"        {each.advice}")
    if is_wrong:
        raise typer.Exit(WRONG_CODE)


def _findings(options: dict[str, Path | str | int | None]) -> Iterator[Finding]:
    from lazytile.service.cli.doctor import installation, surroundings  # noqa: PLC0415 - slow to import
    from lazytile.service.cli.doctor.finding import error  # noqa: PLC0415
    from lazytile.service.http.errors import SettingsError  # noqa: PLC0415
    from lazytile.service.http.settings import Settings  # noqa: PLC0415

    try:
        settings = Settings.of(**options)
    except SettingsError as failure:
        for problem in failure.problems:
            yield error("settings", problem, "lazytile config check names every problem and its place")
        stated: dict[str, Any] = {
            name: value for name, value in options.items() if value is not None and name != "settings_file"
        }
        settings = Settings.model_construct(**stated)
    checks = (
        installation.installed, installation.extras, installation.kernel, surroundings.settings_found,
        surroundings.cluster, installation.gpus, surroundings.store, surroundings.links, surroundings.cache,
        surroundings.ports, surroundings.clock,
    )  # fmt: skip
    for check in checks:
        try:
            yield from check(settings)
        except Exception as failure:  # noqa: BLE001 - one check that fails leaves the others their turn
            yield error(check.__name__, f"the check failed: {type(failure).__name__}: {failure}", "report this, please")
