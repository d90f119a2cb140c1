"""The index that a time or the value of another dimension selects."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.store.dataset import Dimension
from lazytile.pyramid.times.lookup import (
    has_instants,
    index_of,
    index_of_label,
    indices_within,
    parse_instant,
    range_between,
)
from lazytile.pyramid.times.periods import periods_of


def time(*labels):
    return Dimension("time", "time", labels)


DAYS = time("2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z")
HOURS = time(*(f"2024-01-01T{hour:02d}:00:00Z" for hour in range(24)))


@pytest.mark.parametrize(
    ("asked", "index"),
    [(None, 2), ("", 2), ("default", 2), ("2024-02-29T12:00:00Z", 1), ("2024-02-29T12:00:00.000Z", 1),
     ("2024-02-29T12:00:00", 1), ("2024-02-29T12:00Z", 1), ("2024-02-29T12:00", 1), ("2024-02-29", 1),
     ("2024-02", 0), ("2024", 0), ("2024-03", 2), ("2024-02-29T14:00:00+02:00", 1), ("2024-02-29T07:30:00-04:30", 1),
     ("20240229", None), ("2024-02-29T12:00:01Z", 1), ("2024-02-29T11:59Z", 0), ("2024-02-27", None),
     ("2023", None), ("2024-02-30", None), ("2024-2-29", None), ("2024-02-29Z", None), ("current", 2),
     ("latest", None), ("now", None), ("2024-02-29T12:00:00Z/PT1H", None), ("2024-02-29 ", None),
     ("2024-02-29T12:00:00.1Z", 1), ("2024-03-02T11:59:59.999Z", 2),
     ("2024-03-02T12:00:00Z", None), ("2024-02-28T11:59:59Z", None), ("9999-12-31", None), ("0000-01-01", None),
     ("\uff12\uff10\uff12\uff14-02-29", None),
     ("2024-02-29T24:00:00Z", None), ("2024-02-29T12:00:00+99:99", None), ("9999", None)],
)  # fmt: skip
def test_days(asked, index):
    if index is None:
        with pytest.raises(InvalidParameterError, match="2024-02-28T12:00:00Z") as caught:
            index_of(DAYS, asked)
        assert caught.value.field is DAYS
    else:
        assert index_of(DAYS, asked) == index


def test_several_instants_in_a_day_the_first_is_meant():
    assert index_of(HOURS, "2024-01-01") == 0
    assert index_of(HOURS, "2024-01-01T07:00Z") == 7


def test_fractions_of_seconds():
    dimension = time("2024-01-01T00:00:00.250Z", "2024-01-01T00:00:00.500Z")
    assert index_of(dimension, "2024-01-01T00:00:00.5Z") == 1
    with pytest.raises(InvalidParameterError):
        index_of(dimension, "2024-01-01T00:00:00Z")


def test_a_composite_is_asked_for_by_any_of_its_days():
    """As MODIS has them: eight days from each New Year on, the last of a year shorter."""
    starts = [datetime(year, 1, 1) + timedelta(days=8 * count) for year in (2022, 2023) for count in range(46)]  # noqa: DTZ001
    composites = time(*(f"{start:%Y-%m-%dT00:00:00Z}" for start in starts))
    assert periods_of(composites.labels) == [
        "2022-01-01T00:00:00Z/2022-12-27T00:00:00Z/P8D",
        "2023-01-01T00:00:00Z/2023-12-27T00:00:00Z/P8D",
    ]
    for start, at in ((starts[3], 3), (starts[45], 45), (starts[46], 46), (starts[91], 91)):
        days = 5 if at == 45 else 8  # New Year begins another one
        for day in range(days):
            assert index_of(composites, f"{start + timedelta(days=day):%Y-%m-%d}") == at
    for outside in ("2021-12-31", "2024-01-04"):
        with pytest.raises(InvalidParameterError, match=r"one of 92 from 2022-01-01T00:00:00Z .* in 2 periods"):
            index_of(composites, outside)


def test_months_and_gaps():
    months = time(*(f"2024-{month:02d}-01T00:00:00Z" for month in (1, 2, 3, 4, 7, 8, 9)))
    assert index_of(months, "2024-02-29T23:00:00Z") == 1
    assert index_of(months, "2024-09-30T23:59:59Z") == 6
    for gap in ("2024-05-01", "2024-06", "2024-10-01"):
        with pytest.raises(InvalidParameterError):
            index_of(months, gap)
    days = time("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-05T00:00:00Z")
    assert [index_of(days, f"2024-01-{day:02d}T06:00:00Z") for day in (1, 2, 5)] == [0, 1, 2]
    with pytest.raises(InvalidParameterError):
        index_of(days, "2024-01-03T06:00:00Z")
    alone = time("2024-01-01T00:00:00Z")
    assert index_of(alone, "2024-01-01T23:59:59Z") == 0
    assert periods_of(alone.labels, always=True) == ["2024-01-01T00:00:00Z/2024-01-01T00:00:00Z/P1D"]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30, unique=True).map(sorted), st.integers(-5, 320 * 24))
def test_snapping_is_the_rule_of_gibs(days, hour):
    """In each period: start + floor((t - start) / step) * step, up to a step past the last."""
    start = datetime(2023, 11, 29, tzinfo=UTC)
    dimension = time(*(f"{start + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in days))
    asked = start + timedelta(hours=hour)
    expected = set()
    for value in periods_of(dimension.labels, always=True):
        first, last, step = value.split("/")
        at, end = parse_instant(first).start, parse_instant(last).start
        while at <= end:
            following = at + timedelta(days=int(step[1:-1])) if step.endswith("D") else _later(at, step)
            if at <= asked < following:
                expected.add(at)
            at = following
    try:
        found = parse_instant(dimension.labels[index_of(dimension, f"{asked:%Y-%m-%dT%H:%M:%SZ}")]).start
    except InvalidParameterError:
        assert not expected
    else:
        assert found == max(expected)


def _later(at, step):
    months = at.month - 1 + int(step[1:-1]) * (12 if step.endswith("Y") else 1)
    return at.replace(year=at.year + months // 12, month=months % 12 + 1)


def test_calendars_that_the_world_does_not_use():
    months_of_30 = time(*(f"2000-{month:02d}-{day:02d}T00:00:00Z" for month in (1, 2, 3) for day in range(1, 31)))
    assert index_of(months_of_30, "2000-02-30T00:00:00Z") == 59
    assert index_of(months_of_30, "2000-02-30T17:00:00Z") == 59
    assert index_of(months_of_30, "2000-02") == 30
    for outside in ("2000-01-31", "1999-12-30", "2000-04-01"):
        with pytest.raises(InvalidParameterError):
            index_of(months_of_30, outside)
    assert periods_of(months_of_30.labels) == list(months_of_30.labels)  # no other calendar has it
    all_leap = time("2001-02-28T00:00:00Z", "2001-02-29T00:00:00Z", "2001-03-01T00:00:00Z", "2001-03-31T00:00:00Z")
    assert index_of(all_leap, "2001-02-29T12:00:00Z") == 1
    no_leap = time("2024-02-27T00:00:00Z", "2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z")
    with pytest.raises(InvalidParameterError):
        index_of(no_leap, "2024-02-29")
    year_zero = time(*(f"0000-{month:02d}-16T00:00:00Z" for month in range(1, 13)))
    assert index_of(year_zero, "0000-07-20") == 6
    words = time("monday", "tuesday")
    assert index_of(words, "tuesday") == 1
    with pytest.raises(InvalidParameterError):
        index_of(words, "2024-01-01")


def test_other_dimensions():
    level = Dimension("level", "other", ("1000", "850", "0.5"), "hPa")
    assert [index_of(level, text) for text in (None, "default", "850")] == [0, 0, 1]
    assert [index_of(level, text) for text in ("850.0", "8.5e2", "0.50")] == [1, 1, 2]
    assert [index_of(level, text) for text in ("851", "857.5", "842.5", "40", "1007")] == [1, 1, 1, 2, 0]
    depth = Dimension("depth", "other", ("0.494024992", "1.54137504"), "m")
    assert [index_of(depth, text) for text in ("0.5", "0.49", "1.5")] == [0, 0, 1]
    member = Dimension("member", "other", ("r1i1p1", "r2i1p1"))
    assert index_of(member, "r2i1p1") == 1
    for bad in ("858", "925", "60", "-50", "nan", "inf", "x", "850 ", "1_000", "8" * 400):
        with pytest.raises(InvalidParameterError, match=r"1000, 850, 0\.5") as caught:
            index_of(level, bad)
        assert caught.value.field is level


@given(st.text(max_size=30))
def test_any_text_is_an_index_or_refused(text):
    with contextlib.suppress(InvalidParameterError):
        assert 0 <= index_of(DAYS, text) < 3


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_what_isoformat_writes_is_read(to_datetime):
    to_datetime = to_datetime.replace(tzinfo=UTC)
    interval = parse_instant(to_datetime.isoformat())
    assert interval.start == to_datetime
    assert interval.end == to_datetime + timedelta(microseconds=1)


def test_periods():
    assert periods_of(HOURS.labels) == ["2024-01-01T00:00:00Z/2024-01-01T23:00:00Z/PT1H"]
    assert periods_of(DAYS.labels) == ["2024-02-28T12:00:00Z/2024-03-01T12:00:00Z/P1D"]
    months = tuple(f"2024-{month:02d}-01T00:00:00Z" for month in range(1, 13))
    assert periods_of(months) == ["2024-01-01T00:00:00Z/2024-12-01T00:00:00Z/P1M"]
    years = tuple(f"{year}-07-16T00:00:00Z" for year in range(1990, 2000))
    assert periods_of(years) == ["1990-07-16T00:00:00Z/1999-07-16T00:00:00Z/P1Y"]
    gap = tuple(f"2024-01-{day:02d}T00:00:00Z" for day in (1, 2, 3, 4, 9, 10, 11, 20))
    assert periods_of(gap) == [
        "2024-01-01T00:00:00Z/2024-01-04T00:00:00Z/P1D",
        "2024-01-09T00:00:00Z/2024-01-11T00:00:00Z/P1D",
        "2024-01-20T00:00:00Z",
    ]
    assert periods_of(("2000-02-30T00:00:00Z", "x", "y")) == ["2000-02-30T00:00:00Z", "x", "y"]
    half = tuple(f"2024-01-01T00:00:{second:04.1f}Z" for second in (0, 0.5, 1.0, 1.5))
    assert periods_of(half) == ["2024-01-01T00:00:00.0Z/2024-01-01T00:00:01.5Z/PT0.5S"]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40, unique=True).map(sorted))
def test_periods_hold_exactly_the_labels(days):
    start = datetime(2023, 11, 29, tzinfo=UTC)
    labels = tuple(f"{start + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in days)
    unfolded = []
    for value in periods_of(labels):
        first, *rest = value.split("/")
        if not rest:
            unfolded.append(first)
            continue
        last, step = rest
        at, end = parse_instant(first).start, parse_instant(last).start
        while at <= end:
            unfolded.append(f"{at:%Y-%m-%dT%H:%M:%SZ}")
            if step.endswith("D"):
                at += timedelta(days=int(step[1:-1]))
            else:
                months = at.month - 1 + int(step[1:-1]) * (12 if step.endswith("Y") else 1)
                at = at.replace(year=at.year + months // 12, month=months % 12 + 1)
    assert tuple(unfolded) == labels


def test_times_between_two_instants():
    labels = tuple(f"2024-01-{day:02d}T00:00:00Z" for day in range(1, 11))
    third, fifth = (datetime(2024, 1, day, tzinfo=UTC) for day in (3, 5))
    assert range_between(labels, None, None) == range(10)
    assert range_between(labels, third, fifth) == range(2, 4)
    assert range_between(labels, third + timedelta(hours=1), None) == range(3, 10)
    assert list(range_between(labels, fifth, third)) == []
    assert list(range_between(("a", "b"), third, fifth)) == []
    assert [index_of_label(labels, text) for text in (labels[4], "2024-01-05")] == [4, None]
    assert (has_instants(labels), has_instants(("2", "1"))) == (True, False)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ("2024-01-01/2024-01-01", range(24)),
        ("2024-01-01T05:00/2024-01-01T07:00", range(5, 8)),
        ("2024-01-01T22:30:00Z/..", range(23, 24)),
        ("/2024-01-01T01:59:59Z", range(2)),
        ("2024-01-01T05:00/2024-01-01T07:00/PT1H", range(5, 8)),
    ],
)
def test_all_times_within_an_interval(interval, expected):
    assert indices_within(HOURS, interval) == expected


@pytest.mark.parametrize("interval", ["2023/2023", "2024-01-02/2024-01-01", "a/b", "../..", "/", "2024-01-01/x", "//"])
def test_an_interval_without_times_is_an_error(interval):
    with pytest.raises(InvalidParameterError, match="is not a time of this layer, it may be one of 24 from"):
        indices_within(HOURS, interval)
    with pytest.raises(InvalidParameterError):
        indices_within(Dimension("time", "time", ("a", "b")), "2024/2025")
