import pytest

from lazytile.service.front.target import is_ambiguous, split_target


@pytest.mark.parametrize(
    ("target", "family", "row", "col"),
    [
        ("/xyz/a/3/5/2.png", ("/xyz/a/3/", ".png"), 2, 5),
        ("/xyz/a/3/5/2@2x.png?x=1", ("/xyz/a/3/", "@2x.png?x=1"), 2, 5),
        ("/wmts/a/default/S/3/5/2.png", ("/wmts/a/default/S/3/", ".png"), 5, 2),
        ("/xyz/a/3/05/2.png?x=/7/8.png", ("/xyz/a/3/", ".png?x=/7/8.png"), 2, 5),
        ("/wmts?A=1&TILEROW=5&tilecol=2", ("/wmts?A=1&TILEROW=", "&tilecol=", ""), 5, 2),
        ("/wmts?TileCol=2&B=3&TileRow=5&c", ("/wmts?TileCol=", "&B=3&TileRow=", "&c"), 5, 2),
        ("/wmts/e/best/wmts.cgi?TILEROW=5&TILECOL=2", ("/wmts/e/best/wmts.cgi?TILEROW=", "&TILECOL=", ""), 5, 2),
    ],
)
def test_row_and_column_are_cut_out(target, family, row, col):
    assert split_target(target) == (family, row, col)


@pytest.mark.parametrize(
    "target",
    [
        "/xyz/a/3/-1/2.png", "/xyz/a/3/+1/2.png", "/xyz/a/3/%31/2.png", "/xyz/a/3/1234567890/2.png",
        "/xyz/a/3/1/1234567890.png", "/xyz/a/3/1/x.png", "/xyz/a/3/1/2.png#x", "/ogc/collections/a/3/1/2",
        "/wmts?TILEROW=%31&TILECOL=2", "/wmts?TILEROW=1", "/wmts?TILEROW=1&TILECOL=+2", "/wmts?XTILEROW=1&TILECOL=2",
        "/wms?TILEROW=1&TILECOL=2", "/wmts?TILEROW=1&TILECOL=2#x", "http://h/xyz/a/3/5/2.png", "", "*",
    ],
)  # fmt: skip
def test_any_other_spelling_is_not_split(target):
    assert split_target(target) is None


@pytest.mark.parametrize(
    ("query", "ambiguous"),
    [
        ("TILEROW=2&TILECOL=3", False),
        ("TILEROW=2&tilerow=2&TILECOL=3", True),
        ("TILEROW=2&tile%52ow=2&TILECOL=3", True),
        ("TILEROW=2&tile%72ow=3&TILECOL=3", True),
        ("TILEROW=2&TILECOL=3&tilecol", True),
        ("TILEROW=2&TILECOL=3&row=2&row=2", False),
    ],
)
def test_a_second_row_in_any_spelling_is_noticed(query, ambiguous):
    assert is_ambiguous(f"/wmts?{query}") is ambiguous
