"""The figures, the charts and the code that draws them, in one HTML file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import jinja2
from markupsafe import Markup

from cip_assets.analytics.insights.questions import QUESTIONS
from cip_assets.calc.currencies import MIXED
from cip_assets.config.rules import Rules
from cip_assets.reporting.dashboard.charts import calibration, charts, proof, windows
from cip_assets.reporting.dashboard.figures import Figures, Rows
from cip_assets.reporting.dashboard.runtime import runtime
from cip_assets.reporting.labels import label

TEMPLATE = Path(__file__).with_name("page.html.jinja")

STYLE = TEMPLATE.with_name("style.css")

ORDER = tuple(question.name for question in QUESTIONS)


@dataclass(frozen=True)
class Column:
    """A column of a table of the page; the values of one that is ``named`` are names of columns, tables or models."""

    name: str
    form: str = ""
    named: bool = False

    @property
    def title(self) -> str:
        return label(self.name)

    @property
    def is_number(self) -> bool:
        return self.form.endswith(("d", "f", "%"))

    def text(self, row: Mapping[str, Any]) -> str:
        value = row[self.name]
        if value is None:
            return ""
        return label(value) if self.named else format(value, self.form)


@dataclass(frozen=True)
class Table:
    """A table of the page, of the figure of its name."""

    name: str
    heading: str
    text: str
    columns: Sequence[Column]


TOTALS = (
    Column("total_customers", ",d"),
    Column("buyers", ",d"),
    Column("total_revenue", ",.2f"),
    Column("net_revenue", ",.2f"),
    Column("avg_order_value", ",.2f"),
)

CUSTOMERS = (
    Column("rank", "d"),
    Column("customer_id"),
    Column("rfm_segment"),
    Column("region"),
    Column("monetary_value", ",.2f"),
    Column("frequency", ",d"),
    Column("clv_12m", ",.2f"),
    Column("churn_band"),
)
"""The table that the filters and the search act on."""


def tables(rules: Rules) -> Sequence[Table]:
    """The tables below the charts."""
    window = rules.churn.window_days
    return [
        Table(
            "currencies",
            "Currencies",
            "Orders and amounts in each currency, before any conversion.",
            [
                Column("currency"),
                Column("orders", ",d"),
                *(
                    Column(name, ",.2f")
                    for name in ("total_revenue", "charged", "returned_amount", "refunded", "net_revenue")
                ),
            ],
        ),
        Table(
            "backtest",
            "Accuracy of the forecasts",
            f"Each model and baseline in the last windows of {window} days, the best first. Lower is better for the "
            f"log "
            "loss, the Brier score and the error of the orders, higher for AUC and the share of the top decile. A bias "
            "above 0 means that more was expected than came.",
            [
                Column("model", named=True),
                Column("is_used"),
                Column("log_loss", ".4f"),
                Column("brier", ".4f"),
                Column("auc", ".3f"),
                Column("rmse_orders", ".3f"),
                Column("orders_bias", "+.1%"),
                Column("spend_bias", "+.1%"),
                Column("top_decile_spend_share", ".0%"),
            ],
        ),
        Table(
            "reason_effects",
            "Churn reasons, tested",
            f"Reasons as they would have been given {window} days ago, and who has churned since. An effect above 0 "
            f"means "
            "that buyers with the reason churned more than others, other things equal. Beyond 3 standard errors it is "
            "certain.",
            [
                Column("reason"),
                Column("buyers", ",d"),
                Column("churned_share", ".0%"),
                Column("effect", "+.2f"),
                Column("z_score", "+.1f"),
            ],
        ),
        Table(
            "activity",
            "Web activity",
            "Sessions of all visitors up to the snapshot day.",
            [Column("activity_type"), Column("sessions", ",d"), Column("session_share", ".1%")],
        ),
        Table(
            "quality",
            "Data quality",
            "Lines delivered so far, also those dated after the snapshot day. Quarantined lines break a rule. "
            "Superseded lines were replaced by newer ones.",
            [
                Column("table", named=True),
                Column("cleaned", ",d"),
                Column("quarantined", ",d"),
                Column("superseded", ",d"),
                Column("reasons"),
                Column("newest", ".10"),
            ],
        ),
    ]


def unknown(totals: Mapping[str, Any]) -> Sequence[str]:
    """Why some totals are empty, in sentences."""
    if totals["orders"] is None:
        return [
            "No orders were delivered, so buyers and revenue are unknown, and there are no segments and no forecasts."
        ]
    found = []
    if totals["total_revenue"] is None and totals["currency"] == MIXED:
        found.append(
            "The amounts are in several currencies without rates, so there is no total, and nothing that compares or "
            "forecasts spend. The table Currencies has the totals by currency."
        )
    elif totals["total_revenue"] is None:
        found.append(
            "Some amounts are unknown, so there is no total, and nothing that compares or forecasts spend."
        )
    if totals["buyers"] is None:
        found.append("No order names a customer, so the buyers are unknown.")
    return found


@dataclass(frozen=True)
class Migration:
    """The segment migration as a matrix: the share of each earlier segment that is in each segment now."""

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


def page(figures: Figures, as_of: date, rules: Rules, known_at: date | None = None) -> str:
    """The whole page; it loads nothing from anywhere.

    Args:
        figures: what it shows.
        as_of: the snapshot day.
        rules: the business rules.
        known_at: the day by which everything had been delivered, if the figures use only that.

    """
    drawn, cube = charts(rules), figures.cube
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True
    )
    return environment.get_template(TEMPLATE.name).render(
        as_of=as_of,
        known_at=known_at,
        window_days=rules.churn.window_days,
        figures=figures.tables,
        questions={question.name: question.asks for question in QUESTIONS},
        answers=sorted(figures.tables["insights"], key=lambda row: ORDER.index(row["question"])),
        confidence=f"{rules.insights.confidence:.0%}",
        label=label,
        titles={"region": "Region", "segment": "RFM segment", "cohort": "Quarter of the first purchase"},
        totals=TOTALS,
        unknown=unknown(figures.tables["totals"][0]),
        charts=drawn,
        customers=CUSTOMERS,
        tables=tables(rules),
        migration=Migration.of(figures.tables["migration"]),
        filters={
            name: sorted({cell[place] for cell in cube["cells"]}) for place, name in enumerate(cube["by"])
        },
        cube_json=_as_script(cube),
        proofs_json=_as_script(
            {
                name: proof(name, [row for row in figures.tables["proofs"] if row["question"] == name])
                for name in ORDER
            }
            | {
                "windows": windows(figures.tables["windows"]),
                "calibration": calibration(figures.tables["calibration"]),
            }
        ),
        specs_json=_as_script({chart.name: chart.spec for chart in drawn}),
        runtime=Markup(runtime().replace("</script", "<\\/script")),  # noqa: S704
    )


def source() -> str:
    """The page's own text and code."""
    return "".join(
        path.read_text(encoding="utf-8") for path in (TEMPLATE, TEMPLATE.with_name("page.js"), STYLE)
    )


def _as_script(value: object) -> Markup:
    """JSON that cannot end the script element around it."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704
