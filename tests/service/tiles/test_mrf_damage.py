"""Damaged MRFs: checked again once their files change, and named for as long as they are damaged."""

import logging

import pytest

from lazytile.pyramid.core.conditions import Conditions
from lazytile.pyramid.core.errors import MrfError
from lazytile.service.tiles.mrf_damage import DamagedMrfs, identity_of

pytestmark = pytest.mark.usefixtures("fresh_process")
PAGE = (1, 0, 0, 0)


class Folder:
    """An MRF that a test damages, and the list under test."""

    def __init__(self, folder):
        self.path = folder / "a.mrf"
        self.path.write_text("header")
        self.bad_file, self.bad_pages = False, set()
        self.damaged = DamagedMrfs(self.check)
        self.checked = 0

    def check(self, path, page):
        self.checked += 1
        if self.bad_file or page in self.bad_pages:
            raise MrfError(f"{path}: damaged")

    def note(self, page=None):
        self.damaged.note(self.path, identity_of(self.path), page, "damaged")

    def change(self):
        self.path.write_text(self.path.read_text() + " ")


@pytest.fixture
def mrf(tmp_path):
    return Folder(tmp_path)


def names():
    return [each.key for each in Conditions.current().all()]


def test_a_file_that_changes_and_is_still_damaged_stays_named(mrf, caplog):
    mrf.note(PAGE)
    assert names() == [f"mrf {mrf.path}"]
    mrf.change()
    mrf.bad_file = True
    mrf.damaged.check_again()
    assert names() == [f"mrf {mrf.path}"]
    assert mrf.damaged.is_useless(mrf.path, identity_of(mrf.path))
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 2, "one line for each state"


def test_another_state_of_the_same_page_is_checked(mrf):
    mrf.bad_pages = {PAGE}
    mrf.note(PAGE)
    mrf.change()
    mrf.damaged.check_again()
    assert names() == [f"mrf {mrf.path}"]
    assert not mrf.damaged.is_useless(mrf.path, identity_of(mrf.path)), "its other pages may be whole"
    mrf.bad_pages = set()
    mrf.damaged.check_again()
    assert names() == [f"mrf {mrf.path}"], "the file has not changed"
    mrf.change()
    mrf.damaged.check_again()
    assert names() == []


def test_a_mended_and_a_removed_file_are_forgotten(mrf):
    for end in (mrf.change, mrf.path.unlink):
        mrf.note()
        assert mrf.damaged.is_useless(mrf.path, identity_of(mrf.path))
        end()
        mrf.damaged.check_again()
        assert names() == []


def test_nothing_is_read_while_files_stay_as_they_are(mrf, caplog):
    for _ in range(3):
        mrf.note(PAGE)
        mrf.damaged.check_again()
    assert mrf.checked == 0
    assert len(caplog.records) == 1


def test_damage_of_the_file_replaces_that_of_a_page(mrf):
    mrf.note(PAGE)
    mrf.note()
    assert mrf.damaged.is_useless(mrf.path, identity_of(mrf.path))
    mrf.note(PAGE)
    assert mrf.damaged.is_useless(mrf.path, identity_of(mrf.path))


def test_the_list_is_bounded(tmp_path):
    damaged = DamagedMrfs(lambda path, page: None, limit=10)
    paths = [tmp_path / f"{number}.mrf" for number in range(15)]
    for path in paths:
        damaged.note(path, (), None, "damaged")
    assert [damaged.is_useless(path, ()) for path in paths[:6]] == [False] * 5 + [True]
