"""Linked datasets behind a server, and on the command line."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
import zarr

import lazytile
from lazytile.pyramid.core import process
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.linked import dated_stores
from lazytile.pyramid.linked.foreign_chunks import opened_source
from lazytile.pyramid.linked.link import link
from lazytile.pyramid.sources.formats.remote_zarr import Patience
from lazytile.pyramid.store.store import read_description
from lazytile.service.app import upkeep
from lazytile.service.cli.main import run
from tests.pyramid.linked.test_link import field
from tests.service.harness import running
from tests.web import Request, Response, folder, serving, until

TILES = tuple(f"/xyz/d/{address}.png" for address in ("0/0/0", "2/2/1", "4/8/9", "5/17/19"))


def test_a_server_shows_the_tiles_of_the_converted_source_and_follows_a_change(tmp_path):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
    with (
        running(tmp_path / "linked", tmp_path / "cache", link_poll_s=0.1) as mine,
        running(tmp_path / "converted", tmp_path / "cache-2") as its,
    ):
        before = [mine.get(path) for path in TILES]
        assert [each.status for each in before] == [200] * len(TILES)
        assert [each.body for each in before] == [its.get(path).body for path in TILES]
        assert len({each.body for each in before}) > 2
        zarr.open_group(tmp_path / "in.zarr", mode="r+")["sst"][:, 300:, 400:] = 1234
        convert(tmp_path / "in.zarr", tmp_path / "converted", "d")
        expected = [its.get(path).body for path in TILES]

        def shows_the_new() -> bool:
            found = [mine.get(path) for path in TILES]
            # Old, new, or not now: never anything else.
            for reply, old, new in zip(found, before, expected, strict=True):
                assert reply.status in (200, 503)
                assert reply.status == 503 or reply.body in (old.body, new)
            return [each.body for each in found] == expected

        until(shows_the_new)
        assert mine.get(TILES[0]).headers["ETag"] != before[0].headers["ETag"]


def test_tiles_of_overviews_that_are_made_are_rendered_on_the_event_loop(tmp_path, monkeypatch):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    with running(tmp_path / "linked", tmp_path / "cache", no_tile_cache=True, metatile=1) as server:
        engine, in_threads = server.context.broker._engine, []
        render = engine.render

        async def noting(task, *, is_heavy=False):
            in_threads.append(task)
            return await render(task, is_heavy=is_heavy)

        monkeypatch.setattr(engine, "render", noting)
        first = [server.get(f"{path}?resampling=nearest").body for path in TILES]
        assert in_threads, "overviews are made in threads"
        dropped = process.cache("chunks").drop(lambda key: isinstance(key[0], tuple) and key[0][4] > 0)
        assert dropped, "overviews are read from their files again"
        in_threads.clear()
        again = [server.get(f"{path}?resampling=nearest").body for path in TILES]
        assert again == first
        assert in_threads == []


def test_tiles_of_a_source_that_does_not_answer_are_503_and_come_back(tmp_path, monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setattr(dated_stores, "TILE_PATIENCE", Patience(answer_s=2.0, connect_s=2.0, retries=0, all_s=2.0))
    field(tmp_path / "www" / "in.zarr")
    with serving() as web:
        files = folder(tmp_path / "www")
        web.default = files
        link(web.url("/in.zarr"), tmp_path / "store", "d")
        with running(tmp_path / "store", tmp_path / "cache", link_poll_s=3600) as server:
            web.default = lambda request: Response(status=503) if "/sst/c/" in request.path else files(request)
            reply = server.get(TILES[1])
            assert reply.status == 503
            assert int(reply.headers["Retry-After"]) > 0
            ready = json.loads(server.get("/readyz").body)
            assert [each["key"] for each in ready["conditions"]] == ["source of dataset d"]
            assert str(tmp_path).encode() not in reply.body
            web.default = files
            until(lambda: server.get(TILES[1]).status == 200)
            assert json.loads(server.get("/readyz").body)["conditions"] == []


def test_sources_are_open_before_the_first_request(tmp_path):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    (tmp_path / "store" / "damaged.zarr").mkdir()
    (tmp_path / "store" / "damaged.zarr" / "link.json").write_text("{}")
    generation = read_description(tmp_path / "store" / "d.zarr").generation
    with running(tmp_path / "store", tmp_path / "cache"):
        until(lambda: opened_source(tmp_path / "store" / "d.zarr", generation) is not None)


def test_a_tile_of_the_finest_level_makes_no_overview(tmp_path, caplog):
    """Whether a style colours anything is said without reading all of the data."""
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "store", "d")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "far.xml").write_text('<ColorMap><ColorMapEntry rgb="1,2,3" value="[1e9,2e9)"/></ColorMap>')
    with running(tmp_path / "store", tmp_path / "cache", colormaps=tmp_path / "maps") as server:
        for style in ("", "?colormap=grey", "?colormap=far"):
            assert server.get(f"{TILES[-1]}{style}").status == 200
        made = list((tmp_path / "store" / "d.zarr").glob("[1-9]*/sst/c/**/*"))
        assert [each for each in made if each.is_file()] == []
        told = [each.getMessage() for each in caplog.records if "colours none" in each.getMessage()]
        assert ["style far" in each for each in told] == [True]
        assert server.get(TILES[0]).status == 200
        made = list((tmp_path / "store" / "d.zarr").glob("[1-9]*/sst/c/**/*"))
        assert [each for each in made if each.is_file()] != []


def test_a_server_starts_while_a_source_does_not_answer(tmp_path, monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setattr(upkeep, "OPEN_S", 0.1)
    field(tmp_path / "www" / "in.zarr")
    with serving() as web:
        files = folder(tmp_path / "www")
        web.default = files
        link(web.url("/in.zarr"), tmp_path / "store", "d")
        answers = threading.Event()

        def late(request: Request) -> Response:
            answers.wait(60)
            return files(request)

        web.default = late
        try:
            with running(tmp_path / "store", tmp_path / "cache", link_poll_s=3600) as server:
                assert server.get("/healthz").status == 200
                answers.set()
                until(lambda: server.get(TILES[1]).status == 200)
        finally:
            answers.set()


def test_zarr_over_http_has_the_overviews_and_no_empty_level(tmp_path):
    field(tmp_path / "in.zarr")
    link(tmp_path / "in.zarr", tmp_path / "linked", "d")
    with running(tmp_path / "linked", tmp_path / "cache") as server:
        document = json.loads(server.get("/zarr/d/zarr.json").body)
        assert "multiscales" not in document["attributes"]
        names = document["consolidated_metadata"]["metadata"]
        assert "1/sst" in names
        assert "0/sst" not in names
        assert server.get("/zarr/d/0/sst/c/0/0/0").status == 410  # Zarr would take 404 for a chunk of fill value


def test_another_server_is_linked_with_its_levels(tmp_path):
    pytest.importorskip("obstore")
    field(tmp_path / "in.zarr")
    levels = convert(tmp_path / "in.zarr", tmp_path / "converted", "d").levels
    with running(tmp_path / "converted", tmp_path / "cache") as its:
        ds = lazytile.link(f"{its.url}/zarr/d", tmp_path / "linked", "d")
        assert ds.store.dataset("d").description.linked == levels > 2
        with running(tmp_path / "linked", tmp_path / "cache-2") as mine:
            assert [mine.get(path).body for path in TILES] == [its.get(path).body for path in TILES]


@pytest.fixture
def linked(tmp_path, capsys):
    field(tmp_path / "in.zarr")
    assert run(["link", str(tmp_path / "in.zarr"), "--name", "d", "--store", str(tmp_path / "store")]) == 0
    return capsys.readouterr()


def test_link_says_what_it_costs(tmp_path, linked):
    first, second = linked.out.splitlines()
    assert first.endswith("1100 x 700 cells in in.zarr, 4 levels, layer d")
    # convert would bring a tile to 0.5 MB, too
    assert second == "sst: chunk 131 kB: a tile reads 0.5 MB, the first map of the whole 2.0 MB"


def test_info_names_the_source(tmp_path, linked, capsys):
    assert run(["info", "d", "--store", str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    assert "  format      linked: level 0 is in its source" in shown
    assert f"  source      {tmp_path / 'in.zarr'}" in shown


def test_verify_compares_overviews_with_the_source_and_names_a_change(tmp_path, linked, capsys):
    command = ["verify", "d", "--store", str(tmp_path / "store")]
    assert run(command) == 0
    assert "all is well" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "in.zarr")
    field(tmp_path / "in.zarr", seed=4)
    assert run(command) == 2
    assert "the source of dataset d has changed" in capsys.readouterr().err


def test_doctor_looks_for_the_source(tmp_path, linked, capsys):
    command = ["doctor", "--json", "--store", str(tmp_path / "store")]
    run(command)
    assert "1 linked datasets have their sources" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "in.zarr")
    run(command)
    assert "the source of dataset d cannot be read" in capsys.readouterr().out


def test_append_is_refused_in_one_line(tmp_path, linked, capsys):
    assert run(["append", str(tmp_path / "in.zarr"), "d", "--store", str(tmp_path / "store")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "dataset d is linked" in line


def test_another_dataset_is_not_replaced_unasked(tmp_path, linked, capsys):
    field(tmp_path / "other.zarr", seed=3)
    command = ["link", str(tmp_path / "other.zarr"), "--name", "d", "--store", str(tmp_path / "store")]
    before = read_description(tmp_path / "store" / "d.zarr").generation
    assert run(command) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert read_description(tmp_path / "store" / "d.zarr").generation == before
    assert run([*command, "--overwrite", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["layers"] == ["d"]
    assert document["costs"][0]["variable"] == "sst"
