"""Every bulk map states its places: no work reaches a worker that was not inspected for its files."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent


def maps(source: str) -> list[tuple[int, set[str]]]:
    """Return line and keywords of every call of an engine's ``map``, which has a label."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = [
        (node.lineno, {keyword.arg or "" for keyword in node.keywords})
        for node in calls
        if isinstance(node.func, ast.Attribute) and node.func.attr == "map"
    ]
    return [(line, keywords) for line, keywords in found if "label" in keywords]


def test_every_bulk_map_states_its_places() -> None:
    seen = {
        f"{file.relative_to(ROOT)}:{line}": "places" in keywords
        for folder in ("pyramid", "service")
        for file in (ROOT / folder).rglob("*.py")
        if "node_modules" not in file.parts
        for line, keywords in maps(file.read_text())
    }
    assert len(seen) >= 6  # convert, pack, count, verify, MRF pages, and the command line's engine
    assert [place for place, states in seen.items() if not states] == []


def test_a_map_without_places_is_found() -> None:
    assert maps("engine.map(f, items, label='x')\nmap(f, items)\npool.map(f, items)") == [(1, {"label"})]
