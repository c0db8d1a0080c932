"""The backtest in figures: by model, by window and segment, by decile, and by reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from cip_assets.analytics.forecasting.candidates import CANDIDATES
from cip_assets.analytics.forecasting.candidates.process import LearnedProcess
from cip_assets.analytics.forecasting.forecast import bands_of
from cip_assets.analytics.forecasting.intervals import coverage
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.plain import to_plain
from cip_assets.analytics.forecasting.reasons import Tested, Typical, contributions, tested
from cip_assets.analytics.forecasting.rolling import Backtest
from cip_assets.analytics.forecasting.scores import Judged, deciles, figures
from cip_assets.analytics.forecasting.spend import name_of

STANDARD_ERRORS = 3.0
"""The limit of a bias allows for so many standard errors."""

FEWEST_DAYS = 200
"""A bias has no limit if fewer purchase days came. In so small a shop one event, such as a campaign that ended, moves
all of them, and standard errors count buyers as if each came for reasons of their own.
"""

EVERYONE, ONCE, AGAIN = "all", "bought once", "bought again"
"""The segments of the backtest: purchase days on the day of the forecast."""


@dataclass(frozen=True)
class Judgment:
    """What the backtest says.

    Attributes:
        chosen: the name of the chosen variant; None if nothing can be learned.
        is_withheld: whether it did not certainly beat the base rate.
        origins: the windows that it was judged by; 1 is the newest.
        figures: bias and coverage, as in ``features/forecast_model``.
        error_band: how far the forecasts were off, in words.
        notes: sentences that say which model is used and why.
        fits: the processes and the value model that were fitted on the snapshot day, as plain values.
        overall: a row of figures for each variant and baseline.
        by_window: a row for each variant, window and segment.
        calibration: a row for each variant and decile.
        reasons: the test of each reason in the newest window.

    """

    chosen: str | None
    is_withheld: bool
    origins: Sequence[int]
    figures: Mapping[str, float | None]
    error_band: str
    notes: Sequence[str]
    fits: Mapping[str, Any]
    overall: Sequence[Mapping[str, Any]]
    by_window: Sequence[Mapping[str, Any]]
    calibration: Sequence[Mapping[str, Any]]
    reasons: Sequence[Tested]


def judge(past: Past, found: Backtest, max_bias: float) -> Judgment:
    """The figures of a backtest.

    Args:
        past: the origins.
        found: the backtest on them.
        max_bias: the largest bias that a large shop may have, as a share.

    """
    mine = found.of_chosen
    whole = joined(list(mine.values())) if mine else None
    tests = _tested(past, found)
    biases = _biases(whole, max_bias) if whole else {}
    return Judgment(
        chosen=found.chosen.name if found.chosen else None,
        is_withheld=found.is_withheld,
        origins=sorted(mine),
        figures={
            "orders_bias": None,
            "allowed_orders_bias": None,
            "spend_bias": None,
            "allowed_spend_bias": None,
            **biases,
            **_coverages(past, found),
            "lowest_reason_z": min((each.z_score for each in tests), default=None),
        },
        error_band=_error_band(past, mine),
        notes=found.notes,
        fits=_fits(past),
        overall=[
            {"model": name, "windows": len(windows), **_figures(joined(list(windows.values())))}
            for name, windows in found.judged.items()
        ],
        by_window=list(_by_window(past, found)),
        calibration=[
            {"model": name, "decile": decile, "customers": n, "predicted": expects, "actual": actual}
            for name, windows in found.judged.items()
            for decile, n, expects, actual in deciles(joined(list(windows.values())))
        ],
        reasons=tests,
    )


def joined(windows: Sequence[Judged]) -> Judged:
    """The forecasts of several windows as one."""
    return Judged(
        *(
            np.concatenate([getattr(window, name) for window in windows])
            for name in Judged.__dataclass_fields__
        )
    )


def _figures(judged: Judged) -> Mapping[str, Any]:
    return {"customers": len(judged.p), **figures(judged)}


def _by_window(past: Past, found: Backtest) -> Sequence[Mapping[str, Any]]:
    """Every variant by window, and the chosen one also by segment."""
    rows = []
    chosen = found.chosen.name if found.chosen else None
    for name, windows in found.judged.items():
        for origin, judged in windows.items():
            again = past.known(origin).x > 0
            parts = {EVERYONE: np.ones(len(again), dtype=bool)}
            if name == chosen:
                parts |= {ONCE: ~again, AGAIN: again}
            rows += [
                {"model": name, "origin": origin, "segment": segment, **_figures(judged.of(those))}
                for segment, those in parts.items()
                if those.any()
            ]
    return rows


def _biases(whole: Judged, max_bias: float) -> Mapping[str, float | None]:
    """The bias of the orders and the spend, and their limits. Their standard errors are those of sums over buyers."""
    is_limited = whole.came_days.sum() >= FEWEST_DAYS

    def of(name: str, expected: Floats, came: Floats) -> Mapping[str, float | None]:
        total = float(came.sum())
        if not total > 0 or not np.isfinite(expected).all():
            return {}
        error = sqrt(float(np.sum((came - expected) ** 2))) / total
        return {
            f"{name}_bias": float(expected.sum()) / total - 1,
            f"allowed_{name}_bias": max_bias + STANDARD_ERRORS * error if is_limited else None,
        }

    return {**of("orders", whole.days, whole.came_days), **of("spend", whole.spend, whole.came_spend)}


def _coverages(past: Past, found: Backtest) -> Mapping[str, float | None]:
    """The coverage of the newest window by intervals from the others."""
    mine = found.of_chosen
    others = [judged for origin, judged in mine.items() if origin > 1]
    unknown: Mapping[str, float | None] = {"orders_coverage": None, "spend_coverage": None}
    if found.chosen is None or 1 not in mine or not others:
        return unknown
    bands, newest = bands_of(past, found.chosen, others), mine[1]
    if bands is None:
        return unknown
    return {
        "orders_coverage": coverage(bands.orders, newest.days, newest.came_days),
        "spend_coverage": coverage(bands.spend, newest.spend, newest.came_spend) if bands.spend else None,
    }


def _error_band(past: Past, mine: Mapping[int, Judged]) -> str:
    if not mine:
        return "No window is over, so nobody knows how far the forecasts are off."
    length = f"of {past.window_days} days"
    windows = f"the last window {length}" if len(mine) == 1 else f"the last {len(mine)} windows {length}"

    def came(name: str, expected: str, actual: str) -> str | None:
        ratios = [
            float(getattr(window, actual).sum() / total)
            for window in mine.values()
            if (total := float(getattr(window, expected).sum())) > 0
        ]
        if not ratios or not np.isfinite(ratios).all():
            return None
        low, high = min(ratios), max(ratios)
        share = f"{low:.0%}" if len(ratios) == 1 else f"{low:.0%} to {high:.0%}"
        return f"{name} were {share} of what was expected"

    said = [
        came("orders", "days", "came_days"),
        came("sales", "spend", "came_spend"),
    ]
    return f"In {windows}, {' and '.join(part for part in said if part) or 'nothing was expected'}."


def _fits(past: Past) -> Mapping[str, Any]:
    """Every process that was fitted on the snapshot day, and the value model."""
    fits: dict[str, Any] = {}
    for candidate in CANDIDATES:
        learned = candidate.learn(past, 0)
        if isinstance(learned, LearnedProcess):
            fits[candidate.name] = learned.to_dict()
    spend = past.spend(0) if past.is_there(0) else None
    return fits if spend is None else {**fits, **{name_of(fit): to_plain(fit) for fit in spend.fitted}}


def _tested(past: Past, found: Backtest) -> Sequence[Tested]:
    """The reasons as they would have been given one window ago, and who churned since."""
    forecast = found.chosen.forecast(past, 1) if found.chosen and 1 in found.of_chosen else None
    if forecast is None or found.is_withheld:
        return []
    learned, _ = forecast
    known = past.known(1)
    parts = contributions(learned, known, Typical.of(known), past.window_days)
    return tested(parts, past.came(1).days == 0)
