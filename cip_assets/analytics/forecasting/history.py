"""The histories of a sample of buyers as arrays, so that what was known on any day is a matter of milliseconds.

Days are counted from 1970-01-01. A sum of days, sessions or money is taken per buyer, and a day after the one that is
asked for is never looked at.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cip_assets.analytics.forecasting.maximum_likelihood import Floats

Numbers = NDArray[np.int64]

RECENT_DAYS = 30
LONG_AGO = 365
"""Days since the last session count up to here, and so do buyers without any."""


@dataclass(frozen=True, eq=False)
class Events:
    """What happened to whom and when: one entry per event, each array of the shape (m,).

    Attributes:
        buyer: the number of the buyer, from 0.
        day: the day of the event.
        value: what is counted: money, sessions, or the day on which a ticket was closed.

    """

    buyer: Numbers
    day: Numbers
    value: Floats

    def between(self, after: int, until: int) -> Self:
        """The events of the days after one day, up to and including another."""
        inside = (self.day > after) & (self.day <= until)
        return type(self)(self.buyer[inside], self.day[inside], self.value[inside])

    def count(self, buyers: int) -> Floats:
        return np.bincount(self.buyer, minlength=buyers).astype(float)

    def total(self, buyers: int) -> Floats:
        return np.bincount(self.buyer, self.value, minlength=buyers).astype(float)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known about n buyers on a day. Every array has the shape (n,).

    Attributes:
        x: purchase days - 1.
        t_x: days from the first to the last purchase day.
        age: days from the first purchase day to the day.
        is_first_paid: 1 if the first purchase day was paid, else 0.
        paid_x: paid days after the first purchase day.
        mean_value: the mean of these days; nan if there are none.
        spend: all spend; nan if an amount is unknown.
        recent_sessions: web sessions in the last 30 days.
        earlier_sessions: web sessions in the 90 days before those.
        session_age: days since the last session, at most 365; 365 without one.
        tickets: tickets opened so far.
        open_tickets: those that are still open.
        returns: returns so far.

    """

    x: Floats
    t_x: Floats
    age: Floats
    is_first_paid: Floats
    paid_x: Floats
    mean_value: Floats
    spend: Floats
    recent_sessions: Floats
    earlier_sessions: Floats
    session_age: Floats
    tickets: Floats
    open_tickets: Floats
    returns: Floats

    def __len__(self) -> int:
        return len(self.x)

    @property
    def recency(self) -> Floats:
        """Days since the last purchase."""
        return self.age - self.t_x


@dataclass(frozen=True, eq=False)
class Came:
    """What the buyers known on a day did in the window after it: purchase days and spend, each of the shape (n,)."""

    days: Floats
    spend: Floats


@dataclass(frozen=True, eq=False)
class History:
    """The events of a sample of buyers.

    Attributes:
        buyers: how many there are.
        purchases: one entry per purchase day, sorted by buyer and day; the value is its spend, nan if unknown.
        sessions: one per day with sessions; the value is their number.
        tickets: one per ticket; the value is the day on which it was closed, infinite if it was not.
        returns: one per return; the value is not used.

    """

    buyers: int
    purchases: Events
    sessions: Events
    tickets: Events
    returns: Events

    def buyers_on(self, day: int) -> Numbers:
        """The numbers of the buyers who had bought by a day."""
        return np.unique(self.purchases.buyer[self.purchases.day <= day])

    def known_on(self, day: int) -> Known:
        """What was known on a day about the buyers who had bought by then."""
        n, bought = self.buyers, self.purchases.between(-(10**6), day)
        who, first = np.unique(bought.buyer, return_index=True)
        last = np.append(first[1:], len(bought.buyer)) - 1
        days, spend = bought.count(n)[who], bought.total(n)[who]
        paid = np.bincount(bought.buyer, bought.value > 0, minlength=n)[who]
        first_value = bought.value[first] if len(first) else np.zeros(0)
        is_first_paid = (first_value > 0).astype(float)
        paid_x = paid - is_first_paid
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(paid_x > 0, (spend - first_value) / paid_x, np.nan)
        visits = self.sessions.between(-(10**6), day)
        last_visit = np.full(n, float(day - LONG_AGO))
        np.maximum.at(last_visit, visits.buyer, visits.day.astype(float))
        tickets = self.tickets.between(-(10**6), day)
        is_open = tickets.value > day
        return Known(
            x=days - 1,
            t_x=(bought.day[last] - bought.day[first]).astype(float) if len(who) else np.zeros(0),
            age=(day - bought.day[first]).astype(float) if len(who) else np.zeros(0),
            is_first_paid=is_first_paid,
            paid_x=paid_x,
            mean_value=mean,
            spend=spend,
            recent_sessions=self.sessions.between(day - RECENT_DAYS, day).total(n)[who],
            earlier_sessions=self.sessions.between(day - 4 * RECENT_DAYS, day - RECENT_DAYS).total(n)[who],
            session_age=day - last_visit[who],
            tickets=tickets.count(n)[who],
            open_tickets=np.bincount(tickets.buyer, is_open, minlength=n)[who].astype(float),
            returns=self.returns.between(-(10**6), day).count(n)[who],
        )

    def came(self, day: int, window_days: int) -> Came:
        """The purchases in the window after a day of the buyers who had bought by then."""
        inside, who = self.purchases.between(day, day + window_days), self.buyers_on(day)
        return Came(inside.count(self.buyers)[who], inside.total(self.buyers)[who])
