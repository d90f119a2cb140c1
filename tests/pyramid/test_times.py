"""Which index a time, or another dimension's value, in a request means."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazytile.pyramid.dataset import Dimension
from lazytile.pyramid.errors import InvalidParameterError
from lazytile.pyramid.periods import periods_of
from lazytile.pyramid.times import index_of, parameter_of, parse_instant


def time(*labels):
    return Dimension("time", "time", labels)


DAYS = time("2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z")
HOURS = time(*(f"2024-01-01T{hour:02d}:00:00Z" for hour in range(24)))


@pytest.mark.parametrize(
    ("asked", "index"),
    [(None, 2), ("", 2), ("default", 2), ("2024-02-29T12:00:00Z", 1), ("2024-02-29T12:00:00.000Z", 1),
     ("2024-02-29T12:00:00", 1), ("2024-02-29T12:00Z", 1), ("2024-02-29T12:00", 1), ("2024-02-29", 1),
     ("2024-02", 0), ("2024", 0), ("2024-03", 2), ("2024-02-29T14:00:00+02:00", 1), ("2024-02-29T07:30:00-04:30", 1),
     ("20240229", None), ("2024-02-29T12:00:01Z", None), ("2024-02-29T11:59Z", None), ("2024-02-27", None),
     ("2023", None), ("2024-02-30", None), ("2024-2-29", None), ("2024-02-29Z", None), ("current", None),
     ("latest", None), ("now", None), ("2024-02-29T12:00:00Z/PT1H", None), ("2024-02-29 ", None),
     ("2024-02-29T12:00:00.1Z", None), ("9999-12-31", None), ("0000-01-01", None),
     ("\uff12\uff10\uff12\uff14-02-29", None),
     ("2024-02-29T24:00:00Z", None), ("2024-02-29T12:00:00+99:99", None), ("9999", None)],
)  # fmt: skip
def test_days(asked, index):
    if index is None:
        with pytest.raises(InvalidParameterError, match="2024-02-28T12:00:00Z") as caught:
            index_of(DAYS, asked)
        assert caught.value.parameter == "Time"
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


def test_calendars_that_we_do_not_have_are_matched_as_text():
    dimension = time("2000-02-29T00:00:00Z", "2000-02-30T00:00:00Z")
    assert index_of(dimension, "2000-02-30T00:00:00Z") == 1
    with pytest.raises(InvalidParameterError):
        index_of(dimension, "2000-02-29")


def test_other_dimensions():
    level = Dimension("level", "other", ("1000", "850", "0.5"), "hPa")
    assert [index_of(level, text) for text in (None, "default", "850")] == [0, 0, 1]
    assert [index_of(level, text) for text in ("850.0", "8.5e2", "0.50")] == [1, 1, 2]
    for bad in ("851", "nan", "inf", "x", "850 ", "1_000", "8" * 400):
        with pytest.raises(InvalidParameterError, match=r"1000, 850, 0\.5") as caught:
            index_of(level, bad)
        assert caught.value.parameter == "level"


def test_names_in_requests():
    assert parameter_of(DAYS) == "Time"
    assert parameter_of(Dimension("valid_time", "time", ("2024-01-01T00:00:00Z",))) == "Time"
    for name, expected in (("level", "level"), ("layer", "dim_layer"), ("Style", "dim_Style"), ("a b{", "a_b_"),
                           ("time", "dim_time"), ("_x", "dim__x"), ("3", "dim_3")):  # fmt: skip
        assert parameter_of(Dimension(name, "other", ("1",))) == expected


@given(st.text(max_size=30))
def test_any_text_is_an_index_or_refused(text):
    with contextlib.suppress(InvalidParameterError):
        assert 0 <= index_of(DAYS, text) < 3


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_what_isoformat_writes_is_read(moment):
    moment = moment.replace(tzinfo=UTC)
    interval = parse_instant(moment.isoformat())
    assert interval.start == moment
    assert interval.end == moment + timedelta(microseconds=1)


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
