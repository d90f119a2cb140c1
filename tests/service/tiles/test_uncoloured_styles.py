"""A server says so where a colormap colours none of the values of a layer."""

import json
import logging

import pytest

from tests import data
from tests.service.harness import running

SINGLE = "".join(f'<ColorMapEntry rgb="1,2,{code}" value="[{code}.123]"/>' for code in range(1, 200))


@pytest.fixture
def folders(tmp_path):
    data.CATALOGUE["global_180"]().write(tmp_path / "store")
    (tmp_path / "maps").mkdir()
    return tmp_path / "store", tmp_path / "maps"


def conditions(server):
    return [each["problem"] for each in json.loads(server.get("/readyz").body)["conditions"]]


def messages(caplog):
    return [each.getMessage() for each in caplog.records if "colours none" in each.getMessage()]


def test_a_map_of_single_values_is_named_in_the_log_and_in_readyz(folders, tmp_path, caplog):
    """As OnEarth's map of chlorophyll, which lists single values: every tile was empty, and nothing said why."""
    store, maps = folders
    (maps / "global_180.xml").write_text(f"<ColorMap>{SINGLE}</ColorMap>")
    caplog.set_level(logging.WARNING)
    with running(store, tmp_path / "c", colormaps=maps) as server:
        for col in (0, 1):
            assert server.get(f"/xyz/global_180/1/0/{col}.png").status == 200
        assert len(messages(caplog)) == 1, "once for each style, not for each tile"
        assert "style default colours none of the values of global_180" in messages(caplog)[0]
        assert any("style default colours none" in problem for problem in conditions(server))
        assert server.get("/readyz").status == 200
        (maps / "global_180.xml").write_text('<ColorMap><ColorMapEntry rgb="1,2,3" value="[-INF,+INF]"/></ColorMap>')
        for _ in range(200):
            server.get("/xyz/global_180/1/0/0.png")
            if not conditions(server):
                break
        assert not conditions(server), "the mended colormap clears the condition"


def test_a_style_of_a_request_is_named_in_the_log_alone(folders, tmp_path, caplog):
    store, maps = folders
    (maps / "far.xml").write_text('<ColorMap><ColorMapEntry rgb="1,2,3" value="[1e9,2e9)"/></ColorMap>')
    caplog.set_level(logging.WARNING)
    with running(store, tmp_path / "c", colormaps=maps) as server:
        assert server.get("/xyz/global_180/1/0/0.png?colormap=far").status == 200
        assert ["style far" in each for each in messages(caplog)] == [True]
        assert server.get("/xyz/global_180/1/0/0.png?colormap=grey").status == 200
        assert len(messages(caplog)) == 1
        assert not conditions(server)


def test_a_layer_without_values_is_not_blamed_on_its_colormap(tmp_path, caplog):
    missing = data.CATALOGUE["all_missing"]()
    missing.write(tmp_path / "store")
    caplog.set_level(logging.WARNING)
    with running(tmp_path / "store", tmp_path / "c") as server:
        assert server.get(f"/xyz/{missing.name}/0/0/0.png").status == 200
        assert not messages(caplog)
