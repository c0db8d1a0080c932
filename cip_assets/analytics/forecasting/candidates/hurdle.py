"""The hurdle model: whether a buyer comes within the window, and how often one who comes does.

P(at least one purchase day) is an additive logistic regression, and E[days | at least one] = 1 + exp of an additive
Poisson regression, on what BG/NBD expects, recency, tenure, purchase days, spend, web sessions, tickets and returns.
Both learn from the last finished window. So E = P (1 + ...) >= P, and the log odds are a sum with one term per input.
After Cragg (1971), "Some Statistical Models for Limited Dependent Variables", and Mullahy (1986), "Specification and
Testing of Some Modified Count Data Models".

Other horizons have the shape that BG/NBD gives them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cip_assets.analytics.forecasting.additive import Additive, Family, fit_additive
from cip_assets.analytics.forecasting.candidates.bg_nbd import BG_NBD
from cip_assets.analytics.forecasting.candidates.candidate import Outlook, outlook_of
from cip_assets.analytics.forecasting.candidates.process import LearnedProcess
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.plain import to_plain
from cip_assets.analytics.special import expit

ENOUGH_OF_EACH = 100
"""The fewest buyers who came, and who did not, to learn from."""

HISTORY, SPEND, VISITS, COMPLAINTS, RETURNS = "history", "spend", "visits", "complaints", "returns"
"""The parts of the log odds: that of the purchase days, and the others."""

PART_OF = {
    "log_expected": HISTORY,
    "log_recency": HISTORY,
    "log_age": HISTORY,
    "log_purchases": HISTORY,
    "log_spend_per_day": SPEND,
    "log_recent_sessions": VISITS,
    "log_earlier_sessions": VISITS,
    "log_session_age": VISITS,
    "log_tickets": COMPLAINTS,
    "open_tickets": COMPLAINTS,
    "log_returns": RETURNS,
}
"""The part that each input belongs to."""


@dataclass(frozen=True)
class LearnedHurdle:
    """Both regressions, and the process behind them."""

    base: LearnedProcess
    comes: Additive
    more: Additive

    def outlook(self, known: Known, window_days: int, horizons: Sequence[float]) -> Outlook:
        base = self.base.outlook(known, window_days, horizons)
        values = inputs(known, base.days)
        p = np.asarray(expit(self.comes(values)))
        days = p * (1 + np.exp(self.more(values)))
        return Outlook(base.p_alive, p, days, base.ahead * (days / np.maximum(base.days, 1e-12)))

    def history(self, known: Known, window_days: int) -> Floats:
        values = inputs(known, self.base.outlook(known, window_days, []).days)
        curves = [
            curve(values[name]) for name, curve in self.comes.curves.items() if PART_OF[name] == HISTORY
        ]
        return np.asarray(np.sum(curves, axis=0) + self.comes.intercept)

    def others(self, known: Known) -> Mapping[str, Floats]:
        values, parts = inputs(known, np.ones(len(known))), dict[str, Floats]()
        for name, curve in self.comes.curves.items():
            part = PART_OF[name]
            if part != HISTORY:
                parts[part] = parts.get(part, np.zeros(len(known))) + curve(values[name])
        return parts

    def to_dict(self) -> dict[str, Any]:
        return {
            "base": self.base.to_dict(),
            "comes": to_plain(self.comes),
            "more": to_plain(self.more),
        }


def inputs(known: Known, expected: Floats) -> Mapping[str, Floats]:
    """The inputs of both regressions. The spend is left out if an amount is unknown.

    Args:
        known: what is known about n buyers.
        expected: the purchase days that the process expects within the window, shape (n,).

    """
    found = {
        "log_expected": np.log(expected + 1e-4),
        "log_recency": np.log1p(known.recency),
        "log_age": np.log1p(known.age),
        "log_purchases": np.log1p(known.x),
        "log_spend_per_day": np.log1p(known.spend / (known.x + 1)),
        "log_recent_sessions": np.log1p(known.recent_sessions),
        "log_earlier_sessions": np.log1p(known.earlier_sessions),
        "log_session_age": np.log1p(known.session_age),
        "log_tickets": np.log1p(known.tickets),
        "open_tickets": np.minimum(known.open_tickets, 1.0),
        "log_returns": np.log1p(known.returns),
    }
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


class HurdleCandidate:
    """The hurdle model as a candidate: it learns on an origin from the window that ended there."""

    name = "hurdle"

    def learn(self, past: Past, origin: int) -> LearnedHurdle | None:
        before = origin + 1
        base, then = BG_NBD.learn(past, origin), outlook_of(past, BG_NBD, before)
        if base is None or then is None:
            return None
        return past.kept((self.name, origin), lambda: self._fitted(past, before, base, then))

    def _fitted(self, past: Past, before: int, base: LearnedProcess, then: Outlook) -> LearnedHurdle | None:
        known, days = past.known(before), past.came(before).days
        came = days > 0
        if min(came.sum(), (~came).sum()) < ENOUGH_OF_EACH:
            return None
        values = inputs(known, then.days)
        of_those = {name: column[came] for name, column in values.items()}
        return LearnedHurdle(
            base,
            _additive(past, values, came.astype(float), "binomial"),
            _additive(past, of_those, days[came] - 1, "poisson"),
        )

    def from_dict(self, plain: Mapping[str, Any]) -> LearnedHurdle:
        return LearnedHurdle(
            BG_NBD.from_dict(plain["base"]), *(Additive.of_plain(plain[name]) for name in ("comes", "more"))
        )


def _additive(past: Past, values: Mapping[str, Floats], outcome: Floats, family: Family) -> Additive:
    plain = past.fits.made(
        "additive", (values, outcome, family), lambda: asdict(fit_additive(values, outcome, family))
    )
    return Additive.of_plain(plain)


HURDLE = HurdleCandidate()
