"""How the facts of the cube are drawn: Altair charts over named data, which the page hands them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cip_assets.reporting.dashboard.cube import NOT_OVER, OVER

HEIGHT = 240
BLUE = "#4c78a8"
"""Vega's own colour of marks, said for those that have an outline too."""


@dataclass(frozen=True)
class Chart:
    """A chart of the page: its heading, what it shows in a sentence, and its Vega-Lite specification."""

    name: str
    heading: str
    text: str
    spec: Mapping[str, Any]


def charts() -> Sequence[Chart]:
    """Every chart, in the order of the page."""
    # Imported here: it takes most of a second, which a process that only loads the graph need not wait for.
    import altair as alt  # noqa: PLC0415

    def drawn(data: str, chart: Any) -> Mapping[str, Any]:
        spec: dict[str, Any] = chart.properties(width="container", height=HEIGHT).to_dict()
        return {**spec, "data": {"name": data}}

    month = alt.X("month:T", title=None, axis=alt.Axis(format="%b %y", labelOverlap=True))
    base = alt.Chart(alt.NamedData("rows"))

    def line(measure: str, title: str, form: str) -> Any:
        tips = [alt.Tooltip("month:T", format="%B %Y"), alt.Tooltip(measure, format=form)]
        return base.mark_line(point=True).encode(
            month, alt.Y(measure, title=title, axis=alt.Axis(format=form)), tooltip=tips
        )

    # A month that is not over must not look like a fall: its mark is hollow, and the line to it is dashed.
    state = alt.Fill(
        "state:N",
        scale=alt.Scale(domain=[OVER, NOT_OVER], range=[BLUE, "transparent"]),
        title=None,
        legend=alt.Legend(orient="top", symbolStrokeColor=BLUE, symbolStrokeWidth=1),
    )

    place: Any = {"as": "place"}  # no name that Python takes

    def so_far(measure: str, title: str, form: str) -> Any:
        """A line by month, of every month."""
        tips = [alt.Tooltip("month:T", format="%B %Y"), alt.Tooltip(measure, format=form), "state:N"]
        drawn_by = base.encode(month, alt.Y(measure, title=title, axis=alt.Axis(format=form)))
        last_two = drawn_by.transform_window(
            window=[alt.WindowFieldDef(op="row_number", **place)],
            sort=[alt.SortField("month", order="descending")],
        ).transform_filter("datum.place <= 2")
        return alt.layer(
            drawn_by.transform_filter(f"datum.state == '{OVER}'").mark_line(),
            last_two.mark_line(strokeDash=[4, 4]),
            drawn_by.mark_point(stroke=BLUE, size=40).encode(state, tooltip=tips),
        )

    def bars(length: Any, name: str, *tips: Any, **more: Any) -> Any:
        """A bar for each name, the longest first."""
        names = alt.Y(f"{name}:N", sort="-x", title=None)
        return base.mark_bar().encode(length, names, tooltip=[f"{name}:N", *tips], **more)

    return [
        Chart(
            "months",
            "Revenue by month",
            "Sum of the amounts bought in each month. A month that is not over is hollow.",
            drawn(
                "months",
                base.mark_bar(stroke=BLUE, strokeWidth=1).encode(
                    month,
                    alt.Y("revenue:Q", title="revenue"),
                    state,
                    tooltip=[
                        alt.Tooltip("month:T", format="%B %Y"),
                        alt.Tooltip("revenue:Q", format=",.2f"),
                        "orders:Q",
                        "buyers:Q",
                        "state:N",
                    ],
                ),
            ),
        ),
        Chart(
            "orders",
            "Orders by month",
            "Transactions of each month. The line to a month that is not over is dashed.",
            drawn("months", so_far("orders:Q", "orders", ",.0f")),
        ),
        Chart(
            "repeat",
            "Second orders",
            "Of who first bought in a month, the share that bought again within 84 days.",
            drawn("trends", line("second_order_rate:Q", "share", ".0%")),
        ),
        Chart(
            "returns",
            "Returns",
            "Returns per transaction, by month.",
            drawn("trends", line("return_ratio:Q", "ratio", ".1%")),
        ),
        Chart(
            "complaints",
            "Complaints",
            "Support tickets per 100 active customers, by month.",
            drawn("trends", line("complaints_per_100:Q", "tickets", ".1f")),
        ),
        Chart(
            "tickets",
            "Support load",
            "Support tickets opened in each month. The line to a month that is not over is dashed.",
            drawn("months", so_far("tickets:Q", "tickets", ",.0f")),
        ),
        Chart(
            "engagement",
            "Engagement against churn",
            "Of a month's buyers, by quarter of sessions: the share that stayed away for the next 90 days.",
            drawn(
                "engagement",
                base.mark_line(point=True).encode(
                    month,
                    alt.Y("rate:Q", title="stayed away", axis=alt.Axis(format=".0%")),
                    alt.Color("quarter:N", sort=["least", "second", "third", "most"], title="engaged"),
                    alt.StrokeDash("quarter:N", sort=["least", "second", "third", "most"], legend=None),
                    tooltip=["month:T", "quarter:N", alt.Tooltip("rate:Q", format=".1%")],
                ),
            ),
        ),
        Chart(
            "retention",
            "Cohort retention",
            "Of the buyers that started in a month, the share that bought k months later.",
            drawn(
                "retention",
                base.mark_rect().encode(
                    alt.X(
                        "month_number:O",
                        title="months after the first purchase",
                        axis=alt.Axis(labelOverlap=True),
                    ),
                    alt.Y("yearmonth(cohort_month):O", title=None, axis=alt.Axis(labelOverlap=True)),
                    alt.Color(
                        "retention_rate:Q",
                        title="bought",
                        legend=alt.Legend(format=".0%"),
                        scale=alt.Scale(scheme="viridis"),
                    ),
                    tooltip=[
                        "cohort_month:T",
                        "month_number:O",
                        alt.Tooltip("retention_rate:Q", format=".1%"),
                        "cohort_size:Q",
                    ],
                ),
            ),
        ),
        Chart(
            "segments",
            "RFM segments",
            "Customers in each segment, coloured by its share of revenue.",
            drawn(
                "segments",
                bars(
                    alt.X("customers:Q"),
                    "segment",
                    "customers:Q",
                    "revenue:Q",
                    alt.Tooltip("revenue_share:Q", format=".1%"),
                    color=alt.Color("revenue_share:Q", title="of revenue", legend=alt.Legend(format=".0%")),
                ),
            ),
        ),
        Chart(
            "churn",
            "Churn probability",
            "Buyers by their probability not to buy in the next 90 days.",
            drawn(
                "churn",
                base.mark_bar().encode(
                    alt.X("from_percent:O", title="probability from, %"),
                    alt.Y("sum(customers):Q", title="buyers"),
                    alt.Color("band:N", sort=["Low", "Medium", "High"]),
                    tooltip=["from_percent:O", "band:N", "customers:Q"],
                ),
            ),
        ),
        Chart(
            "clv",
            "Value over the next 12 months",
            "Buyers by what they are expected to spend; the last bar is 1,000 and more.",
            drawn(
                "clv",
                base.mark_bar().encode(
                    alt.X("from_money:O", title="from"),
                    alt.Y("customers:Q", title="buyers"),
                    tooltip=["from_money:O", "customers:Q"],
                ),
            ),
        ),
        Chart(
            "calibration",
            "Were the predictions right?",
            "Customers in tenths by what was said 90 days ago: on the line where just as many bought as was said.",
            drawn(
                "calibration",
                base.mark_line(point=True).encode(
                    alt.X(
                        "predicted:Q",
                        title="said to buy",
                        axis=alt.Axis(format=".0%"),
                        scale=alt.Scale(domain=[0, 1]),
                    ),
                    alt.Y(
                        "actual:Q",
                        title="bought",
                        axis=alt.Axis(format=".0%"),
                        scale=alt.Scale(domain=[0, 1]),
                    ),
                    alt.Color("model:N", title=None),
                    alt.Shape("model:N", title=None),
                    tooltip=[
                        "model:N",
                        "decile:O",
                        alt.Tooltip("predicted:Q", format=".1%"),
                        alt.Tooltip("actual:Q", format=".1%"),
                        "customers:Q",
                    ],
                ),
            ),
        ),
        Chart(
            "products",
            "Top products",
            "Revenue of the ten products that sold best.",
            drawn(
                "products",
                bars(alt.X("revenue:Q"), "product", alt.Tooltip("revenue:Q", format=",.2f"), "orders:Q"),
            ),
        ),
        Chart(
            "categories",
            "Returns by category",
            "Share of the transactions of a category that came back.",
            drawn(
                "categories",
                bars(
                    alt.X("share:Q", title="came back", axis=alt.Axis(format=".0%")),
                    "category",
                    "sold:Q",
                    "returned:Q",
                    alt.Tooltip("share:Q", format=".1%"),
                ),
            ),
        ),
    ]
