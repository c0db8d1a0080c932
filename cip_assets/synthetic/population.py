"""The customers: who they are, when they buy, and when they drop out.

The purchase process is BG/NBD (Fader, Hardie, Lee 2005, "Counting Your Customers" the Easy Way): while active, customer
i buys at rate lambda_i ~ Gamma(r, alpha); after each repeat purchase the customer drops out with probability
p_i ~ Beta(a, b). Rates may also be lognormal or of two kinds. The first purchase starts the clock and is not followed
by a drop-out. Times are continuous, in days since the start of the data; the tables contain whole days. The models
count purchase days, so a purchase on a day that already has one is moved to the next day. Otherwise r and alpha could
not be recovered.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cip_assets.synthetic import tables, text
from cip_assets.synthetic.config import GeneratorConfig

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MONTH_SHAPE: Final = np.array([-0.5, -0.6, -0.2, -0.1, 0.1, 0.0, -0.2, -0.3, 0.0, 0.2, 0.8, 0.8])
"""Month-of-year effect, January first; sums to 0."""
WEEKDAY_SHAPE: Final = np.array([-0.4, -0.4, -0.3, -0.1, 0.3, 0.7, 0.2])
"""Day-of-week effect, Monday first; sums to 0."""

FEMALE_NAMES: Final = (
    "Aaliyah",
    "Amélie",
    "Anna",
    "Beatriz",
    "Chloë",
    "Elena",
    "Emma",
    "Fatima",
    "Grace",
    "Hannah",
    "Ines",
    "Jūratė",
    "Kateřina",
    "Lucía",
    "Mary Ann",
    "Mei",
    "Nadia",
    "Olivia",
    "Priya",
    "Ruth",
    "Sofia",
    "Yuki",
    "Zoë",
)
MALE_NAMES: Final = (
    "Ahmed",
    "André",
    "Björn",
    "Carlos",
    "Daniel",
    "David",
    "Ethan",
    "Felix",
    "Giorgos",
    "Hiroshi",
    "Ivan",
    "James",
    "José",
    "Liam",
    "Łukasz",
    "Marco",
    "Mohammed",
    "Noah",
    "Omar",
    "Peter",
    'Robert "Bob"',
    "Samuel",
    "Thomas",
)
LAST_NAMES: Final = (
    "Adeyemi",
    "Andersson",
    "Brown",
    "Chen",
    "Davis",
    "De la Cruz",
    "Dupont",
    "Fernández",
    "García",
    "Haddad",
    "Ivanova",
    "Johnson",
    "Kim",
    "King, Jr.",
    "Kowalski",
    "Lee",
    "Martin",
    "Müller",
    "Nguyen",
    "Nowak",
    "O'Brien",
    "Okafor",
    "Papadopoulos",
    "Patel",
    "Rossi",
    "Sánchez",
    "Sato",
    "Schmidt",
    "Silva",
    "Smith",
    "Smith-Jones",
    "Taylor",
    "van den Berg",
    "Walker",
    "Williams",
    "Wójcik",
    "Öztürk",
    "小林",
)
FIRST_NAMES: Final = FEMALE_NAMES + MALE_NAMES
EMAIL_DOMAINS: Final = ("example.com", "example.net", "example.org")


@dataclass(frozen=True)
class Population:
    """A chunk of customers and their purchase occasions. Days count from the start of the data.

    Per customer, with shape (n,): `number` of the id, `signup` day, `rate` of repeat purchases per day after the cohort
    effect (0 for customers who never buy), and `dropout`, the time of the last purchase of customers who drop out,
    which is infinite for the others. Per purchase occasion, sorted by customer and time: `buyer` is an index into the
    chunk, and `bought` is the time.
    """

    number: Ints
    signup: Floats
    rate: Floats
    dropout: Floats
    buyer: Ints
    bought: Floats


def pick(rng: np.random.Generator, weights: tuple[float, ...], size: int) -> Ints:
    """Indices drawn with the given weights; shape (size,)."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges[:-1] / edges[-1], rng.random(size), side="right").astype(np.int64)


def ramp(config: GeneratorConfig, time: Floats) -> Floats:
    """0 until the last 9 months, then linearly up to 1 on the last day."""
    first = config.day(config.trend_start)
    return np.clip((time - first) / (config.days - first), 0.0, 1.0)


def accumulate(intensity: Floats) -> Floats:
    """Cumulative intensity at the edges of the days, 0 first; shape (days + 1,).

    The intensity per day is scaled to a mean of 1, so that a trend moves events in time but hardly changes the total.
    """
    cumulative = np.concatenate([[0.0], np.cumsum(intensity)])
    scale: float = len(intensity) / cumulative[-1]
    return cumulative * scale


def arrivals(
    rng: np.random.Generator, rate: Floats, begin: Floats, until: Floats, cumulative: Floats
) -> tuple[Ints, Floats]:
    """Draw a Poisson process per customer from `begin` to `until`, at `rate` times the day's intensity.

    Returns the owner and the time of each arrival, sorted by owner and time. The intensity stretches time: the draws
    are uniform in cumulative intensity and are then mapped back to days.
    """
    days = np.arange(len(cumulative), dtype=np.float64)
    low = np.interp(begin, days, cumulative)
    width = np.maximum(np.interp(until, days, cumulative) - low, 0.0)
    owner = np.repeat(np.arange(len(rate)), rng.poisson(rate * width))
    position = np.sort(owner + rng.random(len(owner))) - owner
    time = np.interp(low[owner] + position * width[owner], cumulative, days)
    return owner, np.minimum(time, np.nextafter(days[-1], 0.0))


def make_population(
    config: GeneratorConfig, size: int, first_number: int, rng: np.random.Generator
) -> Population:
    """Draw `size` customers whose ids begin at `first_number`, and their purchase occasions."""
    share = rng.random(size)
    growth = config.signup_growth
    if growth > 0:
        # Inverse of the distribution function of a density that rises from 1 to 1 + growth.
        share = (np.sqrt(1 + 2 * growth * share * (1 + growth / 2)) - 1) / growth
    signup = np.floor(np.minimum(share, np.nextafter(1.0, 0.0)) * config.days)
    first = signup + rng.uniform(0.0, config.first_purchase_days, size)
    buys = (rng.random(size) >= config.never_buy) & (first < config.days)

    rate = _rates(config, size, rng)
    # With less than 1e-9, a customer would practically never drop out.
    p = np.maximum(rng.beta(config.bgnbd_a, config.bgnbd_b, size), 1e-9)
    lifetime = rng.geometric(p)
    if config.story:
        cohort = 1 - config.cohort_decline * signup / config.days
        rate = rate * cohort / (1 - config.cohort_decline / 2)
    rate = np.where(buys, rate, 0.0)

    start = np.where(buys, first, config.days)
    owner, time = arrivals(
        rng, rate, start, np.full(size, float(config.days)), accumulate(_intensity(config))
    )
    if config.established_decline > 0:
        begins = config.day(config.trend_start)
        is_lost = rng.random(len(owner)) < config.established_decline
        stays = ~(is_lost & (first[owner] < begins) & (time >= begins))
        owner, time = owner[stays], time[stays]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner) + 1
    dropout = np.full(size, np.inf)
    last = rank == lifetime[owner]
    dropout[owner[last]] = time[last]
    kept = rank <= lifetime[owner]

    buyer = np.concatenate([np.flatnonzero(buys), owner[kept]])
    bought = np.concatenate([first[buys], time[kept]])
    order = np.argsort(buyer, kind="stable")
    buyer, bought = _one_a_day(buyer[order], bought[order])
    inside = bought < config.days
    number = np.arange(first_number, first_number + size)
    return Population(number, signup, rate, dropout, buyer[inside], bought[inside])


def _rates(config: GeneratorConfig, size: int, rng: np.random.Generator) -> Floats:
    """Purchase rates per day, with the mean r / alpha and the squared coefficient of variation 1 / r."""
    r, mean = config.bgnbd_r, config.bgnbd_r / config.bgnbd_alpha
    if config.rates == "lognormal":
        variance = np.log1p(1 / r)
        return np.asarray(mean * np.exp(rng.normal(-variance / 2, np.sqrt(variance), size)))
    if config.rates == "two_point":
        odds = config.frequent_share / (1 - config.frequent_share)
        often, seldom = mean * (1 + (odds * r) ** -0.5), mean * (1 - (odds / r) ** 0.5)
        return np.asarray(np.where(rng.random(size) < config.frequent_share, often, seldom))
    return rng.gamma(r, 1 / config.bgnbd_alpha, size)


def _one_a_day(buyer: Ints, bought: Floats) -> tuple[Ints, Floats]:
    """The purchases, sorted by customer and time, each at least one day after the customer's previous one."""
    if not len(buyer):
        return buyer, bought
    rank = np.arange(len(buyer)) - np.searchsorted(buyer, buyer)
    day = np.floor(bought)
    # The running maximum of day minus rank; each customer starts above all earlier ones.
    ahead = buyer * (day.max() + rank.max() + 1)
    moved = np.maximum.accumulate(ahead + day - rank) - ahead + rank
    return buyer, moved + (bought - day)


def customer_columns(
    config: GeneratorConfig, people: Population, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Text of customers.csv, unquoted; one row per customer."""
    size = len(people.number)
    gender = pick(rng, (0.5, 0.47, 0.03), size)
    female = (gender == 0) | ((gender == 2) & (rng.random(size) < 0.5))
    first = np.where(
        female,
        rng.integers(len(FEMALE_NAMES), size=size),
        len(FEMALE_NAMES) + rng.integers(len(MALE_NAMES), size=size),
    )
    last = rng.integers(len(LAST_NAMES), size=size)
    local = pc.binary_join_element_wise(
        text.labels([_mail_name(name) for name in FIRST_NAMES], first),
        text.labels([_mail_name(name) for name in LAST_NAMES], last),
        text.integers(people.number),
        ".",
    )
    signup = people.signup.astype(np.int64)
    age_days = rng.integers(18 * 366, 80 * 365, size)
    return {
        "customer_id": text.identifiers("C", people.number, 7),
        "first_name": text.labels(FIRST_NAMES, first),
        "last_name": text.labels(LAST_NAMES, last),
        "email": pc.binary_join_element_wise(
            local, text.labels(EMAIL_DOMAINS, rng.integers(3, size=size)), "@"
        ),
        "gender": text.labels(tables.GENDERS, gender),
        "date_of_birth": text.dates(config.start, signup - age_days),
        "signup_date": text.dates(config.start, signup),
        "region": text.labels(tables.REGIONS, pick(rng, (0.24, 0.22, 0.2, 0.18, 0.16), size)),
        "customer_segment": text.labels(tables.SEGMENTS, pick(rng, (0.6, 0.25, 0.15), size)),
    }


def _intensity(config: GeneratorConfig) -> Floats:
    """Relative intensity of repeat purchases per day. The steady scenario has a season only if it is asked for."""
    day = np.datetime64(config.start, "D") + np.arange(config.days)
    month = day.astype("datetime64[M]").astype(np.int64) % 12
    season: Floats = 1 + config.season * MONTH_SHAPE[month]
    if not config.story:
        return season
    weekday = (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    seasonal = 1 + config.seasonality * MONTH_SHAPE[month]
    weekly = 1 + config.weekday_effect * WEEKDAY_SHAPE[weekday]
    trend = 1 - config.repeat_decline * ramp(config, np.arange(config.days, dtype=np.float64))
    return season * seasonal * weekly * trend


def _mail_name(name: str) -> str:
    """ASCII letters of a name in lower case, for the local part of an email address."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalpha()) or "customer"
