"""The command ``completion``."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

VARIABLE = "_LAZYTILE_COMPLETE"
"""By which a shell's script asks for completions."""
SHELLS = ("bash", "zsh", "fish")


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the script that completes commands and options in a shell.

    bash: lazytile completion bash > ~/.local/share/bash-completion/completions/lazytile
    zsh: lazytile completion zsh > "${fpath[1]}/_lazytile"
    fish: lazytile completion fish > ~/.config/fish/completions/lazytile.fish
    """
    if shell not in SHELLS:
        raise typer.BadParameter(f"{shell!r} is not one of {', '.join(SHELLS)}", param_hint="SHELL")
    script = import_module("typer.completion").get_completion_script  # not declared as exported
    typer.echo(script(prog_name="lazytile", complete_var=VARIABLE, shell=shell))
