"""Plans of levels and blocks: every cell exactly once, in blocks of bounded size."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.store.layout import level_shape, plan_levels, plan_stages

CHUNK = 4


@given(
    rows=st.integers(1, 300),
    cols=st.integers(1, 300),
    leading=st.lists(st.integers(1, 4), max_size=2),
    item_bytes=st.sampled_from([1 << 8, 1 << 14, 1 << 18, 1 << 20]),
    data=st.data(),
)
def test_every_chunk_of_every_level_is_written_once(
    rows: int, cols: int, leading: list[int], item_bytes: int, data: st.DataObject
) -> None:
    """Cells of up to a megabyte imitate large grids, so that blocks are cut in every way."""
    chunks = [data.draw(st.integers(1, size)) for size in (*leading, rows, cols)]
    shape = Shape(rows, cols)
    levels = plan_levels(shape, CHUNK)
    stages = plan_stages(leading, shape, item_bytes, chunks, CHUNK)
    written: list[Counter] = [Counter() for _ in levels]
    for stage in stages:
        if stage.level:
            assert sum(written[stage.level].values()) > 0, "a stage reads a level that is stored by then"
        for block in stage.blocks:
            made = range(stage.level if stage.level == 0 else stage.level + 1, stage.level + block.depth + 1)
            steps = list(itertools.product(*(range(*span) for span in block.leading)))
            for level in made:
                up = level - stage.level
                here = level_shape(shape, level)
                chunk_rows, chunk_cols = (
                    range((span[0] >> up) // CHUNK, -(-min(-(-span[1] // (1 << up)), size) // CHUNK))
                    for span, size in ((block.rows, here.rows), (block.cols, here.cols))
                )
                assert block.rows[0] % (CHUNK << up) == 0
                assert block.cols[0] % (CHUNK << up) == 0
                written[level].update(itertools.product(steps, chunk_rows, chunk_cols))
    planes = list(itertools.product(*(range(size) for size in leading)))
    for level, here in enumerate(levels):
        every = itertools.product(planes, range(-(-here.rows // CHUNK)), range(-(-here.cols // CHUNK)))
        assert written[level] == Counter(every)


def test_levels_halve_until_one_chunk_holds_the_last() -> None:
    levels = plan_levels(Shape(17999, 36000))
    assert [(level.rows, level.cols) for level in levels[:3]] == [(17999, 36000), (9000, 18000), (4500, 9000)]
    assert (levels[-1].rows, levels[-1].cols) == (71, 141)
    assert len(levels) == 9
    assert plan_levels(Shape(1, 256)) == (Shape(1, 256),)
    assert len(plan_levels(Shape(257, 1))) == 2


@given(
    rows=st.integers(1, 200_000),
    cols=st.integers(1, 400_000),
    steps=st.integers(1, 5000),
    item_bytes=st.sampled_from([1, 2, 4, 8]),
    data=st.data(),
)
def test_blocks_are_bounded(rows: int, cols: int, steps: int, item_bytes: int, data: st.DataObject) -> None:
    chunks = [
        data.draw(st.integers(1, min(steps, 1000))),
        data.draw(st.integers(1, 2000)),
        data.draw(st.integers(1, 2000)),
    ]
    if rows * cols * steps > 4e11:
        steps = 1
    for stage in plan_stages([steps], Shape(rows, cols), item_bytes, chunks):
        for block in stage.blocks[:3]:
            spans = (*block.leading, block.rows, block.cols)
            cells = 1
            for start, stop in spans:
                cells *= stop - start
            assert cells * item_bytes <= 96 << 20


def test_bands_of_the_full_size_read_each_row_of_source_chunks_twice_at_most() -> None:
    first = plan_stages([1], Shape(17999, 36000), 2, (1, 1023, 2047))[0]
    assert len(first.blocks) == 18
    assert all(block.cols == (0, 36000) for block in first.blocks)
