"""Where work runs: threads, Dask clusters, GPUs."""
