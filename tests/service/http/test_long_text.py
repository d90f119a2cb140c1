"""Long texts: sent in pieces, the same bytes and headers as in one."""

from __future__ import annotations

from lazytile.service.http import long_text, reply
from tests.service.harness import running

PATH = "/wmts/1.0.0/WMTSCapabilities.xml"


def headers_of(found):
    return sorted((name, value) for name, value in found.headers.items() if name not in ("Date", "X-Request-Id"))


def test_a_long_text_is_sent_in_pieces_and_says_the_same(store, tmp_path, monkeypatch):
    sizes, write = [], long_text.LongText.write

    async def note(response, data):
        sizes.append(len(data))
        await write(response, data)

    with running(store, tmp_path / "c") as server:
        monkeypatch.setattr(long_text.LongText, "write", note)
        whole = server.get(PATH)
        assert sizes == []
        for module in (reply, long_text):
            monkeypatch.setattr(module, "PIECE_BYTES", 1000)
        pieces, head = server.get(PATH), server.get(PATH, method="HEAD")
        known = server.get(PATH, {"If-None-Match": whole.headers["ETag"]})
    assert len(whole.body) > 10_000
    assert (pieces.status, pieces.body, headers_of(pieces)) == (200, whole.body, headers_of(whole))
    assert sizes == [1000] * (len(whole.body) // 1000) + [len(whole.body) % 1000]
    assert (head.status, head.body, headers_of(head)) == (200, b"", headers_of(whole))
    assert known.status == 304
