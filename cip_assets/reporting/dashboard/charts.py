"""How the facts are drawn: Altair charts over named data, which the page supplies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cip_assets.config.rules import Rules
from cip_assets.reporting.dashboard.facts import (
    CLV_LAST,
    COMPLETE,
    INCOMPLETE,
    QUARTILES,
    TOP_PRODUCTS,
)
from cip_assets.reporting.labels import label

HEIGHT = 240
BLUE = "#4c78a8"
"""Vega's own color of marks, named here for marks that have an outline too."""
GRAY = "#8a8f98"
MONTH = 28 * 86_400_000
"""The shortest month in milliseconds, so that a short history does not name a month twice."""
MAYBE_WITHHELD = "No data. If this is so without a filter, the predictions are withheld."


@dataclass(frozen=True)
class Chart:
    """A chart of the page: heading, one or two sentences about it, and its Vega-Lite specification.

    ``needs`` is the sum without which there is nothing to draw, and ``empty`` is shown then.
    """

    name: str
    needs: str
    heading: str
    text: str
    spec: Mapping[str, Any]
    empty: str = "No data"


def charts(rules: Rules) -> Sequence[Chart]:
    """Every chart, in the order of the page."""
    # Imported here: it takes most of a second, which a process that only loads the graph need not wait for.
    import altair as alt  # noqa: PLC0415

    within, window, bands = rules.repeat.within_days, rules.churn.window_days, rules.churn.bands
    base = alt.Chart(alt.NamedData("rows"))
    # Months are days without a time. Read as local time, they would fall into the month before, west of Greenwich.
    utc = alt.Scale(type="utc")
    months = alt.Axis(title=None, format="%b %y", labelOverlap=True, tickMinStep=MONTH)
    month = alt.X("month:T", title="Month", scale=utc, axis=months)
    month_tip = alt.Tooltip("utcyearmonth(month):T", title="Month", format="%B %Y")

    def drawn(data: str, chart: Any) -> Mapping[str, Any]:
        spec: dict[str, Any] = chart.properties(width="container", height=HEIGHT).to_dict(
            validate=False  # a test validates the charts
        )
        return {**spec, "data": {"name": data}}

    def tip(field: str, form: str = "") -> Any:
        name = label(field.partition(":")[0])
        return alt.Tooltip(field, title=name, format=form) if form else alt.Tooltip(field, title=name)

    def axis(channel: Any, field: str, form: str = "", **more: Any) -> Any:
        ticks = {"axis": alt.Axis(format=form)} if form else {}
        return channel(field, **{"title": label(field.partition(":")[0]), **ticks, **more})

    def line(measure: str, form: str) -> Any:
        return base.mark_line(point=True).encode(
            month, axis(alt.Y, measure, form), tooltip=[month_tip, tip(measure, form)]
        )

    # An incomplete month must not look like a fall: its mark is hollow, and the line to it is dashed.
    state = alt.Fill(
        "state:N",
        scale=alt.Scale(domain=[COMPLETE, INCOMPLETE], range=[BLUE, "transparent"]),
        title=label("state"),
        legend=alt.Legend(title=None, orient="top", symbolStrokeColor=BLUE, symbolStrokeWidth=1),
    )
    place: Any = {"as": "place"}  # Python takes no argument of this name

    def so_far(measure: str, form: str) -> Any:
        """A line by month, incomplete months included."""
        lines = base.encode(month, axis(alt.Y, measure, form))
        last_two = lines.transform_window(
            window=[alt.WindowFieldDef(op="row_number", **place)],
            sort=[alt.SortField("month", order="descending")],
        ).transform_filter("datum.place <= 2")
        return alt.layer(
            lines.transform_filter(f"datum.state == '{COMPLETE}'").mark_line(),
            last_two.mark_line(strokeDash=[4, 4]),
            lines.mark_point(stroke=BLUE, size=40).encode(
                state, tooltip=[month_tip, tip(measure, form), tip("state:N")]
            ),
        )

    def bars(length: Any, name: str, *tips: Any, **more: Any) -> Any:
        """A bar for each name, the longest first."""
        names = axis(alt.Y, f"{name}:N", sort="-x", axis=alt.Axis(title=None))
        return base.mark_bar().encode(length, names, tooltip=[tip(f"{name}:N"), *tips], **more)

    # All four, so that a color stays with its quartile if a filter leaves another one empty.
    quartiles = alt.Scale(domain=QUARTILES)

    def calibration() -> Any:
        zero_to_one = alt.Scale(domain=[0, 1])
        exact = alt.InlineData([{"predicted": share, "actual": share} for share in (0, 1)])
        diagonal = alt.Chart(exact).mark_line(color=GRAY, strokeDash=[4, 4], strokeWidth=1)
        # Without data of its own it has the data of the whole, which the page supplies.
        models = alt.Chart().mark_line(point=True)
        return alt.layer(
            diagonal.encode(alt.X("predicted:Q"), alt.Y("actual:Q")),
            models.encode(
                axis(alt.X, "predicted:Q", ".0%", scale=zero_to_one),
                axis(alt.Y, "actual:Q", ".0%", scale=zero_to_one),
                axis(alt.Color, "model:N", legend=alt.Legend(title=None, orient="top")),
                axis(alt.Shape, "model:N", legend=None),
                tooltip=[
                    tip("model:N"),
                    tip("decile:O"),
                    tip("predicted:Q", ".1%"),
                    tip("actual:Q", ".1%"),
                    tip("customers:Q", ",.0f"),
                ],
            ),
            data=alt.NamedData("calibration"),
        )

    return [
        Chart(
            "months",
            "orders",
            "Revenue by month",
            "Sum of the amounts of each month's transactions. An incomplete month is hollow.",
            drawn(
                "months",
                base.mark_bar(stroke=BLUE, strokeWidth=1).encode(
                    month,
                    axis(alt.Y, "revenue:Q"),
                    state,
                    tooltip=[
                        month_tip,
                        tip("revenue:Q", ",.2f"),
                        tip("orders:Q", ",.0f"),
                        tip("buyers:Q", ",.0f"),
                        tip("state:N"),
                    ],
                ),
            ),
        ),
        Chart(
            "orders",
            "orders",
            "Transactions by month",
            "Transactions of each month. The line to an incomplete month is dashed.",
            drawn("months", so_far("orders:Q", ",.0f")),
        ),
        Chart(
            "repeat",
            "new_buyers",
            "Second-order rate",
            f"Share of each month's first-time buyers who bought again within {within} days.",
            drawn("trends", line("second_order_rate:Q", ".0%")),
        ),
        Chart(
            "returns",
            "orders",
            "Return ratio",
            "Returns of each month, divided by the month's transactions.",
            drawn("trends", line("return_ratio:Q", ".1%")),
        ),
        Chart(
            "complaints",
            "active_customers",
            "Complaints",
            "Support tickets per 100 active customers, those with a purchase or a session in the month.",
            drawn("trends", line("complaints_per_100:Q", ".1f")),
        ),
        Chart(
            "tickets",
            "tickets",
            "Support tickets",
            "Tickets opened in each month. The line to an incomplete month is dashed.",
            drawn("months", so_far("tickets:Q", ",.0f")),
        ),
        Chart(
            "engagement",
            "buyers",
            "Churn by engagement",
            f"Churn rate of each month's buyers over the next {window} days, by quartile of their sessions in the "
            "month. Buyers with equally many sessions stay together, so a quartile can be empty.",
            drawn(
                "engagement",
                base.mark_line(point=True).encode(
                    month,
                    axis(alt.Y, "churn_rate:Q", ".0%"),
                    axis(alt.Color, "quartile:N", scale=quartiles, legend=alt.Legend(orient="top")),
                    axis(alt.StrokeDash, "quartile:N", scale=quartiles, legend=alt.Legend(orient="top")),
                    tooltip=[
                        month_tip,
                        tip("quartile:N"),
                        tip("churn_rate:Q", ".1%"),
                        tip("buyers:Q", ",.0f"),
                    ],
                ),
            ),
        ),
        Chart(
            "retention",
            "cohort_size",
            "Cohort retention",
            "Share of each cohort who bought in the k-th month after their first purchase. Complete months only.",
            drawn(
                "retention",
                base.mark_rect().encode(
                    axis(alt.X, "month_number:O", axis=alt.Axis(labelOverlap=True)),
                    alt.Y(
                        "utcyearmonth(cohort_month):O",
                        title="Cohort",
                        axis=alt.Axis(title=None, format="%b %y", labelOverlap=True),
                    ),
                    axis(
                        alt.Color,
                        "retention_rate:Q",
                        title="Retention",
                        legend=alt.Legend(format=".0%"),
                        scale=alt.Scale(scheme="viridis"),
                    ),
                    tooltip=[
                        alt.Tooltip("utcyearmonth(cohort_month):T", title="Cohort", format="%B %Y"),
                        tip("month_number:O"),
                        tip("retention_rate:Q", ".1%"),
                        tip("cohort_size:Q", ",.0f"),
                    ],
                ),
            ),
        ),
        Chart(
            "segments",
            "customers",
            "RFM segments",
            "Customers in each segment. The color is the segment's share of revenue.",
            drawn(
                "segments",
                bars(
                    axis(alt.X, "customers:Q"),
                    "segment",
                    tip("customers:Q", ",.0f"),
                    tip("revenue:Q", ",.2f"),
                    tip("revenue_share:Q", ".1%"),
                    color=axis(alt.Color, "revenue_share:Q", legend=alt.Legend(format=".0%", orient="top")),
                ),
            ),
        ),
        Chart(
            "churn",
            "customers",
            "Churn probability",
            f"Known buyers by the probability that they buy nothing in the next {window} days. "
            f"The band is Medium from {bands.medium:.0%} and High from {bands.high:.0%}.",
            drawn(
                "churn",
                base.mark_bar().encode(
                    axis(alt.X, "churn_from:O", axis=alt.Axis(labelOverlap=True)),
                    axis(alt.Y, "sum(customers):Q", title="Known buyers"),
                    axis(
                        alt.Color,
                        "churn_band:N",
                        sort=["Low", "Medium", "High"],
                        legend=alt.Legend(orient="top"),
                    ),
                    tooltip=[
                        tip("churn_from:O"),
                        tip("churn_band:N"),
                        alt.Tooltip("customers:Q", title="Known buyers", format=",.0f"),
                    ],
                ),
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
                base.mark_bar().encode(
                    axis(alt.X, "clv_from:O", axis=alt.Axis(labelOverlap=True)),
                    alt.Y("customers:Q", title="Known buyers"),
                    tooltip=[
                        tip("clv_from:O"),
                        alt.Tooltip("customers:Q", title="Known buyers", format=",.0f"),
                    ],
                ),
            ),
            MAYBE_WITHHELD,
        ),
        Chart(
            "calibration",
            "customers",
            "Calibration",
            f"Known buyers by decile of predicted probability, {window} days ago. "
            "Points on the diagonal mean that the prediction was exact.",
            drawn("calibration", calibration()),
        ),
        Chart(
            "products",
            "orders",
            "Top products",
            f"Revenue of the {min(TOP_PRODUCTS, rules.top_n)} products with the highest revenue.",
            drawn(
                "products",
                bars(axis(alt.X, "revenue:Q"), "product", tip("revenue:Q", ",.2f"), tip("orders:Q", ",.0f")),
            ),
        ),
        Chart(
            "categories",
            "orders",
            "Returns by category",
            "Share of each category's transactions that were returned.",
            drawn(
                "categories",
                bars(
                    axis(alt.X, "returned_share:Q", ".0%"),
                    "category",
                    tip("orders:Q", ",.0f"),
                    tip("returned_orders:Q", ",.0f"),
                    tip("returned_share:Q", ".1%"),
                ),
            ),
        ),
    ]
