"""Building the shared library of the native kernel from its sources, with the standard library only.

``setup.py`` runs this module by its path, before anything is installed, and ``make setup`` through
``scripts/build_kernel.py``. The name of
the library contains a hash of the sources and of the flags, so that one built from other sources is never loaded.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "source"
FOLDER = HERE / "lib"
"""Where the library lies, in a checkout and in an installed package."""
TIMEOUT_S = 1200.0
"""Of one run of the compiler."""
LEVELS = {1: "base", 3: "v3", 4: "v4"}
"""Variants of the library by level of the x86-64 instruction set; other processors have the first one only."""
_PARTS = ("pixels", "reduction", "png")
"""Sources that every variant is compiled from."""
_FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-fno-exceptions",
    "-fno-rtti",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-trapping-math",
    "-fno-math-errno",
)
_VARIANTS: dict[str, tuple[str, ...]] = {
    "base": ("-march=x86-64", "-DLT_ROWS=2"),
    "v3": ("-march=x86-64-v3", "-DLT_ROWS=4"),
    "v4": ("-march=x86-64-v4", "-mprefer-vector-width=512", "-DLT_ROWS=8"),
}
_OTHER_VARIANTS: dict[str, tuple[str, ...]] = {"base": ("-DLT_ROWS=2",)}


class BuildError(Exception):
    """The library cannot be built: there is no compiler, or it fails."""


def find_compiler() -> str | None:
    """Return the C++ compiler: ``CXX`` where it is set, else g++, clang++ or c++; None without one."""
    names = (os.environ.get("CXX", ""), "g++", "clang++", "c++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def library_name() -> str:
    """Return the file name of the library of these sources for this machine."""
    digest = hashlib.sha256(repr((_FLAGS, _variants())).encode())
    for source in sorted(SOURCES.glob("*.cpp")) + sorted(SOURCES.glob("*.h")):
        digest.update(source.name.encode() + source.read_bytes())
    suffix = "dylib" if sys.platform == "darwin" else "so"
    return f"pixels-{platform.machine()}-{digest.hexdigest()[:16]}.{suffix}"


def build(folder: Path = FOLDER, *, variants: tuple[str, ...] | None = None, flags: tuple[str, ...] = ()) -> Path:
    """Build the library unless the folder has it.

    Args:
        folder: Where to put it; created if it is missing.
        variants: Names of the variants to build, by default all of this machine.
        flags: More flags for the compiler, for tests; the library is then built anew.

    Returns:
        The library.

    Raises:
        BuildError: There is no compiler, or it fails.
    """
    target = folder / library_name()
    if target.is_file() and not flags and variants is None:
        return target
    compiler = find_compiler()
    if compiler is None:
        raise BuildError("there is no C++ compiler (g++, clang++, or CXX)")
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {name: own for name, own in _variants().items() if variants is None or name in variants}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        commands = [
            _compile(f"{part}.cpp", f"{scratch}/{part}-{name}.o", (*own, *flags, f"-DLT_SUFFIX(name)=name##_{name}"))
            for part in _PARTS
            for name, own in chosen.items()
        ]
        commands.append(_compile("level.cpp", f"{scratch}/level.o", ()))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2) as pool:
            list(pool.map(_run, ([compiler, *command] for command in commands)))
        objects = [*(f"{scratch}/{part}-{name}.o" for part in _PARTS for name in chosen), f"{scratch}/level.o"]
        made = Path(scratch) / "library"
        link = [compiler, "-shared", *flags, *objects, "-o", str(made)]
        # Without the C++ library, which the code does not use and another machine may have in another version.
        plain = [] if flags or sys.platform == "darwin" else ["-s", "-nodefaultlibs", "-lc", "-lgcc"]
        _run([*link, *plain])
        made.replace(target)  # whoever builds at the same time puts the same file there
    return target


def _compile(source: str, made: str, flags: tuple[str, ...]) -> list[str]:
    return [*_FLAGS, *flags, "-c", str(SOURCES / source), "-o", made]


def _variants() -> dict[str, tuple[str, ...]]:
    return _VARIANTS if platform.machine() in {"x86_64", "AMD64"} else _OTHER_VARIANTS


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} does not run: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise BuildError(f"{command[0]} fails: {next((line for line in lines if 'error' in line), lines[0])[:300]}")
