import pytest

from lazytile.service.catalogue.local_disks import LocalDisks

TABLE = r"""22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:44 / {0}/share rw - nfs4 host:/share rw
24 23 254:2 / {0}/share/disk rw,relatime - xfs /dev/vdb rw
25 22 0:45 / {0}/with\040space rw - fuse.sshfs host: rw
26 22 0:46 / {0}/twice rw - tmpfs tmpfs rw
27 26 0:47 / {0}/twice rw - cifs //host/share rw
a line of another form
"""


@pytest.mark.parametrize(
    ("folder", "local"),
    [
        ("plain", True),
        ("share", False),
        ("share/store", False),
        ("share/disk/store", True),
        ("share/diskette", False),
        ("with space/store", False),
        ("twice/store", False),
        ("link", False),
    ],
)
def test_the_innermost_mount_decides(tmp_path, folder, local):
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "share")
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.format(tmp_path))
    assert LocalDisks(table).has(tmp_path / folder) is local


def test_a_loop_of_links_is_on_no_disk(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.format(tmp_path))
    assert isinstance(LocalDisks(table).has(tmp_path / "a" / "c"), bool)


def test_without_a_table_no_disk_is_local(tmp_path):
    assert not LocalDisks(tmp_path / "none").has(tmp_path)
