"""What happens when xarray is imported after lazytile: the accessor is registered then.

Importing xarray takes half a second, so ``import lazytile`` does not, and the order of the two imports must not matter.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

XARRAY = "xarray"
ACCESSOR = "lazytile.accessor"


class AccessorHook(MetaPathFinder):
    """Finds xarray once, as the other finders do, and has the accessor imported after it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of xarray with the accessor behind it; None for any other module.

        Args:
            fullname: Name of the module.
            path: Ignored.
            target: Ignored.

        Returns:
            The spec.
        """
        del path, target
        if fullname != XARRAY or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(XARRAY)
        loader: Any = None if spec is None else spec.loader
        if loader is None:
            return spec
        execute = loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            importlib.import_module(ACCESSOR).register()

        loader.exec_module = execute_and_register
        return spec


def register_accessor() -> None:
    """Register the accessor ``lazytile`` of xarray objects, now or when xarray is imported."""
    if XARRAY in sys.modules:
        importlib.import_module(ACCESSOR).register()
    elif not any(isinstance(each, AccessorHook) for each in sys.meta_path):
        sys.meta_path.insert(0, AccessorHook())
