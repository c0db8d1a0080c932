"""Whether an audience bought more than its holdout: the measured lift, with its interval."""

from dataclasses import dataclass
from datetime import date, timedelta

from statsmodels.stats.proportion import confint_proportions_2indep

from cip_assets.audiences import ledger
from cip_assets.audiences.config import Audience
from cip_assets.config.settings import Settings
from cip_assets.storage import delta, questions
from cip_assets.storage.views import view


@dataclass(frozen=True)
class Lift:
    """How many bought within the window after the day on which they joined.

    ``low`` and ``high`` are the ends of the interval of the difference of the two shares, by Newcombe's method; None if
    one of the groups is empty.
    """

    sent: int
    sent_bought: int
    held: int
    held_bought: int
    low: float | None
    high: float | None

    @property
    def difference(self) -> float | None:
        """How much larger the share of buyers is in the audience than in the holdout."""
        if not self.sent or not self.held:
            return None
        return self.sent_bought / self.sent - self.held_bought / self.held


def lift(settings: Settings, name: str, audience: Audience, last_day: date, confidence: float) -> Lift:
    """Compare those who joined long enough ago with the holdout. Each counts once, from the day they first joined.

    Args:
        settings: the data folder.
        name: the audience.
        audience: its declaration: the window is ``measure_days`` long.
        last_day: the last day with complete data.
        confidence: that of the interval.

    """
    with questions.connection() as connection:
        ledger.show(settings, name, connection)
        view(connection, "order_days", delta.dataset(settings.table_uri("facts", "order_days")))
        counted = connection.execute(
            f"""
            WITH joined AS (
              SELECT customer_id, arg_min(is_holdout, as_of_date) AS is_holdout, min(as_of_date) AS day
              FROM ledger WHERE change = 'joined' GROUP BY customer_id),
            judged AS (
              SELECT is_holdout, EXISTS (
                FROM order_days o WHERE o.customer_id = j.customer_id
                  AND o.transaction_date > j.day AND o.transaction_date <= j.day + {audience.measure_days}) AS bought
              FROM joined j WHERE day <= ?)
            SELECT is_holdout, count(*), count(*) FILTER (bought) FROM judged GROUP BY is_holdout""",
            [last_day - timedelta(days=audience.measure_days)],
        ).fetchall()
    groups = {is_holdout: (people, bought) for is_holdout, people, bought in counted}
    (sent, sent_bought), (held, held_bought) = (groups.get(held, (0, 0)) for held in (False, True))
    low, high = (
        confint_proportions_2indep(
            sent_bought, sent, held_bought, held, method="newcomb", compare="diff", alpha=1 - confidence
        )
        if sent and held
        else (None, None)
    )
    return Lift(sent, sent_bought, held, held_bought, low, high)
