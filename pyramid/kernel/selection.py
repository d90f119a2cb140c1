"""Which kernel a process uses."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.kernel.library import library_path, load_library
from lazytile.pyramid.kernel.native_kernel import NativeKernel
from lazytile.pyramid.kernel.numpy_kernel import NumpyKernel

if TYPE_CHECKING:
    from lazytile.pyramid.kernel.job import Job, Kernel

CHOICES = ("auto", "native", "numpy")
KERNEL_VARIABLE = "LAZYTILE_KERNEL"
LEVEL_VARIABLE = "LAZYTILE_KERNEL_LEVEL"
_RESOURCE = "kernel"
_LOG = logging.getLogger(__name__)


def choose_kernel(choice: str = "auto", level: int | None = None) -> Kernel:
    """Return a kernel.

    Args:
        choice: ``numpy``; ``native``, which fails where it is missing; ``auto``, which then takes NumPy and says so.
        level: Level of the x86-64 instruction set for the native one, by default the best that the processor has.

    Returns:
        The kernel.

    Raises:
        EngineError: There is no such kernel.
    """
    if choice not in CHOICES:
        raise EngineError(f"there is no kernel {choice!r}, there is {', '.join(CHOICES)}")
    if choice == "numpy":
        return NumpyKernel()
    try:
        return NativeKernel(load_library(library_path(), level))
    except EngineError as error:
        if choice == "native":
            raise
        _LOG.warning("tiles are computed with NumPy: %s", error)
        return NumpyKernel()


def current_kernel() -> Kernel:
    """Return the kernel of this process, chosen on first use by the environment where nobody has installed one."""
    return process.current().resource(_RESOURCE, kernel_of_environment)


def kernel_name() -> str:
    """Return the name of the kernel of this process, such as ``native AVX2``."""
    return current_kernel().name


def install_kernel(kernel: Kernel) -> None:
    """Make a kernel that of this process. Called before the first tile.

    Args:
        kernel: The kernel.
    """
    process.current().replace(_RESOURCE, kernel)


def use_kernel(choice: str = "auto", level: int | None = None) -> None:
    """Choose a kernel and make it that of this process, as a server does and the worker processes that it starts.

    Args:
        choice: As for ``choose_kernel``.
        level: As for ``choose_kernel``.

    Raises:
        EngineError: There is no such kernel.
    """
    install_kernel(choose_kernel(choice, level))


def kernel_for(job: Job) -> Kernel:
    """Return what computes a job: the kernel of this process, or NumPy where that one cannot.

    Args:
        job: The job.

    Returns:
        The kernel.
    """
    kernel = current_kernel()
    return kernel if kernel.handles(job) else NumpyKernel()


def kernel_of_environment() -> Kernel:
    """Return the kernel that ``LAZYTILE_KERNEL`` and ``LAZYTILE_KERNEL_LEVEL`` name.

    Returns:
        The kernel; the best there is where they name none.

    Raises:
        EngineError: There is no such kernel.
    """
    level = os.environ.get(LEVEL_VARIABLE) or None
    if level is not None and not level.isdecimal():
        raise EngineError(f"{LEVEL_VARIABLE} is {level[:40]!r}, it may be 1, 3 or 4")
    return choose_kernel(os.environ.get(KERNEL_VARIABLE) or "auto", None if level is None else int(level))
