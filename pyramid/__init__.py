"""From a gridded source to a Zarr pyramid, and from the pyramid to tile images and MRF, on a Dask engine."""
