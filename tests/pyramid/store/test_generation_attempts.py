"""The retry after a dataset was replaced."""

import pytest

from lazytile.pyramid.core.errors import GenerationChangedError, StoreError
from lazytile.pyramid.store.generation_attempts import generation_attempts


def attempted(*outcomes):
    """Run attempts with an outcome each: an exception to raise, or a result. Return results seen."""
    left = list(outcomes)
    for attempt in generation_attempts():
        with attempt:
            outcome = left.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            result = outcome
    return result, left


def test_success_ends_the_attempts():
    assert attempted("first", "second") == ("first", ["second"])


def test_a_replaced_dataset_is_tried_once_more():
    assert attempted(GenerationChangedError("x"), "second", "third") == ("second", ["third"])


def test_the_last_attempt_raises():
    last = GenerationChangedError("the second")
    with pytest.raises(GenerationChangedError) as caught:
        attempted(GenerationChangedError("the first"), last, "third")
    assert caught.value is last


def test_other_exceptions_pass_through():
    with pytest.raises(StoreError, match="damaged"):
        attempted(StoreError("damaged"), "second")


def test_a_return_from_the_body_ends_the_attempts():
    count = 0

    def first():
        nonlocal count
        for attempt in generation_attempts():
            with attempt:
                count += 1
                return "returned"
        return "fell through"

    assert (first(), count) == ("returned", 1)
