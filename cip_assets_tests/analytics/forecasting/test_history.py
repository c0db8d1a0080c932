"""What was known on a day, by hand, and that nothing after it is used."""

from dataclasses import fields, replace

import numpy as np
import pytest

from cip_assets.analytics.forecasting.history import LONG_AGO, Events, History
from cip_assets.analytics.forecasting.past import Past
from cip_assets_tests.analytics.forecasting.shops import TODAY, shop


def events(*rows: tuple[int, int, float]) -> Events:
    who, day, value = zip(*rows, strict=True)
    return Events(np.array(who), np.array(day), np.array(value, float))


# Buyer 0 bought on days 10, 40 and 130, buyer 1 on day 50 for nothing, and buyer 2 on day 120.
HISTORY = History(
    3,
    events((0, 10, 20.0), (0, 40, 30.0), (0, 130, 7.0), (1, 50, 0.0), (2, 120, 5.0)),
    events((0, 95, 2), (0, 20, 3), (0, 101, 9), (1, 130, 1)),
    events((0, 60, 80), (0, 90, 110), (1, 70, np.inf), (1, 105, np.inf)),
    events((1, 60, 1), (1, 140, 1)),
)


def test_what_was_known_on_a_day_by_hand() -> None:
    known = HISTORY.known_on(100)
    found = {field.name: getattr(known, field.name).tolist() for field in fields(known)}
    mean = found.pop("mean_value")
    assert mean[0] == 30
    assert np.isnan(mean[1])
    assert found == {
        "x": [1, 0],
        "t_x": [30, 0],
        "age": [90, 50],
        "is_first_paid": [1, 0],
        "paid_x": [1, 0],
        "spend": [50, 0],
        "recent_sessions": [2, 0],
        "earlier_sessions": [3, 0],
        "session_age": [5, LONG_AGO],
        "tickets": [2, 1],
        # The first was closed on day 80, and the second on day 110, after the day.
        "open_tickets": [1, 1],
        "returns": [0, 1],
    }
    assert known.recency.tolist() == [60, 50]
    came = HISTORY.came(100, 30)
    assert (came.days.tolist(), came.spend.tolist()) == ([1, 0], [7, 0])


def test_nothing_after_a_day_changes_what_was_known() -> None:
    whole = shop(200, seed=1, visits=True)
    day = 400
    cut = replace(
        whole,
        purchases=whole.purchases.between(-1, day),
        sessions=whole.sessions.between(-1, day),
    )
    before, after = whole.known_on(day), cut.known_on(day)
    for field in fields(before):
        assert np.array_equal(getattr(before, field.name), getattr(after, field.name), equal_nan=True)


def test_a_window_that_is_not_over_is_refused() -> None:
    with pytest.raises(ValueError, match="not over"):
        Past(HISTORY, TODAY, 90).came(0)
