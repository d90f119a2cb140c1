"""Where work runs: threads, Dask clusters, GPUs. ``protocol`` is what callers see, ``factory`` opens one by its name.

May import: colormaps.core, core.
"""
