"""The ground truth of the generated data: `_truth.json` has the totals, `_truth.csv` has each defect."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from cip_assets.synthetic.catalog import RISING_CATEGORY
from cip_assets.synthetic.config import GeneratorConfig
from cip_assets.synthetic.tables import COLUMNS

TRUTH_JSON: Final = "_truth.json"
TRUTH_CSV: Final = "_truth.csv"
TRUTH_COLUMNS: Final = ("table", "file", "line", "id", "defect", "outcome", "reason")


@dataclass
class RowCounts:
    """Line counts of one table: landed = clean + quarantined + superseded. Clean includes late lines."""

    landed: int = 0
    clean: int = 0
    quarantined: int = 0
    superseded: int = 0
    late: int = 0


@dataclass
class Truth:
    """The known answers. Clean rows are those that correct cleaning keeps, including orphans."""

    config: GeneratorConfig
    rows: dict[str, RowCounts] = field(default_factory=lambda: {table: RowCounts() for table in COLUMNS})
    cents: Counter[str] = field(default_factory=Counter)
    """Sums of the amounts of clean rows of transactions and returns, and of the orphans among them."""
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: {table: Counter() for table in COLUMNS})
    """Planted defects by table and kind."""
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: {table: Counter() for table in COLUMNS})
    """Planted defects by table and reason code."""

    @property
    def money(self) -> dict[str, Decimal]:
        """The totals of `cents` in currency units, exact."""
        return {name: Decimal(cents).scaleb(-2) for name, cents in sorted(self.cents.items())}

    @property
    def story(self) -> dict[str, Any]:
        """The trends that were planted; none in the scenario steady unless established customers decline."""
        config = self.config
        decline = {
            "established_customers_decline": {
                "from": config.trend_start.isoformat(),
                "rate_lost": config.established_decline,
            }
        }
        planted = decline if config.established_decline > 0 else {}
        if not config.story:
            return planted
        return planted | {
            "repeat_purchases_decline": {
                "from": config.trend_start.isoformat(),
                "rate_lost_by_end": config.repeat_decline,
                "rate_lost_by_last_cohort": config.cohort_decline,
            },
            "return_ratio_rises": {
                "category": RISING_CATEGORY,
                "from": config.trend_start.isoformat(),
                "probability_times_at_end": 1 + config.return_rise,
            },
            "complaints_rise": {
                "from": config.complaint_start.isoformat(),
                "full_after_days": 60,
                "rate_times_after": 1 + config.complaint_rise,
            },
            "engagement_predicts_churn": {"sessions_fade_days_before_drop_out": config.fade_days},
        }

    def as_json(self) -> str:
        """The text of `_truth.json`, with money as decimal strings."""
        config = asdict(self.config) | {"end": self.config.end.isoformat()}
        model = (
            "bgnbd_r",
            "bgnbd_alpha",
            "bgnbd_a",
            "bgnbd_b",
            "gamma_gamma_p",
            "gamma_gamma_q",
            "gamma_gamma_gamma",
        )
        content = {
            "config": config,
            "start": self.config.start.isoformat(),
            "purchase_model": {name: config[name] for name in model},
            "rows": {table: asdict(rows) for table, rows in self.rows.items()},
            "money": {name: str(amount) for name, amount in self.money.items()},
            "defects": {table: dict(sorted(counts.items())) for table, counts in self.kinds.items()},
            "reasons": {table: dict(sorted(counts.items())) for table, counts in self.reasons.items()},
            "story": self.story,
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def append_defects(path: Path, records: Iterable[tuple[str, str, int, str, str, str, str]]) -> None:
    """Append lines to `_truth.csv`; the first call writes the header."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(TRUTH_COLUMNS)
        writer.writerows(records)
