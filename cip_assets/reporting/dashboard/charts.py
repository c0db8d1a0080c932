"""How the facts are drawn: Vega-Lite charts over named data, which the page supplies.

They are written as Vega-Lite itself. Altair would make the same from calls, but takes half a second to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cip_assets.analytics.insights.answers import SIDES
from cip_assets.analytics.insights.questions import ENGAGEMENT
from cip_assets.config.rules import Rules
from cip_assets.layers.marts.cell_products import TOP_PRODUCTS
from cip_assets.reporting.dashboard.facts import CLV_LAST, COMPLETE, INCOMPLETE
from cip_assets.reporting.labels import label

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
HEIGHT = 240
BLUE = "#4c78a8"
"""Vega's own color of marks, named here for marks that have an outline too."""
GRAY = "#8a8f98"
MONTH = 28 * 86_400_000
"""The shortest month in milliseconds, so that a short history does not name a month twice."""
KINDS = {"Q": "quantitative", "N": "nominal", "O": "ordinal", "T": "temporal"}
ON_TOP = {"orient": "top"}
SHARES = {"labelExpr": "isNaN(datum.value) ? '' : format(datum.value, '.0%')"}
"""A legend of shares, also if none is known."""
ACTUAL, UNCHANGED = "Actual", "Had nothing changed"
EXPECTED, CAME = "Expected", "Came"
MAYBE_WITHHELD = "No data. If this is so without a filter, the forecasts are withheld."
MAYBE_UNKNOWN = (
    "No data. If this is so without a filter, there are no orders, or some amounts are unknown or not in one "
    "currency."
)


@dataclass(frozen=True)
class Chart:
    """A chart of the page: heading, one or two sentences about it, and its Vega-Lite specification.

    ``needs`` is the figure without which there is nothing to draw, and ``empty`` is shown then.
    """

    name: str
    needs: str
    heading: str
    text: str
    spec: Mapping[str, Any]
    empty: str = "No data"


def field(name: str, **more: Any) -> dict[str, Any]:
    """A column and its kind, such as ``revenue:Q``, with the column's label as its title."""
    column, _, kind = name.partition(":")
    return {"field": column, "type": KINDS[kind], "title": label(column), **more}


def axis(name: str, form: str = "", **more: Any) -> dict[str, Any]:
    """A column along an axis, with the format of its ticks."""
    return field(name, **({"axis": {"format": form}} if form else {}), **more)


def tip(name: str, form: str = "") -> dict[str, Any]:
    """A line of a tooltip."""
    return field(name, **({"format": form} if form else {}))


# Months are days without a time. Read as local time, they would fall into the month before, west of Greenwich.
MONTHS = {
    "field": "month",
    "type": "temporal",
    "title": "Month",
    "scale": {"type": "utc"},
    "axis": {"title": None, "format": "%b %y", "labelOverlap": True, "tickMinStep": MONTH},
}


def month_tip(column: str, title: str) -> dict[str, Any]:
    return {
        "field": column,
        "type": "temporal",
        "timeUnit": "utcyearmonth",
        "title": title,
        "format": "%B %Y",
    }


MONTH_TIP = month_tip("month", "Month")
BUYERS_TIP = {**tip("customers:Q", ",.0f"), "title": "Known buyers"}

STATE = field(
    # An incomplete month must not look like a fall: its mark is hollow, and the line to it is dashed.
    "state:N",
    scale={"domain": [COMPLETE, INCOMPLETE], "range": [BLUE, "transparent"]},
    legend={**ON_TOP, "title": None, "symbolStrokeColor": BLUE, "symbolStrokeWidth": 1},
)


def drawn(data: str, **spec: Any) -> Mapping[str, Any]:
    """A specification over named data."""
    return {"$schema": SCHEMA, "data": {"name": data}, "width": "container", "height": HEIGHT, **spec}


def line(measure: str, form: str) -> Mapping[str, Any]:
    """A line by month, of complete months."""
    return drawn(
        "trends",
        mark={"type": "line", "point": True},
        encoding={"x": MONTHS, "y": axis(measure, form), "tooltip": [MONTH_TIP, tip(measure, form)]},
    )


def so_far(measure: str, form: str) -> Mapping[str, Any]:
    """A line by month, incomplete months included."""
    place = {"x": MONTHS, "y": axis(measure, form)}
    return drawn(
        "months",
        layer=[
            {
                "transform": [{"filter": f"datum.state == '{COMPLETE}'"}],
                "mark": {"type": "line"},
                "encoding": place,
            },
            {
                "transform": [
                    {
                        "window": [{"op": "row_number", "as": "place"}],
                        "sort": [{"field": "month", "order": "descending"}],
                    },
                    {"filter": "datum.place <= 2"},
                ],
                "mark": {"type": "line", "strokeDash": [4, 4]},
                "encoding": place,
            },
            {
                "mark": {"type": "point", "stroke": BLUE, "size": 40},
                "encoding": {
                    **place,
                    "fill": STATE,
                    "tooltip": [MONTH_TIP, tip(measure, form), tip("state:N")],
                },
            },
        ],
    )


def bars(data: str, length: Mapping[str, Any], name: str, *tips: Any, **more: Any) -> Mapping[str, Any]:
    """A bar for each name, the longest first."""
    return drawn(
        data,
        mark={"type": "bar"},
        encoding={
            "x": length,
            "y": field(f"{name}:N", sort="-x", axis={"title": None}),
            "tooltip": [tip(f"{name}:N"), *tips],
            **more,
        },
    )


def proof(question: str, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The chart behind an answer: the rate of each month, and what it would have been had nothing changed."""
    compared = question == ENGAGEMENT.name
    unit = rows[0]["unit"] if rows else ""
    lines = []
    for row in rows:
        named = row["part"].capitalize() if compared else ACTUAL
        lines.append({"month": row["month"], "what": named, "rate": row["rate"]})
        if row["expected_rate"] is not None:
            lines.append({"month": row["month"], "what": UNCHANGED, "rate": row["expected_rate"]})
    domain = [side.capitalize() for side in reversed(SIDES)] if compared else [ACTUAL, UNCHANGED]
    what = {
        "field": "what",
        "type": "nominal",
        "scale": {"domain": domain},
        "legend": {**ON_TOP, "title": None},
    }
    rate = {"field": "rate", "type": "quantitative", "title": unit.capitalize()}
    return {
        "$schema": SCHEMA,
        "data": {"values": lines},
        "width": "container",
        "height": 150,
        "title": {"text": unit.capitalize(), "anchor": "start", "fontWeight": "normal"},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": MONTHS,
            "y": {**rate, "title": None},
            "color": what,
            "strokeDash": what,
            "tooltip": [
                MONTH_TIP,
                {**what, "title": "What", "legend": None, "scale": None},
                {**rate, "format": ".2f"},
            ],
        },
    }


def retention() -> Mapping[str, Any]:
    """A field for each cohort and month."""
    return drawn(
        "retention",
        mark={"type": "rect"},
        encoding={
            "x": field("month_number:O", axis={"labelOverlap": True}),
            "y": {
                "field": "cohort_month",
                "type": "ordinal",
                "timeUnit": "utcyearmonth",
                "title": "Cohort",
                "axis": {"title": None, "format": "%b %y", "labelOverlap": True},
            },
            "color": {
                **field("retention_rate:Q", legend=SHARES, scale={"scheme": "viridis"}),
                "title": "Retention",
            },
            "tooltip": [
                month_tip("cohort_month", "Cohort"),
                tip("month_number:O"),
                tip("retention_rate:Q", ".1%"),
                tip("cohort_size:Q", ",.0f"),
            ],
        },
    )


def windows(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The chart of the forecasts that are over: the orders that were expected of each window, and those that came."""
    values = [
        {"window": row["predicted_on"], "what": what, "orders": row[f"{prefix}_orders"]}
        for row in rows
        for what, prefix in ((EXPECTED, "expected"), (CAME, "came"))
    ]
    what = {
        "field": "what",
        "type": "nominal",
        "title": "What",
        "scale": {"domain": [EXPECTED, CAME]},
        "legend": {**ON_TOP, "title": None},
    }
    orders = {"field": "orders", "type": "quantitative", "title": "Orders"}
    window = {"field": "window", "type": "ordinal", "title": "Window after"}
    return {
        **drawn_over(values),
        "mark": {"type": "bar"},
        "encoding": {
            "x": {**window, "axis": {"labelAngle": 0}},
            "xOffset": {"field": "what", "sort": [EXPECTED, CAME]},
            "y": orders,
            "color": what,
            "tooltip": [window, {**what, "legend": None, "scale": None}, {**orders, "format": ",.0f"}],
        },
    }


def calibration(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The chart of the deciles of the model used: the share that was expected to come, and the share that came."""
    shares = {"scale": {"domain": [0, 1]}}
    return {
        **drawn_over(list(rows)),
        "layer": [
            {
                "data": {"values": [{"predicted": share, "actual": share} for share in (0, 1)]},
                "mark": {"type": "line", "color": GRAY, "strokeDash": [4, 4], "strokeWidth": 1},
                "encoding": {
                    "x": {"field": "predicted", "type": "quantitative"},
                    "y": {"field": "actual", "type": "quantitative"},
                },
            },
            {
                "mark": {"type": "line", "point": True},
                "encoding": {
                    "x": axis("predicted:Q", ".0%", **shares),
                    "y": axis("actual:Q", ".0%", **shares),
                    "tooltip": [
                        tip("decile:O"),
                        tip("predicted:Q", ".1%"),
                        tip("actual:Q", ".1%"),
                        tip("customers:Q", ",.0f"),
                    ],
                },
            },
        ],
    }


def drawn_over(values: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A specification over rows of its own, which no filter acts on."""
    return {"$schema": SCHEMA, "data": {"values": values}, "width": "container", "height": HEIGHT}


def charts(rules: Rules) -> Sequence[Chart]:
    """Every chart, in the order of the page."""
    within, window, bands = rules.repeat.within_days, rules.churn.window_days, rules.churn.bands
    return [
        Chart(
            "months",
            "revenue",
            "Revenue by month",
            "Sum of the amounts of each month's orders. An incomplete month is hollow.",
            drawn(
                "months",
                mark={"type": "bar", "stroke": BLUE, "strokeWidth": 1},
                encoding={
                    "x": MONTHS,
                    "y": axis("revenue:Q"),
                    "fill": STATE,
                    "tooltip": [
                        MONTH_TIP,
                        tip("revenue:Q", ",.2f"),
                        tip("orders:Q", ",.0f"),
                        tip("buyers:Q", ",.0f"),
                        tip("state:N"),
                    ],
                },
            ),
            MAYBE_UNKNOWN,
        ),
        Chart(
            "orders",
            "orders",
            "Orders by month",
            "Orders of each month. The line to an incomplete month is dashed.",
            so_far("orders:Q", ",.0f"),
        ),
        Chart(
            "repeat",
            "new_buyers",
            "Second-order rate",
            f"Share of each month's first-time buyers who bought again within {within} days.",
            line("second_order_rate:Q", ".0%"),
        ),
        Chart(
            "returns",
            "return_ratio",
            "Return ratio",
            "Returns of each month, divided by the month's order lines.",
            line("return_ratio:Q", ".1%"),
        ),
        Chart(
            "complaints",
            "complaints_per_100",
            "Complaints",
            "Support tickets per 100 active customers, those with a purchase or a session in the month.",
            line("complaints_per_100:Q", ".1f"),
        ),
        Chart(
            "tickets",
            "tickets",
            "Support tickets",
            "Tickets opened in each month. The line to an incomplete month is dashed.",
            so_far("tickets:Q", ",.0f"),
        ),
        Chart(
            "retention",
            "cohort_size",
            "Cohort retention",
            "Share of each cohort who bought in the k-th month after their first purchase. Complete months only.",
            retention(),
        ),
        Chart(
            "segments",
            "customers",
            "RFM segments",
            "Customers in each segment. The color is the segment's share of revenue.",
            bars(
                "segments",
                axis("customers:Q"),
                "segment",
                tip("customers:Q", ",.0f"),
                tip("revenue:Q", ",.2f"),
                tip("revenue_share:Q", ".1%"),
                color=field("revenue_share:Q", legend={**ON_TOP, **SHARES}),
            ),
        ),
        Chart(
            "churn",
            "customers",
            "Churn probability",
            f"Known buyers by the probability that they buy nothing in the next {window} days. "
            f"The band is High for the {100 - bands.high}% with the highest probabilities, "
            f"and Low for the lower {bands.medium}%.",
            drawn(
                "churn",
                mark={"type": "bar"},
                encoding={
                    "x": field("churn_from:O", axis={"labelOverlap": True}),
                    "y": {**field("customers:Q", aggregate="sum"), "title": "Known buyers"},
                    "color": field("churn_band:N", sort=["Low", "Medium", "High"], legend=ON_TOP),
                    "tooltip": [tip("churn_from:O"), tip("churn_band:N"), BUYERS_TIP],
                },
            ),
            MAYBE_WITHHELD,
        ),
        Chart(
            "clv",
            "customers",
            "Customer lifetime value",
            "Known buyers by expected spend over the next 12 months, discounted at "
            f"{rules.clv.annual_discount_rate:.0%} a year. The last bar is {CLV_LAST:,} and more.",
            drawn(
                "clv",
                mark={"type": "bar"},
                encoding={
                    "x": field("clv_from:O", axis={"labelOverlap": True}),
                    "y": {**field("customers:Q"), "title": "Known buyers"},
                    "tooltip": [tip("clv_from:O"), BUYERS_TIP],
                },
            ),
            f"{MAYBE_WITHHELD[:-1]}, or some amounts are unknown.",
        ),
        Chart(
            "products",
            "orders",
            "Top products",
            f"Revenue of the {min(TOP_PRODUCTS, rules.top_n)} products with the highest revenue.",
            bars("products", axis("revenue:Q"), "product", tip("revenue:Q", ",.2f"), tip("orders:Q", ",.0f")),
            MAYBE_UNKNOWN,
        ),
        Chart(
            "categories",
            "returned_lines",
            "Returns by category",
            "Share of each category's order lines that were returned.",
            bars(
                "categories",
                axis("returned_share:Q", ".0%"),
                "category",
                tip("order_lines:Q", ",.0f"),
                tip("returned_lines:Q", ",.0f"),
                tip("returned_share:Q", ".1%"),
            ),
        ),
    ]
