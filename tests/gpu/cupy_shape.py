"""NumPy with the interface of CuPy: every name and keyword must exist in CuPy, and NumPy computes.

It catches what CuPy lacks (``take(mode=)``, ``errstate``, ``nanpercentile``) on a machine without a GPU. It is
blind to the keywords of ufuncs, which have no signature, and to methods of arrays.
"""

import inspect


class CupyShape:
    """A module of NumPy that has only the names of the same module of CuPy."""

    def __init__(self, host, device):
        self._host = host
        self._device = device

    def __getattr__(self, name):
        there = getattr(self._device, name)  # AttributeError: CuPy has no such thing
        here = getattr(self._host, name)
        if inspect.ismodule(there):
            return CupyShape(here, there)
        if inspect.isclass(here) or not callable(here):
            return here
        try:
            signature = inspect.signature(there)
        except (TypeError, ValueError):
            return here

        def call(*arguments, **keywords):
            signature.bind(*arguments, **keywords)  # TypeError: CuPy takes no such argument
            return here(*arguments, **keywords)

        return call
