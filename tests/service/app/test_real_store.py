"""Every endpoint and every protocol on a store of every real file: nothing is the server's fault."""

import json
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import morecantile
import pytest
from lxml import etree

from tests.schemas import schema
from tests.service.sweep import Sweep


def test_no_request_is_a_server_error(real_server):
    sweep = Sweep(real_server)
    statuses, failed = Counter(), []
    layers = list(real_server.context.snapshot.layers())
    assert len(layers) > 100
    for path in (*sweep.documents(), *(path for layer in layers for path in sweep.layer(layer))):
        reply = real_server.get(path)
        statuses[reply.status] += 1
        if reply.status >= 500:
            failed.append((reply.status, path, reply.body[-200:]))
    assert failed == []
    assert statuses[200] > 0.75 * statuses.total()


def test_every_described_set_can_be_read_by_morecantile(real_server):
    """Sets of a CRS without a code are described by PROJJSON (OGC 17-083r4, 6.2.1.1 and schema ``crs``)."""
    entries = json.loads(real_server.get("/ogc/tileMatrixSets").body)["tileMatrixSets"]
    without_code = 0
    for entry in entries:
        document = json.loads(real_server.get(entry["links"][0]["href"].removeprefix(real_server.url)).body)
        if not entry["id"].startswith("native_"):
            continue  # morecantile allows no dot in the names of GIBS sets
        read = morecantile.TileMatrixSet.model_validate(document)
        assert len(read.tileMatrices) == len(document["tileMatrices"])
        without_code += isinstance(document["crs"], dict)
    assert without_code >= 3


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/wmts/1.0.0/WMTSCapabilities.xml", ("wmts", "1.0", "wmtsGetCapabilities_response.xsd")),
        ("/wms?service=WMS&request=GetCapabilities", ("wms", "1.3.0", "capabilities_1_3_0.xsd")),
    ],
)
def test_capabilities_are_valid(real_server, path, parts):
    schema(*parts).assertValid(etree.fromstring(real_server.get(path).body))


@pytest.mark.skipif(shutil.which("gdal_translate") is None, reason="GDAL's command line tools are not installed")
def test_gdal_reads_a_layer_of_every_dataset(real_server, tmp_path):
    """GDAL's WMTS driver: the set that it picks by default, over the whole of the layer."""
    capabilities = tmp_path / "capabilities.xml"
    capabilities.write_bytes(real_server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
    layers = {layer.dataset.name: layer.name for layer in real_server.context.snapshot.layers()}
    assert len(layers) > 40

    def read(layer):
        target = tmp_path / f"{layer}.png"
        command = [
            "gdal_translate",
            "-q",
            "-of",
            "PNG",
            "-outsize",
            "64",
            "0",
            f"WMTS:{capabilities},layer={layer}",
            target,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return f"{layer}: {done.stderr}" if done.returncode or not target.exists() else None

    with ThreadPoolExecutor(4) as pool:
        assert [problem for problem in pool.map(read, layers.values()) if problem] == []
