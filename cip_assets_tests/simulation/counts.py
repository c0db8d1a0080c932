"""``insight_counts`` again, in numpy: fast enough for thousands of shops. A test compares the two."""

import numpy as np
import pyarrow as pa

from cip_assets.analytics.insights.questions import COMPLAINTS, ENGAGEMENT, REPEAT, RETURNS
from cip_assets.layers.marts.insight_counts import (
    ALL,
    ESTABLISHED,
    FIRST_MONTH,
    GROUPS,
    LOOK_BACK,
    MOST_SESSIONS,
    NEW,
    WEEK,
)
from cip_assets_tests.simulation.shops import START, Events, History, Ints

FIRST = 0
OFTEN = {1: "1", 2: "2", 3: "3 to 4", 5: "5 or more"}
STRATA = [
    FIRST_MONTH,
    *(f"{back} ago, {often} days" for back in range(1, LOOK_BACK + 1) for often in OFTEN.values()),
]
"""The strata, by their codes."""
BY_BUYERS = [f"{stratum}, {buyers}" for buyers in (ESTABLISHED, NEW) for stratum in STRATA]


class _Months:
    """The months of a shop."""

    def __init__(self, history: History) -> None:
        self.count = history.shop.months
        firsts = START.astype("datetime64[M]") + np.arange(self.count + 1)
        self.dates = firsts[:-1].astype("datetime64[D]")
        self.edges = (firsts.astype("datetime64[D]") - START).astype(np.int64)
        self.days = np.diff(self.edges)

    def of(self, day: Ints) -> Ints:
        return np.asarray(np.searchsorted(self.edges, day, side="right") - 1)

    def full(self, events: Events) -> list[int]:
        """The months from the first event to the last one that are complete."""
        if not len(events.day):
            return []
        low, high = int(events.day.min()), int(events.day.max())
        first = self.of(np.array([low]))[0] + (low - self.edges[self.of(np.array([low]))[0]] >= WEEK)
        end = min(int(self.edges[-1]) - 1, high + WEEK)
        return [month for month in range(first, self.count) if self.edges[month + 1] - 1 <= end]

    def table(self, events: Events, size: int) -> Ints:
        """Events by customer and month."""
        found = np.zeros((size, self.count), dtype=np.int64)
        np.add.at(found, (events.customer, self.of(events.day)), 1)
        return found


def counts(history: History, window_days: int) -> pa.Table:
    """The rows of the four questions, without parts."""
    months, size = _Months(history), history.shop.customers
    days = months.table(history.purchases, size)
    tickets, sessions = (months.table(events, size) for events in (history.tickets, history.sessions))
    group = np.arange(size) % GROUPS
    buying = months.full(history.purchases)[LOOK_BACK:]
    visiting = months.full(history.sessions)[LOOK_BACK:]
    complaining, returning = months.full(history.tickets), months.full(history.returns)
    order = np.lexsort((history.purchases.day, history.purchases.customer))
    bought = history.purchases.customer[order] * 100_000 + history.purchases.day[order]
    first_day = np.full(size, 10**9)
    np.minimum.at(first_day, history.purchases.customer, history.purchases.day)
    parts: list[pa.Table] = []
    for month in buying:
        stratum = np.full(size, -1)
        recent = days[:, month - LOOK_BACK : month]
        often = np.searchsorted(list(OFTEN), recent.sum(1), side="right") - 1
        for back in range(LOOK_BACK, 0, -1):
            here = days[:, month - back] > 0
            stratum[here] = 1 + (back - 1) * len(OFTEN) + often[here]
        alike = stratum >= 0
        starts = (first_day >= months.edges[month]) & (first_day < months.edges[month + 1])
        stratum[starts] = FIRST
        exposure = np.where(starts, months.edges[month + 1] - 1 - first_day, months.days[month])
        base = alike | starts
        parts.append(
            _rows(REPEAT.name, ALL, stratum, group, months, month, base, days[:, month] - starts, exposure)
        )
        if month in complaining:
            whole = np.full(size, months.days[month])
            parts.append(
                _rows(COMPLAINTS.name, ALL, stratum, group, months, month, base, tickets[:, month], whole)
            )
        over = months.edges[month] + window_days <= months.edges[-1]
        if over and month in visiting:
            start = np.arange(size) * 100_000 + months.edges[month]
            place = np.searchsorted(bought, start)
            following = np.append(bought, 2**62)[place]
            churned = (following >= start + window_days).astype(np.int64)
            visits = np.minimum(sessions[:, month - LOOK_BACK : month].sum(1), MOST_SESSIONS)
            of_kind = np.where(first_day >= months.edges[month - LOOK_BACK], stratum + len(STRATA), stratum)
            for number in np.unique(visits[alike]):
                chosen = alike & (visits == number)
                found = _rows(
                    ENGAGEMENT.name,
                    str(number),
                    of_kind,
                    group,
                    months,
                    month,
                    chosen,
                    churned,
                    np.ones(size),
                )
                parts.append(found)
    lines, returns = days, months.table(history.returns, size)
    for month in [m for m in months.full(history.purchases)[1:] if m in returning]:
        exposure = lines[:, month] + lines[:, month - 1]
        parts.append(
            _rows(
                RETURNS.name,
                ALL,
                None,
                group,
                months,
                month,
                np.full(size, True),
                returns[:, month],
                exposure,
            )
        )
    return pa.concat_tables(parts)


def _rows(question, part, stratum, group, months, month, chosen, events, exposure) -> pa.Table:
    codes = np.zeros(len(group), dtype=np.int64) if stratum is None else stratum
    names = [ALL] if stratum is None else BY_BUYERS if question == ENGAGEMENT.name else STRATA
    key = codes[chosen] * GROUPS + group[chosen]
    cells, place = np.unique(key, return_inverse=True)
    sums = [np.bincount(place, weights=values[chosen]).astype(np.int64) for values in (events, exposure)]
    here = (sums[0] > 0) | (sums[1] > 0)
    cells, sums = cells[here], [values[here] for values in sums]
    dimension = "sessions" if question == ENGAGEMENT.name else ALL
    return pa.table(
        {
            "question": [question] * len(cells),
            "dimension": [dimension] * len(cells),
            "part": [part] * len(cells),
            "stratum": [names[code] for code in cells // GROUPS],
            "month": pa.array([months.dates[month].item()] * len(cells), pa.date32()),
            "customer_group": (cells % GROUPS).astype(np.int32),
            "events": sums[0],
            "exposure": sums[1],
        }
    )
