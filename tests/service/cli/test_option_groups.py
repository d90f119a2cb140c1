"""Groups of options: dataclasses whose fields become options of a command."""

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from lazytile.service.cli.main import app
from lazytile.service.cli.options.groups import with_option_groups


@dataclass(frozen=True)
class Paint:
    colour: Annotated[str, typer.Option(help="Colour of the paint.")] = "red"
    coats: Annotated[int, typer.Option("--layers-of-paint", min=1)] = 2


@with_option_groups
def command(wall: str, *, paint: Paint, height: float = 2.5) -> None:
    """Paint a wall."""
    typer.echo(f"{wall} {paint} {height}")


@pytest.fixture
def run():
    program = typer.Typer()
    program.command()(command)
    return lambda *arguments: CliRunner().invoke(program, arguments)


def test_fields_stand_in_the_place_of_their_group():
    assert list(inspect.signature(command).parameters) == ["wall", "colour", "coats", "height"]


def test_a_command_gets_its_groups(run):
    assert run("north").stdout == "north Paint(colour='red', coats=2) 2.5\n"
    result = run("north", "--colour", "blue", "--layers-of-paint", "3", "--height", "3")
    assert result.stdout == "north Paint(colour='blue', coats=3) 3.0\n"
    assert run("north", "--layers-of-paint", "0").exit_code == 2
    assert "Colour of the paint." in run("--help").stdout


def test_a_command_without_groups_is_as_it_was(run):
    def plain(store: str = "store", *, lazy: bool = False) -> None:
        """Do nothing."""

    parameters = inspect.signature(with_option_groups(plain)).parameters.values()
    assert [(each.name, each.annotation, each.default) for each in parameters] == [
        ("store", str, "store"), ("lazy", bool, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("append", {"--store", "--checksum", "--dataset", "--token-file", "--engine", "--dashboard"}),
        ("convert", {"--list", "--var", "--bounds", "--codec", "--checksum", "--netrc", "--refresh", "--workers"}),
        ("replace", {"--var", "--crs", "--nodata", "--download-limit", "--timeout", "--engine"}),
        ("info", {"--json", "--bbox", "--time", "--downloads", "--refresh"}),
        ("export", {"--to", "--style", "--finest", "--dim", "--colormaps", "--values", "--memory", "--workers"}),
        ("verify", {"--store", "--engine", "--workers", "--dashboard"}),
    ],
)
def test_commands_have_the_options_of_their_groups(command, options):
    listed = CliRunner().invoke(app, [command, "--help"]).stdout.split()
    assert options <= set(listed)
