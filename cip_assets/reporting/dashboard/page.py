"""The figures, the charts and the code that draws them, in one HTML file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import jinja2
from markupsafe import Markup

from cip_assets.reporting.dashboard.charts import charts
from cip_assets.reporting.dashboard.figures import Figures, Rows
from cip_assets.reporting.dashboard.runtime import runtime

TEMPLATE = Path(__file__).with_name("page.html.jinja")

QUESTIONS = {
    "repeat_purchases": "Are repeat purchases declining?",
    "returns": "Are returns rising?",
    "complaints": "Are complaints rising?",
    "engagement": "Does engagement foretell churn?",
}


@dataclass(frozen=True)
class Column:
    """A column of a table of the page."""

    name: str
    title: str
    form: str = ""

    @property
    def is_number(self) -> bool:
        return bool(self.form)

    def text(self, row: Mapping[str, Any]) -> str:
        value = row[self.name]
        return "" if value is None else format(value, self.form)


@dataclass(frozen=True)
class Table:
    """A table of the page, of the figure of its name."""

    name: str
    heading: str
    columns: Sequence[Column]


CUSTOMERS = Table(
    "customers",
    "Top customers",
    [
        Column("rank", "rank", "d"),
        Column("customer_id", "customer"),
        Column("rfm_segment", "segment"),
        Column("region", "region"),
        Column("monetary_value", "spent", ",.2f"),
        Column("frequency", "purchases", ",d"),
        Column("clv_12m", "expected in 12 months", ",.2f"),
        Column("churn_band", "churn"),
    ],
)
"""The table that the filters and the look-up act on."""

TABLES = (
    Table(
        "backtest",
        "How good the predictions of 90 days ago were",
        [
            Column("model", "model"),
            Column("brier", "Brier score", ".4f"),
            Column("auc", "AUC", ".3f"),
            Column("spearman", "Spearman", ".3f"),
            Column("calibration_error", "calibration error", ".3f"),
            Column("top_decile_spend_share", "spend in the top tenth", ".0%"),
        ],
    ),
    Table(
        "activity",
        "Web activity",
        [
            Column("activity_type", "activity"),
            Column("sessions", "sessions", ",d"),
            Column("session_share", "share", ".1%"),
        ],
    ),
    Table(
        "quality",
        "Data quality",
        [
            Column("table", "table"),
            Column("cleaned", "rows", ",d"),
            Column("quarantined", "quarantined", ",d"),
            Column("superseded", "superseded", ",d"),
            Column("reasons", "why quarantined"),
            Column("newest", "newest event"),
        ],
    ),
)

TOTALS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Customers": lambda row: f"{row['total_customers']:,}",
    "Buyers": lambda row: f"{row['buyers']:,}",
    "Revenue": lambda row: f"{row['total_revenue']:,.2f}",
    "Revenue after returns": lambda row: f"{row['net_revenue']:,.2f}",
    "Mean order": lambda row: f"{row['avg_order_value']:,.2f}" if row["avg_order_value"] is not None else "",
}


@dataclass(frozen=True)
class Moves:
    """The moves between segments as a matrix: for each segment of before the share that is in each one now."""

    before: Sequence[str]
    now: Sequence[str]
    share: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, rows: Rows) -> Self:
        return cls(
            sorted({row["from_segment"] for row in rows}),
            sorted({row["to_segment"] for row in rows}),
            {(row["from_segment"], row["to_segment"]): row["share"] for row in rows},
        )


def page(figures: Figures, as_of: date) -> str:
    """The whole page; it loads nothing from anywhere."""
    drawn = charts()
    tables, cube = figures.tables, figures.cube
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True
    )
    (totals,) = tables["totals"]
    return environment.get_template(TEMPLATE.name).render(
        as_of=as_of,
        figures=tables,
        questions=QUESTIONS,
        totals={name: text(totals) for name, text in TOTALS.items()},
        charts=drawn,
        customers=CUSTOMERS,
        tables=TABLES,
        moves=Moves.of(tables["migration"]),
        filters={
            name: sorted({cell[place] for cell in cube["cells"]}) for place, name in enumerate(cube["by"])
        },
        cube_json=_as_script(cube),
        specs_json=_as_script({chart.name: chart.spec for chart in drawn}),
        runtime=Markup(runtime().replace("</script", "<\\/script")),  # noqa: S704
    )


def source() -> str:
    """The page's own text and code."""
    return "".join(path.read_text(encoding="utf-8") for path in (TEMPLATE, TEMPLATE.with_name("page.js")))


def _as_script(value: object) -> Markup:
    """JSON that cannot end the script it stands in."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704
