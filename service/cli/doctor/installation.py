"""Checks of the installation: packages, extras, viewer, kernel, GPUs, limits of the system."""

from __future__ import annotations

import platform
import re
import resource
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from lazytile import __version__
from lazytile.colormaps.core.errors import LazytileError
from lazytile.pyramid.engines.gpu_devices import gpu_devices
from lazytile.pyramid.kernel.selection import choose_kernel
from lazytile.service.app.viewer_page import VIEWER
from lazytile.service.cli.doctor.finding import Finding, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazytile.service.http.settings import Settings

FILES = 1024
"""Open files that a server should have at least."""
DEVELOPMENT = frozenset({"dev", "docs", "gpu-check", "peers-check", "test"})
"""Extras that no user needs."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?([^;]*)(?:;(.*))?")
_OWN_EXTRAS = re.compile(r"lazytile\[([^]]*)\]")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_AT_LEAST = re.compile(r">=\s*([0-9]+(?:\.[0-9]+)*)")


def installed(settings: Settings) -> Iterator[Finding]:
    """Check packages, the viewer and the limits of the system.

    Args:
        settings: Not used: the packages are the same for all.

    Yields:
        What was found.
    """
    del settings
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    problems = [problem for extra, problem in _problems() if not extra]
    if problems:
        command = f"{sys.executable} -m pip install --upgrade lazytile"
        yield error("packages", f"lazytile {__version__}, {python}: {', '.join(problems)}", command)
    else:
        yield ok("packages", f"lazytile {__version__}, {python}; every package that it needs is there")
    if (VIEWER / "index.html").is_file():
        yield ok("viewer", "the viewer page is built")
    else:
        yield warning("viewer", "the viewer page is not built; tiles need none", "make setup builds it in a checkout")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < FILES:
        text = f"a process may open {files} files, which bounds the connections of a server"
        yield warning("open files", text, "raise the limit: ulimit -n 65536, or LimitNOFILE= in a systemd unit")
    else:
        yield ok("open files", f"a process may open {'any number of' if files < 0 else files} files")


def _problems() -> Iterator[tuple[str, str]]:
    """Yield what is missing or too old, with the extra that needs it; empty for what everybody needs."""
    try:
        requirements = metadata.requires("lazytile") or []
    except metadata.PackageNotFoundError:
        yield "", "lazytile itself is not installed, only its files are there"
        return
    for text in requirements:
        match = _REQUIREMENT.match(text)
        if match is None or match[1] == "lazytile":
            continue
        name, bounds, marker = match[1], match[2], match[3] or ""
        extra = _EXTRA.search(marker)
        owner = "" if extra is None else extra[1]
        if "sys_platform" in marker or "platform_machine" in marker:
            owner = owner or "this platform"  # it may be missing elsewhere
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield owner, f"{name} is missing"
            continue
        lowest = _AT_LEAST.search(bounds)
        if lowest is not None and _numbers(found) < _numbers(lowest[1]):
            yield owner, f"{name} is {found}, {lowest[1]} is needed"


def _parts() -> Iterator[tuple[str, str]]:
    """Yield the extras that consist of others, each with one of those."""
    for text in metadata.requires("lazytile") or []:
        own, extra = _OWN_EXTRAS.match(text), _EXTRA.search(text)
        if own is not None and extra is not None:
            for part in own[1].split(","):
                yield extra[1], part.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", re.split(r"[a-z+-]", version, maxsplit=1)[0]))


def extras(settings: Settings) -> Iterator[Finding]:
    """Check which extras are installed.

    Args:
        settings: Which of them a server needs.

    Yields:
        What was found.
    """
    try:
        names = set(metadata.metadata("lazytile").get_all("Provides-Extra") or ()) - DEVELOPMENT
    except metadata.PackageNotFoundError:
        return
    problems: dict[str, list[str]] = {}
    for extra, problem in _problems():
        problems.setdefault(extra, []).append(problem)
    for extra, part in _parts():
        if part in problems:
            problems.setdefault(extra, []).append(f"the extra {part} is not complete")
    there = sorted(names - problems.keys())
    absent = sorted(name for name in names & problems.keys() if not name.startswith("gpu"))
    needed = [name for name, is_needed in (("uvloop", settings.event_loop == "uvloop"), ("otel", settings.tracing))
              if is_needed and name in problems]  # fmt: skip
    for name in needed:
        yield error("extras", f"the settings need the extra {name}: {', '.join(problems[name])}", _install(name))
    text = f"installed: {', '.join(there) or 'none'}"
    if absent:
        yield note("extras", f"{text}; not installed: {', '.join(absent)}", f"such as {_install(absent[0])}")
    else:
        yield ok("extras", text)


def _install(extra: str) -> str:
    return f"{sys.executable} -m pip install 'lazytile[{extra}]'"


def kernel(settings: Settings) -> Iterator[Finding]:
    """Check what computes pixels.

    Args:
        settings: Which kernel is wanted.

    Yields:
        What was found.
    """
    try:
        chosen = choose_kernel(settings.kernel, settings.kernel_level)
    except LazytileError as failure:
        yield error("kernel", str(failure), "set kernel = 'auto', or install lazytile where a C++17 compiler is")
        return
    if chosen.name == "numpy" and settings.kernel != "numpy":
        advice = "install lazytile from a wheel for this platform, or from source with g++ or clang++"
        yield warning("kernel", "tiles are computed with NumPy, several times slower than compiled code", advice)
    else:
        yield ok("kernel", f"tiles are computed by {chosen.name}")


def gpus(settings: Settings) -> Iterator[Finding]:
    """Check whether there are GPUs.

    Args:
        settings: Whether the engine needs one.

    Yields:
        What was found.
    """
    found = gpu_devices()
    if found.ids:
        yield ok("GPU", f"{len(found.ids)} that this process may use; the engine cuda takes them")
    elif settings.engine == "cuda":
        advice = "install driver and extra, or set engine = 'auto'"
        yield error("GPU", f"the engine cuda has none: {found.reason}", advice)
    else:
        yield note("GPU", f"none is used: {found.reason}")
