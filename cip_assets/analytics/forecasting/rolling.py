"""The rolling backtest: every candidate forecasts windows that are over, and the one that did best is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from cip_assets.analytics.forecasting.baselines import BASE_RATE, BASELINES
from cip_assets.analytics.forecasting.candidates import CANDIDATES
from cip_assets.analytics.forecasting.candidates.candidate import Candidate, Learned, outlook_of
from cip_assets.analytics.forecasting.level import LEVELS, PLAIN, at_level, spend_level
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past, of_values
from cip_assets.analytics.forecasting.scores import Judged, losses

MOST_ORIGINS = 4
"""Windows that candidates are judged by: a year at 90 days each."""

HALF = 0.5
"""The weight of a window relative to the one after it: a shop is more like it was lately."""

CERTAIN = 2.326
"""What a standard normal value exceeds with a probability of 1%: there are many candidates to be misled by."""

LEAST_GAIN = 0.002
"""Nats per buyer. A smaller gain is not worth another model, however certain it is."""

ENOUGH_TO_JUDGE = 200
"""Forecasts, each of a buyer in a window. With fewer, the simplest candidate is used and shown as it is."""


@dataclass(frozen=True)
class Variant:
    """A candidate with a way to set its level."""

    candidate: Candidate
    level: str

    @property
    def name(self) -> str:
        return self.candidate.name if self.level == PLAIN else f"{self.candidate.name}_{self.level}"

    def forecast(self, past: Past, origin: int) -> tuple[Learned, float] | None:
        """What is learned on an origin, and the level there; None if that is impossible."""
        learned = self.candidate.learn(past, origin)
        level = None if learned is None else LEVELS[self.level](past, self.candidate, origin)
        return None if learned is None or level is None else (learned, level)


VARIANTS: Sequence[Variant] = tuple(Variant(candidate, level) for candidate in CANDIDATES for level in LEVELS)
"""Everything that competes, the simplest first."""


@dataclass(frozen=True)
class Backtest:
    """The judged forecasts by the name of the variant or baseline and by origin, and the choice.

    Attributes:
        judged: by name, then by origin; the newest origin is 1.
        chosen: the variant that is used; None if nothing can be learned on the snapshot day.
        is_judged: whether there was enough to judge by.
        is_withheld: whether the variant did not certainly beat the base rate, though there was enough to judge by.
        notes: sentences that say why.

    """

    judged: Mapping[str, Mapping[int, Judged]]
    chosen: Variant | None
    is_judged: bool
    is_withheld: bool
    notes: tuple[str, ...]

    @property
    def of_chosen(self) -> Mapping[int, Judged]:
        return {} if self.chosen is None else self.judged.get(self.chosen.name, {})


def backtest(past: Past, variants: Sequence[Variant] = VARIANTS) -> Backtest:
    """Judge every variant and baseline on the origins, and choose."""
    origins = [origin for origin in range(1, MOST_ORIGINS + 1) if past.is_there(origin)]
    judged: dict[str, dict[int, Judged]] = {}
    for variant in variants:
        found = {origin: result for origin in origins if (result := _judged(past, variant, origin))}
        if found:
            judged[variant.name] = found
    for name, guess in BASELINES.items():
        guesses = {origin: made for origin in origins if (made := guess(past, origin))}
        if guesses:
            judged[name] = {
                origin: Judged(
                    made.p,
                    made.days,
                    made.spend,
                    made.rank,
                    past.came(origin).days,
                    past.came(origin).spend,
                )
                for origin, made in guesses.items()
            }
    possible = [variant for variant in variants if variant.forecast(past, 0)]
    if not possible:
        return Backtest(
            judged, None, False, False, ("No model can be learned: too few buyers, or too few days.",)
        )
    return _chosen(past, possible, judged)


def _judged(past: Past, variant: Variant, origin: int) -> Judged | None:
    forecast, outlook = variant.forecast(past, origin), outlook_of(past, variant.candidate, origin)
    if forecast is None or outlook is None:
        return None
    _, level = forecast
    known, came = past.known(origin), past.came(origin)
    p, days = at_level(outlook.p_active, outlook.days, level)
    spend = past.spend(origin)
    expected = (
        np.full(len(known), np.nan)
        if spend is None
        else days * of_values(spend, known) * spend_level(past, origin)
    )
    return Judged(p, days, expected, p, came.days, came.spend)


def _chosen(past: Past, possible: Sequence[Variant], judged: Mapping[str, Mapping[int, Judged]]) -> Backtest:
    simplest = next((variant for variant in possible if variant.name == "bg_nbd"), possible[0])
    people = sum(len(found.p) for found in judged.get(simplest.name, {}).values())
    if people < ENOUGH_TO_JUDGE:
        note = (
            f"{simplest.name} is used: {people} forecasts could be judged, "
            f"but {ENOUGH_TO_JUDGE} are needed to choose."
        )
        return Backtest(judged, simplest, False, False, (note,))
    standing, notes = simplest, []
    for variant in possible[possible.index(simplest) + 1 :]:
        if variant.name not in judged:
            continue
        gain = compared(past, judged[standing.name], judged[variant.name])
        if gain.is_certain:
            notes.append(
                f"{variant.name} did certainly better than {standing.name}: by {gain.mean:.4f} nats per buyer "
                f"(standard error {gain.error:.4f})."
            )
            standing = variant
    notes.insert(0, f"{standing.name} is used, of {len(judged) - len(BASELINES)} variants that were judged.")
    is_withheld = False
    if BASE_RATE in judged:
        gain = compared(past, judged[BASE_RATE], judged[standing.name])
        is_withheld = not gain.mean > CERTAIN * gain.error
        word = "did not certainly beat" if is_withheld else "beat"
        notes.append(
            f"It {word} the base rate: by {gain.mean:.4f} nats per buyer (standard error {gain.error:.4f})."
        )
    return Backtest(judged, standing, True, is_withheld, tuple(notes))


@dataclass(frozen=True)
class Gain:
    """How much better one forecast did than another.

    Attributes:
        mean: nats per buyer, positive if better, weighted by origin.
        error: its standard error, with the forecasts of one buyer in several windows as one observation.
        better_on: the share of the origins on which it did better.

    """

    mean: float
    error: float
    better_on: float

    @property
    def is_certain(self) -> bool:
        return self.mean > max(CERTAIN * self.error, LEAST_GAIN) and self.better_on >= HALF


def compared(past: Past, standing: Mapping[int, Judged], other: Mapping[int, Judged]) -> Gain:
    """The gain of another forecast over the standing one, on the origins that both have."""
    origins = sorted(standing.keys() & other.keys())
    if not origins:
        return Gain(0.0, 0.0, 0.0)
    weights = np.array([HALF**origin for origin in origins])
    weights = weights / weights.sum()
    by_buyer = np.zeros(past.history.buyers)
    means = []
    for origin, weight in zip(origins, weights, strict=True):
        gains: Floats = losses(standing[origin]) - losses(other[origin])
        mean = float(gains.mean())
        means.append(mean)
        by_buyer[past.buyers(origin)] += weight * (gains - mean) / len(gains)
    return Gain(
        float(np.sum(weights * np.array(means))),
        sqrt(float(np.sum(by_buyer**2))),
        sum(mean > 0 for mean in means) / len(means),
    )
