"""zarrita, which browsers and zarr-layer read Zarr with, reads every codec that a dataset may be stored with."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.clients.page import zarr_libraries

PROGRAM = Path(__file__).parent / "read_zarr.mjs"


@pytest.mark.parametrize("dataset", ["steps", "shards", "lazy", "blosc_zstd", "raw"])
def test_the_numbers_are_those_of_the_store(zarr_server, dataset):
    zarr_libraries()
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here: apt-get install nodejs")
    server, _, _ = zarr_server
    paths = ["0/t", "1/t", "0/lat", "0/time"]
    done = subprocess.run(
        [node, str(PROGRAM), f"{server.url}/zarr/{dataset}", *paths],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"/", "/0", "/0/t", "/1/t", "/0/lat"} <= set(found["contents"])
    # Any codec, by zarr-python; a lazy dataset has the overviews of the others.
    local = zarr.open_group(server.context.settings.store / ("steps.zarr" if dataset == "lazy" else f"{dataset}.zarr"))
    for path in paths:
        expected = np.asarray(local[path][...])
        read = found["arrays"][path]
        assert tuple(read["shape"]) == expected.shape
        assert (read["first"], read["last"]) == (expected.flat[0], expected.flat[-1])
        assert read["sum"] == pytest.approx(float(expected.astype("f8").sum()), rel=1e-12)
    assert found["arrays"]["0/t"]["attributes"]["scale_factor"] == 0.01
