"""The events of the customers: transactions, returns, tickets and web sessions.

Spend per purchase occasion follows the Gamma-Gamma model (Fader, Hardie 2013, The Gamma-Gamma Model of Monetary
Value): the value of an occasion is Gamma(p, nu_i), with nu_i ~ Gamma(q, gamma) per customer. Or it is lognormal: the
mean of customer i is lognormal, and so is each value around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cip_assets.synthetic import tables, text
from cip_assets.synthetic.catalog import CATEGORIES, RISING_CATEGORY, Catalog
from cip_assets.synthetic.config import GeneratorConfig
from cip_assets.synthetic.population import Floats, Ints, Population, accumulate, arrivals, pick, ramp

LONGEST_RETURN_DAYS: Final = 45
PRICE_BAND: Final = 0.15
"""A line's unit price differs from the catalog price by at most this share."""
RESOLUTION_DAYS: Final = np.array([9.0, 5.0, 3.0, 1.5])
"""The median number of days to resolve a ticket, by priority from Low to Urgent."""


@dataclass(frozen=True)
class Transactions:
    """Transaction lines, in the order of customer and time; arrays of shape (lines,)."""

    number: Ints  # of the transaction id
    customer: Ints  # index into the chunk
    product: Ints  # index into the catalog
    quantity: Ints
    price: Ints  # cents per piece
    payment: Ints
    day: Ints

    @property
    def amount(self) -> Ints:
        """Cents per line."""
        return self.quantity * self.price


@dataclass(frozen=True)
class Returns:
    """Returns, at most one per transaction line; arrays of shape (returns,)."""

    line: Ints  # index into the transactions
    amount: Ints  # cents, at most the amount of the transaction
    day: Ints


@dataclass(frozen=True)
class Rows:
    """One event table of a chunk: its text in file order, the event days, and the cents per row if it has amounts."""

    columns: dict[str, pa.Array]
    day: Ints
    cents: Ints | None = None


def make_transactions(
    config: GeneratorConfig,
    people: Population,
    catalog: Catalog,
    first_number: int,
    rng: np.random.Generator,
) -> Transactions:
    """Draw one or two lines per purchase occasion, whose amounts add up to the occasion's value.

    The product is the one with the nearest price, with some random variation and a preference for the customer's
    favorite category. The unit price then stays within 15% of the catalog price.
    """
    size = len(people.number)
    favorite = rng.integers(len(CATEGORIES), size=size)
    usual_payment = pick(rng, (0.35, 0.25, 0.2, 0.08, 0.07, 0.05), size)
    value = _values(config, people, rng)

    two = rng.random(len(value)) < config.second_line
    occasion = np.repeat(np.arange(len(value)), 1 + two)
    second = np.concatenate([[False], occasion[1:] == occasion[:-1]])
    split = np.where(two, rng.uniform(0.3, 0.7, len(value)), 1.0)[occasion]
    cents = 100 * value[occasion] * np.where(second, 1 - split, split)
    count = len(occasion)
    customer = people.buyer[occasion]

    quantity = 1 + pick(rng, (0.72, 0.18, 0.07, 0.03), count)
    # A value above the price of the most expensive product needs a higher quantity.
    quantity = np.maximum(quantity, np.ceil(cents / catalog.price[-1])).astype(np.int64)
    unit = cents / quantity
    product = _nearest(catalog.price, unit * rng.lognormal(0.0, 0.08, count))
    for _ in range(2):
        other = _nearest(catalog.price, unit * rng.lognormal(0.0, 0.12, count))
        product = np.where(catalog.category[product] == favorite[customer], product, other)
    listed = catalog.price[product]
    price = np.rint(np.clip(unit, (1 - PRICE_BAND) * listed, (1 + PRICE_BAND) * listed)).astype(np.int64)

    payment = np.where(
        rng.random(count) < 0.75,
        usual_payment[customer],
        rng.integers(len(tables.PAYMENT_METHODS), size=count),
    )
    number = np.arange(first_number, first_number + count)
    return Transactions(number, customer, product, quantity, price, payment, _days(people.bought[occasion]))


def _values(config: GeneratorConfig, people: Population, rng: np.random.Generator) -> Floats:
    """The value of each purchase occasion, in currency units."""
    size, occasions = len(people.number), len(people.buyer)
    if config.spend == "lognormal":
        between, within = config.lognormal_between, config.lognormal_within
        # A lognormal value has the mean 1 if the mean of its log is minus half of the variance.
        mean = config.mean_value * np.exp(rng.normal(-(between**2) / 2, between, size))
        return np.asarray(mean[people.buyer] * np.exp(rng.normal(-(within**2) / 2, within, occasions)))
    nu = rng.gamma(config.gamma_gamma_q, 1 / config.gamma_gamma_gamma, size)
    return np.asarray(rng.gamma(config.gamma_gamma_p, 1.0, occasions) / nu[people.buyer])


def transaction_rows(
    config: GeneratorConfig, people: Population, catalog: Catalog, lines: Transactions
) -> Rows:
    """Text of the transactions."""
    columns = {
        "transaction_id": text.identifiers("T", lines.number, 9),
        "customer_id": text.identifiers("C", people.number[lines.customer], 7),
        "product_id": catalog.ids.take(pa.array(lines.product)),
        "quantity": text.integers(lines.quantity),
        "price": text.money(lines.price),
        "amount": text.money(lines.amount),
        "payment_method": text.labels(tables.PAYMENT_METHODS, lines.payment),
        "transaction_date": text.dates(config.start, lines.day),
    }
    return Rows(columns, lines.day, lines.amount)


def make_returns(
    config: GeneratorConfig, catalog: Catalog, lines: Transactions, rng: np.random.Generator
) -> Returns:
    """Draw the returns, 1 to 45 days after the purchase. Returns after the end are left out.

    In the story, the return probability of Electronics rises with the purchase day for 3 months and then stays.
    """
    category = catalog.category[lines.product]
    probability = np.array([c.return_probability for c in CATEGORIES])[category]
    if config.story:
        rising = [c.name for c in CATEGORIES].index(RISING_CATEGORY)
        risen = np.minimum(3 * ramp(config, lines.day.astype(np.float64)), 1)
        rise = 1 + config.return_rise * risen
        probability = np.where(category == rising, np.minimum(probability * rise, 0.9), probability)
    count = len(lines.day)
    delay = np.minimum(1 + _days(rng.gamma(2.0, 5.0, count)), LONGEST_RETURN_DAYS)
    back = (rng.random(count) < probability) & (lines.day + delay < config.days)
    line = np.flatnonzero(back)
    partial = rng.random(len(line)) < config.partial_return
    kept = np.where(partial, rng.uniform(0.1, 0.8, len(line)), 0.0)
    amount = lines.amount[line] - np.floor(lines.amount[line] * kept).astype(np.int64)
    return Returns(line, amount, (lines.day + delay)[line])


def return_rows(
    config: GeneratorConfig,
    people: Population,
    catalog: Catalog,
    lines: Transactions,
    returns: Returns,
    first_number: int,
    rng: np.random.Generator,
) -> Rows:
    """Text of the returns."""
    count = len(returns.line)
    columns = {
        "return_id": text.identifiers("R", np.arange(first_number, first_number + count), 8),
        "transaction_id": text.identifiers("T", lines.number[returns.line], 9),
        "customer_id": text.identifiers("C", people.number[lines.customer[returns.line]], 7),
        "product_id": catalog.ids.take(pa.array(lines.product[returns.line])),
        "amount": text.money(returns.amount),
        "return_reason": text.labels(
            tables.RETURN_REASONS, pick(rng, (0.22, 0.12, 0.2, 0.3, 0.1, 0.06), count)
        ),
        "return_date": text.dates(config.start, returns.day),
    }
    return Rows(columns, returns.day, returns.amount)


def ticket_rows(
    config: GeneratorConfig,
    people: Population,
    lines: Transactions,
    returns: Returns,
    first_number: int,
    rng: np.random.Generator,
) -> Rows:
    """Text of the support tickets: a base rate per customer, and tickets within 7 days of a return.

    Customers who never buy open a quarter as many tickets, and no tickets are opened later than 30 days after drop-out.
    A ticket that would be resolved after the end is still open. In the story, the base rate rises for 60 days; the rise
    begins 180 days before the end.
    """
    size = len(people.number)
    rate = config.tickets_per_day * rng.gamma(2.0, 0.5, size) * np.where(people.rate > 0, 1.0, 0.25)
    intensity = np.ones(config.days)
    if config.story:
        since = np.arange(config.days) - config.day(config.complaint_start)
        intensity = 1 + config.complaint_rise * np.clip(since / 60, 0.0, 1.0)
    until = np.minimum(people.dropout + 30, config.days)
    owner, time = arrivals(rng, rate, people.signup, until, accumulate(intensity))

    follows = rng.random(len(returns.line)) < config.ticket_after_return
    later = returns.day[follows] + rng.integers(0, 8, int(follows.sum()))
    known = later < config.days
    day = np.concatenate([_days(time), later[known]])
    customer = np.concatenate([owner, lines.customer[returns.line][follows][known]])
    after_return = np.arange(len(day)) >= len(owner)
    order = np.lexsort((day, customer))
    day, customer, after_return = day[order], customer[order], after_return[order]

    count = len(day)
    category = np.where(
        after_return,
        pick(rng, (0.08, 0.2, 0.3, 0.38, 0.0, 0.04), count),
        pick(rng, (0.2, 0.28, 0.14, 0.06, 0.17, 0.15), count),
    )
    priority = pick(rng, (0.3, 0.42, 0.2, 0.08), count)
    took = _days(np.minimum(RESOLUTION_DAYS[priority] * rng.lognormal(0.0, 0.9, count), 120.0))
    never = rng.random(count) < 0.04
    resolved = ~never & (day + took < config.days)
    open_status = pick(rng, (0.5, 0.32, 0.18), count)
    status = np.where(resolved, 3 + (rng.random(count) < 0.6), open_status)
    # Some tickets are closed without a resolution date.
    status = np.where(never & (rng.random(count) < 0.3), tables.STATUSES.index("Closed"), status)
    columns = {
        "ticket_id": text.identifiers("S", np.arange(first_number, first_number + count), 8),
        "customer_id": text.identifiers("C", people.number[customer], 7),
        "ticket_category": text.labels(tables.TICKET_CATEGORIES, category),
        "priority": text.labels(tables.PRIORITIES, priority),
        "status": text.labels(tables.STATUSES, status),
        "opened_date": text.dates(config.start, day),
        "resolved_date": text.blank_unless(resolved, text.dates(config.start, day + took)),
    }
    return Rows(columns, day)


def session_rows(
    config: GeneratorConfig,
    people: Population,
    catalog: Catalog,
    first_number: int,
    rng: np.random.Generator,
) -> Rows:
    """Text of the web sessions, one line each. Nine out of ten have a time, the others only a date.

    In the story, a buyer's sessions follow the buyer's purchase rate, decrease over the last days before drop-out and
    stop there. In the steady scenario they do not depend on purchases or drop-out. Customers who never buy have a fifth
    of the mean rate.
    """
    size = len(people.number)
    buyer = people.rate > 0
    until = np.full(size, float(config.days))
    if config.story:
        pace = 0.25 + 0.75 * people.rate / (config.bgnbd_r / config.bgnbd_alpha)
        until = np.minimum(until, people.dropout)
    else:
        # Sessions do not end with drop-out here, so there are fewer per day, to get the same total.
        pace = 0.62 * rng.gamma(config.bgnbd_r, 1 / config.bgnbd_r, size)
    rate = config.sessions_per_day * np.where(buyer, pace, 0.2)
    owner, time = arrivals(rng, rate, people.signup, until, accumulate(np.ones(config.days)))
    if config.story:
        # 10% of a customer's usual rate stays until the end.
        stays = rng.random(len(owner)) < np.maximum((people.dropout[owner] - time) / config.fade_days, 0.1)
        owner, time = owner[stays], time[stays]

    count = len(owner)
    day = _days(time)
    timed = text.times(config.start, day, rng.integers(6 * 3600, 24 * 3600, count))
    with_time = pa.array(rng.random(count) < 0.9)
    activity = pick(rng, (0.34, 0.2, 0.09, 0.12, 0.04, 0.11, 0.04, 0.06), count)
    columns = {
        "session_id": text.identifiers("W", np.arange(first_number, first_number + count), 9),
        "customer_id": text.identifiers("C", people.number[owner], 7),
        "activity_type": text.labels(tables.ACTIVITY_TYPES, activity),
        "product_id": catalog.ids.take(pa.array(rng.integers(len(catalog.price), size=count))),
        "timestamp": pc.if_else(with_time, timed, text.dates(config.start, day)),
    }
    return Rows(columns, day)


def _days(time: Floats) -> Ints:
    """Whole days of continuous times."""
    return np.floor(time).astype(np.int64)


def _nearest(prices: NDArray[np.int64], target: Floats) -> Ints:
    """Index of the price nearest to each target; `prices` is sorted."""
    right = np.clip(np.searchsorted(prices, target), 1, max(len(prices) - 1, 1))
    right = np.minimum(right, len(prices) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(target - prices[left] <= prices[right] - target, left, right).astype(np.int64)
