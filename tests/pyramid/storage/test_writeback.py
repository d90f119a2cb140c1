"""Writing to the disk while the program goes on."""

import os

from lazytile.pyramid.storage.writeback import begin_writeback


def test_the_content_stays_and_errors_are_left_to_fsync(tmp_path):
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"x" * 100_000)
    begin_writeback(descriptor, 4096, 90_000)
    os.fsync(descriptor)
    os.close(descriptor)
    assert path.read_bytes() == b"x" * 100_000
    begin_writeback(descriptor, 0, 100)  # which is closed
