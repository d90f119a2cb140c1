"""Where work runs: threads, Dask clusters, GPUs; ``protocol`` is the interface, ``factory`` opens an engine.

May import: colormaps.core, core, cluster.
"""
