"""Checks of arguments: what is valid passes, and errors say what is expected and what was received."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfsep.checks import check_choice, check_integer, check_number, existing_folder


@pytest.mark.parametrize(
    ("check", "value", "limits"),
    [
        (check_integer, 1, {}),
        (check_integer, np.int64(3), {"most": 3}),
        (check_integer, -5, {"least": None}),
        (check_integer, None, {"optional": True}),
        (check_number, -1e30, {}),
        (check_number, 0, {"least": 0, "below": 1}),
        (check_number, np.float32(0.5), {"above": 0, "most": 1}),
        (check_number, None, {"optional": True}),
    ],
)
def test_valid_numbers(check, value, limits):
    check("x", value, **limits)


@pytest.mark.parametrize(
    ("check", "value", "limits", "message"),
    [
        (check_integer, 0, {}, "x must be an integer of at least 1. Received: x=0."),
        (check_integer, 2.0, {"least": 0}, "x must be an integer of at least 0. Received: x=2.0."),
        (check_integer, True, {}, "x must be an integer of at least 1. Received: x=True."),
        (check_integer, None, {}, "x must be an integer of at least 1. Received: x=None."),
        (check_integer, "a", {"least": None}, "x must be an integer. Received: x='a'."),
        (check_integer, 9, {"most": 8}, "x must be an integer from 1 to 8. Received: x=9."),
        (check_number, math.nan, {}, "x must be a finite number. Received: x=nan."),
        (check_number, math.inf, {"above": 0}, "x must be a number above 0. Received: x=inf."),
        (check_number, 0, {"above": 0, "most": 1}, "x must be a number above 0 and at most 1. Received: x=0."),
        (check_number, 1, {"least": 0, "below": 1}, "x must be a number of at least 0 and below 1. Received: x=1."),
        (check_number, "1", {"least": 0}, "x must be a number of at least 0. Received: x='1'."),
    ],
)
def test_invalid_numbers(check, value, limits, message):
    with pytest.raises(ValueError) as caught:
        check("x", value, **limits)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "choices", "expected"),
    [("c", "ab", "'a' or 'b'"), ("d", "abc", "one of 'a', 'b', 'c'"), (["a"], {"a": 1, None: 2}, "'a' or None")],
)
def test_choices(value, choices, expected):
    for choice in choices:
        check_choice("x", choice, choices)
    with pytest.raises(ValueError) as caught:
        check_choice("x", value, choices)
    assert str(caught.value) == f"x must be {expected}. Received: x={value!r}."


def test_folder(tmp_path):
    assert existing_folder(str(tmp_path), "songs") == tmp_path
    with pytest.raises(FileNotFoundError, match=r"none is not a folder\. Expected songs\."):
        existing_folder(tmp_path / "none", "songs")
