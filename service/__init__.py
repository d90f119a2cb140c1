"""HTTP: WMTS, XYZ, the tile cache, the viewer page; and the command line."""
