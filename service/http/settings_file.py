"""Where settings come from: their names, environment variables, a TOML file; texts that stand for sizes."""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from lazytile.pyramid.core.memory_size import machine_memory_bytes, parse_memory
from lazytile.pyramid.storage.options import VARIABLES as STORAGE_VARIABLES
from lazytile.service.http.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PREFIX = "LAZYTILE_"
MEMORY_VARIABLE = "LAZYTILE_MEMORY"
VARIABLES = {"memory_bytes": MEMORY_VARIABLE}
"""Environment variables of settings that are not named after them."""
OTHER_VARIABLES = (
    "LAZYTILE_TOKEN",
    "LAZYTILE_MAX_CHUNK",
    "LAZYTILE_MAX_PICTURE_PIXELS",
    "LAZYTILE_GPU_MEMORY",
    *STORAGE_VARIABLES,
)
"""Variables that are no settings of a server: those of downloads, conversions, exports, GPUs and object storage."""
REPLACED = dict.fromkeys(("memory_cache_bytes", "chunk_cache_bytes", "value_cache_bytes"), "memory_bytes")
"""Settings of earlier versions, each with its replacement."""
FILE_LIMIT_BYTES = 1 << 20


def variable_of(name: str) -> str:
    """Return the environment variable of a setting.

    Args:
        name: The setting.

    Returns:
        ``LAZYTILE_`` and the name in capitals, but for the variables in ``VARIABLES``.
    """
    return VARIABLES.get(name, f"{PREFIX}{name}".upper())


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that is no setting."""

    name: str
    nearest: str
    """The known name that is most like it, empty where none is."""

    def __str__(self) -> str:
        hint = f"; the nearest is {self.nearest}" if self.nearest else "; lazytile config show lists them"
        return f"there is no setting {self.name}{hint}"


def unknown_name(name: str, known: Iterable[str]) -> UnknownName:
    """Return a name that is not known, with the nearest one that is.

    Args:
        name: The name.
        known: The names that exist.

    Returns:
        Both.
    """
    spelled = _stem(name)
    names = {_stem(each): each for each in known}
    close = difflib.get_close_matches(spelled, names, n=1, cutoff=0.6)
    # ``timeout`` for ``timeout_s``, ``max_age`` for ``max_age_s``: the shortest that begins so is meant.
    longer = sorted((each for each in names if each.startswith(spelled)), key=len)
    return UnknownName(name, names[(longer or close)[0]] if longer or close else "")


def _stem(name: str) -> str:
    """Return what is particular to a name: without the prefix that all variables share."""
    return name.lower().removeprefix(PREFIX.lower())


def unknown_variables(settings: Iterable[str], environ: Mapping[str, str]) -> tuple[UnknownName, ...]:
    """Return the variables of an environment that begin with ``LAZYTILE_`` and mean nothing.

    Args:
        settings: Names of all settings.
        environ: The environment.

    Returns:
        The variables, sorted, each with the nearest one that exists.
    """
    known = {*(variable_of(name) for name in settings), *OTHER_VARIABLES}
    replaced = {variable_of(name) for name in REPLACED}  # these are errors
    found = sorted(name for name in environ if name.upper().startswith(PREFIX))
    return tuple(unknown_name(name, sorted(known)) for name in found if name.upper() not in known | replaced)


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read a TOML file of settings.

    Args:
        path: The file.

    Returns:
        Values by name, neither checked.

    Raises:
        SettingsError: The file cannot be read, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            text = file.read(FILE_LIMIT_BYTES + 1)
        if len(text) > FILE_LIMIT_BYTES:
            raise SettingsError(f"settings file {path}: it may have {FILE_LIMIT_BYTES} bytes")
        return tomllib.loads(text.decode())
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"settings file {path} is no TOML: {error}") from error


def left_to_file(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a file that the environment does not set.

    Args:
        found: Settings of the file by name.

    Returns:
        Those without an environment variable.
    """
    present = {name.upper() for name in os.environ}
    return {name: value for name, value in found.items() if variable_of(name) not in present}


def _memory_bytes(value: Any) -> Any:
    return parse_memory(value, machine_memory_bytes()) if isinstance(value, str) else value


MemoryBytes = Annotated[int, BeforeValidator(_memory_bytes)]
"""Bytes, or a text such as ``2GiB`` or ``25%``."""


def _gpu_bytes(value: Any) -> Any:
    # A percentage would be of the machine's memory: it becomes 0, which is too little.
    return parse_memory(value, 0) if isinstance(value, str) else value


GpuBytes = Annotated[int, BeforeValidator(_gpu_bytes)]
"""Bytes, or a text such as ``8GiB``."""
