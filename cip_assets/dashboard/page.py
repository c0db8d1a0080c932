"""The figures, the charts and the code that draws them, in one HTML file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from cip_assets.dashboard.charts import charts
from cip_assets.dashboard.figures import Rows

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
        "products",
        "Top products",
        [
            Column("rank", "", "d"),
            Column("product_name", "product"),
            Column("category", "category"),
            Column("revenue", "revenue", ",.2f"),
            Column("orders", "orders", ",d"),
        ],
    ),
    Table(
        "customers",
        "Top customers",
        [
            Column("rank", "", "d"),
            Column("customer_id", "customer"),
            Column("rfm_segment", "segment"),
            Column("monetary_value", "spent", ",.2f"),
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


def page(figures: Mapping[str, Rows], as_of: date) -> str:
    """The whole page; it loads nothing from anywhere."""
    drawn = charts()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True
    )
    (totals,) = figures["totals"]
    return environment.get_template(TEMPLATE.name).render(
        as_of=as_of,
        figures=figures,
        questions=QUESTIONS,
        totals={name: text(totals) for name, text in TOTALS.items()},
        charts=drawn,
        tables=TABLES,
        figures_json=_as_script(figures),
        specs_json=_as_script({chart.name: chart.spec for chart in drawn}),
        runtime=_runtime(),
    )


def _as_script(value: object) -> Markup:
    """JSON that cannot end the script it stands in."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704


@cache
def _runtime() -> Markup:
    """Vega-Lite's own code, as vl-convert carries it."""
    # Imported here: it is large, and a process that only loads the graph need not wait for it.
    import vl_convert  # noqa: PLC0415

    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    return Markup(bundle.replace("</script", "<\\/script"))  # noqa: S704
