"""The site of the documentation builds without a warning; what its pages claim of the code holds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TROUBLESHOOTING = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text()
FOLDERS = ("colormaps", "lazytile", "pyramid", "service")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("zensical", reason="Zensical is not installed (it is one of the extra docs)")
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "scripts/build_docs.py", "--out", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site):
    pages = {str(path.relative_to(ROOT / "docs"))[:-3] for path in (ROOT / "docs").rglob("*.md")}
    made = {"reference/commands", "reference/http", "security"}
    built = {str(path.relative_to(site))[:-5] for path in site.rglob("*.html")} - {"404"}
    built = {name for name in built if not name.startswith("examples/")}  # whole pages for other people's sites
    assert built == pages | made


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if not re.search(rf"[ :-] {re.escape(page)}$", navigation, re.MULTILINE)} == set()


def test_the_pages_made_from_code_have_its_content(site):
    commands = (site / "reference" / "commands.html").read_text()
    assert 'id="lazytile-mrf-verify"' in commands
    assert "--replace-steps" in commands
    assert "/ogc/tileMatrixSets" in (site / "reference" / "http.html").read_text()
    assert "Returns" in (site / "reference" / "python.html").read_text()


def test_no_page_asks_another_host_for_anything(site):
    wanted = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(https?://[^\" >]+)")
    pages = [path for path in site.rglob("*.html") if path.parent.name != "examples"]
    asked = {url for path in pages for url in wanted.findall(path.read_text())}
    assert {url for url in asked if "canonical" not in url} == set()


def messages():
    source = "".join(
        path.read_text()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts
    )
    # Strings that the formatter broke over lines are one again, and what is filled in is an ellipsis.
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    return re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "…", joined)


@pytest.mark.parametrize("text", re.findall(r"^\| (`[^|]+`) \|", TROUBLESHOOTING, re.MULTILINE))
def test_the_code_has_each_text_of_troubleshooting(text):
    found = messages()
    for message in re.findall(r"`([^`]+)`", text):
        parts = [part.strip(" …") for part in re.split("…", message)]
        pattern = ".{0,200}?".join(re.escape(part) for part in parts if part)
        assert re.search(pattern, found), message
