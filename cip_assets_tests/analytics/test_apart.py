"""A function in a process of its own."""

import os

import numpy as np
import pytest

from cip_assets.analytics.apart import apart


def test_it_returns_what_the_function_returns() -> None:
    assert apart(os.getpid) != os.getpid()
    values = np.arange(100_000.0)
    assert (apart(np.cumsum, values) == np.cumsum(values)).all()
    assert apart(sorted, [2, 3, 1], reverse=True) == [3, 2, 1]


def test_what_the_function_prints_is_no_part_of_it() -> None:
    assert apart(print, "a line") is None


def test_an_error_of_the_function_is_named() -> None:
    with pytest.raises(
        RuntimeError, match="^int in a process of its own: ValueError: invalid literal .* 'x'$"
    ):
        apart(int, "x")


def test_a_process_that_ends_without_a_result_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="_exit in a process of its own: it ended with 3$"):
        apart(os._exit, 3)
