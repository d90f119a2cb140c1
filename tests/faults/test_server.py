"""The comparison itself: it passes an undisturbed server, and finds a wrong picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.faults.server import compare, heal_time_s, load, serving, tile_paths, undisturbed, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def test_an_undisturbed_server_is_right_and_a_changed_truth_is_not(sound_store: Path, tmp_path: Path) -> None:
    paths = tile_paths("files", range(2))
    truth = undisturbed(sound_store, tmp_path, paths)
    with serving(sound_store, tmp_path / "cache") as server:
        seen = compare(server, truth)
        assert (len(seen.right), seen.refused, seen.wrong) == (5, [], [])
        changed = {**truth, paths[0]: replace(truth[paths[0]], body=truth[paths[1]].body)}
        assert len(compare(server, changed).wrong) == 1
        assert compare(server, changed, truth).wrong == []
        assert compare(server, truth, paths=["/xyz/none/0/0/0.png"]).statuses == {404}
        with load(server, truth) as during:
            wait_for(lambda: len(during.right) > 20)
        assert during.wrong == during.refused == []
        assert heal_time_s(server, truth) < 30
        assert server.counter("lazytile_renders_total") >= 5
    assert server.get(paths[0]).status == 0
