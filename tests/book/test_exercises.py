"""Checking answers."""

import numpy as np
import pytest

from tagging.book.exercises import check


@pytest.mark.parametrize(
    ("answer", "correct", "tolerance", "says"),
    [
        (..., 3, 0, "No answer yet"),
        (3, 3, 0, "Right."),
        (3.0, lambda: 3, 0, "Right."),
        (3.05, 3, 0.1, "Right."),
        (3.2, 3, 0.1, "Not right yet."),
        (float("nan"), 3, 0.1, "Not right yet."),
        ("three", 3, 0.1, "Not right yet."),
        (None, 3, 0.1, "Not right yet."),
        ([1, 2], np.array([1, 2]), 0, "Right."),
        ([1, 2, 3], np.array([1, 2]), 0, "Not right yet."),
        ("folk", "folk", 0, "Right."),
        ("rock", "folk", 0, "Not right yet."),
        ({"a", "b"}, {"b", "a"}, 0, "Right."),
        (True, True, 0, "Right."),
        (False, True, 0.5, "Not right yet."),
    ],
)
def test_verdict(answer, correct, tolerance, says, capsys):
    check(answer, correct, tolerance=tolerance)
    assert capsys.readouterr().out.startswith(says)


def test_hint_is_given_with_a_wrong_answer_only(capsys):
    check(1, 2, hint="count the frames")
    check(2, 2, hint="count the frames")
    check(..., 2, hint="count the frames")
    assert capsys.readouterr().out.count("count the frames") == 1


def test_unanswered_does_not_compute():
    def fail():
        raise AssertionError("computed without need")

    check(..., fail)
