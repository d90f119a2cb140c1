"""The log that repeats nothing."""

import logging

from lazytile.pyramid.core.quiet_log import QuietLog


def test_a_message_is_logged_once_in_a_period(caplog):
    now = [0.0]
    log = QuietLog(logging.getLogger("lazytile.test"), every_s=60, clock=lambda: now[0])
    for number in range(100):
        log.warning("%d connections", number)
    log.warning("something else")
    assert [each.getMessage() for each in caplog.records] == ["0 connections", "something else"]
    now[0] = 61.0
    log.warning("%d connections", 7)
    assert caplog.records[-1].getMessage() == "7 connections (99 more such messages in between)"
    now[0] = 200.0
    log.warning("%d connections", 8)
    assert caplog.records[-1].getMessage() == "8 connections"


def test_the_messages_that_are_remembered_are_bounded():
    log = QuietLog(logging.getLogger("lazytile.test"), clock=lambda: 0.0)
    for number in range(1000):
        log.warning(f"message {number}")  # noqa: G004
    assert len(log._last) <= 64
