"""The tables of docs/reliability.md: made of a report, and complete."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scripts import document_faults

ROOT = Path(__file__).resolve().parent.parent
ROW = {
    "fault": "f",
    "made by": "a|b, 2 server process(es)",
    "client sees": "c",
    "heal s": 1.26,
    "replies": 7,
    "wrong": 0,
}
SECTION = "<!-- faults: cluster -->\nold\n<!-- faults: end -->\n"


def report(path, *bodies):
    cases = "".join(
        f'<testcase classname="tests.faults.test_cluster_faults" name="t{at}">{body}</testcase>'
        for at, body in enumerate(bodies)
    )
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return path


def noted(row):
    text = json.dumps(row).replace('"', "&quot;")
    return f'<properties><property name="fault" value="{text}"/></properties>'


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["document_faults.py", *map(str, arguments)])
    return document_faults.main()


def test_the_document_has_every_fault():
    text = (ROOT / "docs" / "reliability.md").read_text()
    assert document_faults.missing_faults(text) == []
    assert len(document_faults.REQUIRED) >= 40
    assert document_faults.missing_faults(text.replace("| clock steps |", "| clocks |")) == ["clock steps"]


@pytest.mark.parametrize(
    ("bodies", "wrong", "code", "told"),
    [
        ([noted(ROW)], [], 0, ""),
        ([noted(ROW), "<skipped message='no mount'/>"], [], 0, ""),
        ([noted(ROW), "<failure message='x'/>"], [], 1, "failed: `t1`"),
        ([noted({**ROW, "wrong": 2})], [], 1, "2 wrong replies"),
        ([noted(ROW)], ["clock steps"], 1, "no row: clock steps"),
    ],
)
def test_a_report_becomes_a_table(tmp_path, monkeypatch, capsys, bodies, wrong, code, told):
    monkeypatch.setattr(document_faults, "missing_faults", lambda text: wrong)
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n\n{SECTION}\nafter\n")
    assert run(monkeypatch, report(tmp_path / "faults.xml", *bodies), document) == code
    assert told in capsys.readouterr().err
    text = document.read_text()
    assert text.startswith("before\n\n<!-- faults: cluster -->\n")
    assert text.endswith("<!-- faults: end -->\n\nafter\n")
    assert "| f | a/b, 2 server processes | c | 1.3 | 7 |" in text
    assert "old" not in text
    assert ("- not made: `t1`: no mount" in text) == ("skipped" in bodies[-1])


def test_a_section_that_the_report_does_not_have_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(document_faults, "missing_faults", lambda text: [])
    document = tmp_path / "reliability.md"
    document.write_text(SECTION)
    empty = tmp_path / "faults.xml"
    empty.write_text("<testsuites/>")
    assert run(monkeypatch, empty, document) == 0
    assert document.read_text() == SECTION
    document.write_text("nothing")
    with pytest.raises(ValueError, match="has no section <!-- faults: cluster -->"):
        run(monkeypatch, report(tmp_path / "faults.xml", noted(ROW)), document)
