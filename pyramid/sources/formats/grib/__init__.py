"""GRIB: messages of a file, read with ecCodes, as variables on grids."""
