"""Write the tables of docs/reliability.md from the report of ``make test-faults``.

Each test of ``tests/faults`` that notes a fault gives a row. A section whose tests the report has is written anew;
below its table are the tests that failed or were skipped. The exit code is 1 if a reply was wrong, a test failed, or a
fault that must be there has no row.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench_document import conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECTIONS = {
    "stored data": ("test_store_faults", "test_description_faults"),
    "MRF": ("test_mrf_faults",),
    "full disks": ("test_full_disk",),
    "processes": ("test_process_faults", "test_cache_faults", "test_connection_faults"),
    "cluster": ("test_cluster_faults", "test_cluster_bulk_faults"),
    "hosts": ("test_host_faults",),
    "object storage": ("test_object_kills",),
}
"""The modules of tests whose rows each section of the document has."""
HEAD = (
    "| fault | how it is made | what the client sees | heal, s | replies | wrong |",
    "| --- | --- | --- | --: | --: | --: |",
)
_DAMAGES = ("flipped", "missing", "truncated", "zeroed", "emptied", "swapped with its neighbour")
REQUIRED = (
    *("kill -9 of a server process", "killed supervisor", "Dask worker killed", "nanny killed"),
    *(f"scheduler killed, {when}" for when in ("back after 1 s", "back after 21 s")),
    *("scheduler killed for good", "stopped server process", "Dask worker stopped", "link to a worker cut"),
    *("Dask worker without the store", "Dask worker without the store, joining late", "Dask worker of another version"),
    *("convert: Dask worker without the store", "convert: Dask worker without the source"),
    *(f"store {what} under load, chunks" for what in ("replaced", "removed and re-created")),
    *("store appended under load", *(f"{kind} {damage}" for kind in ("chunk", "shard") for damage in _DAMAGES)),
    *(f"MRF: {what}" for what in ("index zeroed", "index shuffled", "index exchanged", "index cut", "data exchanged")),
    *("MRF: index and data exchanged", "MRF: data lost", "cache flipped", "cache deleted", "cache read-only"),
    *("cache on a full disk", "cache foreign", "full disk in convert", "full disk in append", "full disk in mrf"),
    *(f"full disk in export --to {kind}" for kind in ("mbtiles", "pmtiles", "cog")),
    *("full disk in warm, 4 kB", "full disk in colormap fetch", "full disk, lazy overviews", "clock steps"),
    "convert and append to S3 killed, plain",
    *("descriptor limit", "slow-loris headers", "slow-loris body", "bomb of gzip", "bomb of zstd", "bomb of blosc"),
)
"""Faults that the document must have."""


def rows_of(report: ET.Element, modules: Iterable[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of some modules, and a line for each of their tests that did not pass.

    Args:
        report: A report in the form ``xunit1`` of pytest.
        modules: Names of modules in ``tests/faults``.

    Returns:
        Both, in the order of the report.
    """
    rows, lines = [], []
    wanted = tuple(modules)
    for case in report.iter("testcase"):
        if case.get("classname", "").rpartition(".")[2] not in wanted:
            continue
        rows += [json.loads(each.get("value", "")) for each in case.iter("property") if each.get("name") == "fault"]
        skipped, failed = case.find("skipped"), case.find("failure")
        failed = case.find("error") if failed is None else failed
        if failed is not None:
            lines.append(f"failed: `{case.get('name')}`")
        elif skipped is not None:
            lines.append(f"not made: `{case.get('name')}`: {skipped.get('message', '')}")
    return rows, lines


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return rows as a Markdown table.

    Args:
        rows: As ``rows_of`` returns them.

    Returns:
        The lines.
    """
    lines = list(HEAD)
    for row in rows:
        made = re.sub(r"\b(\d+) server process\(es\)", _processes, row["made by"]).replace("|", "/")
        heal = "" if row["heal s"] is None else f"{row['heal s']:.1f}"
        replies = row["replies"] or ""
        lines.append(f"| {row['fault']} | {made} | {row['client sees']} | {heal} | {replies} | {row['wrong']} |")
    return lines


def _processes(match: re.Match[str]) -> str:
    return f"{match[1]} server process{'' if match[1] == '1' else 'es'}"


def with_section(text: str, name: str, lines: Sequence[str]) -> str:
    """Return a document with a section replaced.

    Args:
        text: The document.
        name: Name of the section, in the comments ``<!-- faults: NAME -->`` and ``<!-- faults: end -->``.
        lines: Its lines.

    Returns:
        The document.

    Raises:
        ValueError: It has no such section.
    """
    begin, end = f"<!-- faults: {name} -->\n", "<!-- faults: end -->"
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2]
    if not found or end not in rest:
        raise ValueError(f"the document has no section {begin.strip()} ... {end}")
    return "\n".join([f"{before}{begin}", *lines, "", f"{end}{after}"])


def missing_faults(text: str) -> list[str]:
    """Return the faults that a document must have and has not.

    Args:
        text: The document.

    Returns:
        Their names.
    """
    return [fault for fault in REQUIRED if f"| {fault} |" not in text]


def main() -> int:
    """Write the tables, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", type=Path, help="what pytest --junitxml has written")
    parser.add_argument("document", type=Path)
    options = parser.parse_args()
    report = ET.parse(options.report).getroot()  # noqa: S314 - our own
    text = options.document.read_text()
    wrong, failed = 0, []
    for name, modules in SECTIONS.items():
        rows, lines = rows_of(report, modules)
        if not rows and not lines:
            continue
        wrong += sum(row["wrong"] for row in rows)
        failed += [line for line in lines if line.startswith("failed")]
        count = sum(row["replies"] for row in rows)
        summary = f"{len(rows)} rows, {count} replies, {sum(row['wrong'] for row in rows)} wrong; {conditions()}."
        notes = [f"- {line}" for line in lines]
        text = with_section(text, name, [*table(rows), "", summary, *([""] if notes else []), *notes])
    options.document.write_text(text)
    absent = missing_faults(text)
    for line in (*failed, *(f"no row: {fault}" for fault in absent), *([f"{wrong} wrong replies"] if wrong else [])):
        print(line, file=sys.stderr)
    return 1 if failed or absent or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
