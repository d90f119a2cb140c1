"""The form of log messages, and error texts without the folders of the server."""

import json
import logging
import re

import pytest

from lazytile.service.access.messages import log_messages
from lazytile.service.http.errors import without_paths
from lazytile.service.http.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_before():
    root, ours = logging.getLogger(), logging.getLogger("lazytile")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


def logged(capsys, **options):
    log_messages(Settings.of(**options))
    log_messages(Settings.of(**options))
    log = logging.getLogger("lazytile.some.where")
    log.debug("too much")
    log.info("a %s", "text")
    try:
        int("x\ny")
    except ValueError:
        log.exception("failed")
    return capsys.readouterr().err


def test_messages_have_time_stamps(capsys):
    lines = logged(capsys).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO lazytile\.some\.where: a text", lines[0])
    assert "Traceback" in lines[2]


def test_messages_are_json_where_the_access_log_is(capsys):
    first, second = (json.loads(line) for line in logged(capsys, access_log="json").splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("INFO", "lazytile.some.where", "a text")
    assert "ValueError: invalid literal for int()" in second["exception"]


def test_the_level_is_that_of_the_settings(capsys):
    assert "too much" in logged(capsys, log_level="debug")
    assert "a text" not in logged(capsys, log_level="warning")
    assert logged(capsys, log_level="error").count("failed") == 1


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("the file /usr/lib/secret/sst.zarr is damaged", "the file sst.zarr is damaged"),
        ("cannot read '/tmp/a/b.xml': no such file", "cannot read 'b.xml': no such file"),
        ("they are at /legends/LAYER/STYLE_H.svg", "they are at /legends/LAYER/STYLE_H.svg"),
        ("see http://usr/lib/x", "see http://usr/lib/x"),
        ("rows/cols and 1/2/3", "rows/cols and 1/2/3"),
        ("/usr", "/usr"),
    ],
)
def test_texts_name_no_folder_of_the_server(text, public):
    assert without_paths(text) == public
