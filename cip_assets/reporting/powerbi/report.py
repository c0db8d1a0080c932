"""The report: its pages and visuals as data, and the PBIR files made from them.

The pages show what the dashboard shows, as far as the exported files contain it. Places are on a grid of 12 columns and
8 rows. A field is ``table[column]`` or ``[measure]``. Texts may name a rule, as in ``{rules.churn.window_days}``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cip_assets.analytics.insights.answers import FEWEST, MOST
from cip_assets.config.rules import Rules
from cip_assets.reporting.dashboard.facts import CHURN_STEP, CLV_LAST
from cip_assets.reporting.labels import label
from cip_assets.reporting.powerbi.measures import MEASURES

SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric"
DEFINITION = f"{SCHEMAS}/item/report/definition"
VERSIONS = {"report": "3.0.0", "page": "2.0.0", "visual": "2.0.0"}
"""Schema versions; a newer Power BI Desktop reads them and saves its own."""

WIDTH, HEIGHT, COLUMNS, ROWS, GAP = 1280, 720, 12, 8, 12
THEME = "CustomerIntelligence"
PALE, DEEP = "#F7FBFF", "#6BAED6"
"""The ends of the heat maps' color scale; black text can be read on both."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Visual:
    """A visual of a page.

    ``fields`` are by role, ``place`` is column, row, width and height on the grid. ``only`` are the visual's filters:
    column, operator and literal. ``heat`` is the measure that a matrix is colored by.
    """

    kind: str
    title: str
    fields: Mapping[str, Sequence[str]]
    place: tuple[int, int, int, int]
    alt: str
    sort: tuple[str, str] | None = None
    only: Sequence[tuple[str, str, str]] = ()
    heat: str | None = None


@dataclass(frozen=True)
class Page:
    """A page: its name in the files, its title, its text, and its visuals in the order of the Tab key."""

    name: str
    title: str
    text: str
    visuals: Sequence[Visual] = field(default_factory=list)


def _columns(table: str, *names: str) -> Sequence[str]:
    return [f"{table}[{name}]" for name in names]


def _table(
    title: str, table: str, names: Sequence[str], place: tuple[int, int, int, int], **more: Any
) -> Visual:
    return Visual("tableEx", title, {"Values": _columns(table, *names)}, place, f"Table: {title}", **more)


COMPLETE_MONTHS = (("kpi_trends[is_complete]", "=", "true"),)


def _by_month(
    title: str,
    measures: Sequence[str],
    place: tuple[int, int, int, int],
    alt: str,
    only: Sequence[tuple[str, str, str]] = COMPLETE_MONTHS,
) -> Visual:
    """A line by month, of complete months."""
    return Visual(
        "lineChart",
        title,
        {"Category": [MONTH], "Y": measures},
        place,
        alt,
        sort=(MONTH, "Ascending"),
        only=only,
    )


def _bars(title: str, by: str, measures: Sequence[str], place: tuple[int, int, int, int], alt: str) -> Visual:
    """Bars, the longest first."""
    return Visual(
        "clusteredBarChart",
        title,
        {"Category": [by], "Y": measures},
        place,
        alt,
        sort=(measures[0], "Descending"),
    )


def _slicers(*wanted: tuple[str, str], column: int = 8) -> Sequence[Visual]:
    return [
        Visual("slicer", title, {"Values": [by]}, (column + 2 * place, 0, 2, 1), f"Filter by {title}")
        for place, (title, by) in enumerate(wanted)
    ]


MONTH = "Calendar[Month]"
REGION = ("Region", "customer_360[region]")
SEGMENT = ("RFM segment", "customer_360[rfm_segment]")

PAGES: Sequence[Page] = (
    Page(
        "questions",
        "Four questions",
        "Are repeat purchases declining? Are returns rising? Are complaints rising? Does low engagement predict churn?",
        [
            Visual(
                "multiRowCard",
                "Totals",
                {
                    "Values": [
                        "[Snapshot day]",
                        "[Customers]",
                        "[Revenue]",
                        "[Net revenue]",
                        "[Order count]",
                        "[Guest orders]",
                        "[Average order value]",
                    ]
                },
                (0, 1, 12, 1),
                "Snapshot day, customers, revenue, net revenue, orders, guest orders and average order value",
            ),
            _table(
                "Answers to the four questions",
                "insights",
                (
                    "question",
                    "direction",
                    "answer",
                    "strongest",
                    "change",
                    "low",
                    "high",
                    "since",
                    "months_needed",
                ),
                (0, 2, 12, 6),
                sort=("insights[question]", "Ascending"),
            ),
        ],
    ),
    Page(
        "revenue",
        "Revenue",
        "Revenue and orders by month, including those of orphans and guests. An incomplete month has its own color. "
        "Without orders there is nothing to show.",
        [
            Visual(
                "lineStackedColumnComboChart",
                "Revenue and orders by month",
                {
                    "Category": [MONTH],
                    "Y": ["[Revenue, complete months]", "[Revenue, incomplete month]"],
                    "Y2": ["[Order count, complete months]"],
                },
                (0, 1, 12, 4),
                "Columns of revenue and a line of orders, by month; an incomplete month has another color",
                sort=(MONTH, "Ascending"),
            ),
            _by_month(
                "Second-order rate",
                ["[Second-order rate]"],
                (0, 5, 6, 3),
                "Share of each month's first-time buyers who bought again within {rules.repeat.within_days} days",
            ),
            _table(
                "Revenue by segment",
                "kpi_revenue_segment",
                ("segmentation", "segment", "customers", "revenue", "net_revenue", "revenue_share"),
                (6, 5, 6, 3),
                sort=("kpi_revenue_segment[segmentation]", "Ascending"),
            ),
        ],
    ),
    Page(
        "retention",
        "Retention",
        "Share of each cohort who bought in the k-th month after their first purchase. Complete months only.",
        [
            *_slicers(("Cohort", "kpi_retention[cohort_month]"), column=10),
            Visual(
                "pivotTable",
                "Cohort retention",
                {
                    "Rows": ["kpi_retention[cohort_month]"],
                    "Columns": ["kpi_retention[month_number]"],
                    "Values": ["[Retention rate]"],
                },
                (0, 1, 12, 5),
                "Heat map of cohorts by months after the first purchase; a deeper color is a higher retention rate",
                only=[("kpi_retention[month_number]", ">", "0L")],
                heat="[Retention rate]",
            ),
            Visual(
                "lineChart",
                "All cohorts",
                {"Category": ["kpi_retention[month_number]"], "Y": ["[Retention rate]"]},
                (0, 6, 12, 2),
                "Retention rate of all selected cohorts, by months after the first purchase",
                sort=("kpi_retention[month_number]", "Ascending"),
                only=[("kpi_retention[month_number]", ">", "0L")],
            ),
        ],
    ),
    Page(
        "segments",
        "Segments",
        "Region and segment filter the customers, not the segment migration.",
        [
            *_slicers(REGION, SEGMENT),
            _bars(
                "Customers by RFM segment",
                "customer_360[rfm_segment]",
                ["[Customers]"],
                (0, 1, 4, 4),
                "Bars of customers in each RFM segment",
            ),
            _bars(
                "Spend by RFM segment",
                "customer_360[rfm_segment]",
                ["[Spend]"],
                (4, 1, 4, 4),
                "Bars of spend of each RFM segment",
            ),
            Visual(
                "tableEx",
                "Value of the segments",
                {
                    "Values": [
                        "customer_360[rfm_segment]",
                        "[Share of spend]",
                        "[Spend per order]",
                        "[Net spend]",
                    ]
                },
                (8, 1, 4, 4),
                "Table of the RFM segments: share of spend, spend per order, net spend",
                sort=("[Share of spend]", "Descending"),
            ),
            Visual(
                "pivotTable",
                "Segment migration",
                {
                    "Rows": ["segment_migration[from_segment]"],
                    "Columns": ["segment_migration[to_segment]"],
                    "Values": ["[Share of earlier segment]"],
                },
                (0, 5, 12, 3),
                "Heat map of the segments of {rules.churn.window_days} days ago by current segments",
                heat="[Share of earlier segment]",
            ),
        ],
    ),
    Page(
        "churn",
        "Churn and value",
        "Region and segment filter the customers, not the accuracy of the predictions.",
        [
            *_slicers(REGION, SEGMENT),
            Visual(
                "multiRowCard",
                "Churn",
                {
                    "Values": [
                        "[Known buyers]",
                        "[Customers at churn risk]",
                        "[Mean churn probability]",
                        "[12-month CLV]",
                    ]
                },
                (0, 1, 12, 1),
                "Known buyers, customers at churn risk, mean churn probability and 12-month CLV",
            ),
            Visual(
                "columnChart",
                "Churn probability",
                {
                    "Category": ["customer_360[churn_from]"],
                    "Y": ["[Customers]"],
                    "Series": ["customer_360[churn_band]"],
                },
                (0, 2, 6, 3),
                f"Columns of customers by churn probability in steps of {CHURN_STEP}%, colored by churn band",
                sort=("customer_360[churn_from]", "Ascending"),
                only=[("customer_360[churn_from]", "<>", "null")],
            ),
            Visual(
                "columnChart",
                "Customer lifetime value",
                {"Category": ["customer_360[clv_from]"], "Y": ["[Customers]"]},
                (6, 2, 6, 3),
                f"Columns of customers by expected spend over the next 12 months; the last is {CLV_LAST:,} and more",
                sort=("customer_360[clv_from]", "Ascending"),
                only=[("customer_360[clv_from]", "<>", "null")],
            ),
            Visual(
                "scatterChart",
                "Calibration",
                {
                    "Category": ["model_calibration[decile]"],
                    "Series": ["model_calibration[model]"],
                    "X": ["[Predicted purchase rate]"],
                    "Y": ["[Actual purchase rate]"],
                },
                (0, 5, 5, 3),
                "Predicted and actual purchase rate of each decile of known buyers, by the model that is used",
                only=[("model_calibration[is_used]", "=", "true")],
            ),
            _table(
                "Accuracy of the forecasts in the last windows of {rules.churn.window_days} days",
                "model_backtest",
                ("model", "log_loss", "brier", "auc", "orders_bias", "spend_bias", "rmse_orders"),
                (5, 5, 7, 3),
                sort=("model_backtest[log_loss]", "Ascending"),
            ),
        ],
    ),
    Page(
        "engagement",
        "Engagement",
        "Share of buyers without a purchase in the next {rules.churn.window_days} days, by their web sessions in the "
        "three months before. They are compared with buyers who bought equally often and equally recently.",
        [
            _by_month(
                "Churn by engagement",
                [f"[Churned buyers, {side}]" for side in (FEWEST, MOST)],
                (0, 1, 8, 7),
                "Two lines by month: the churn rates of the buyers with the fewest and with the most sessions",
                only=(),  # insight_months has complete months only
            ),
            _bars(
                "Web activity",
                "kpi_activity[activity_type]",
                ["[Web sessions]"],
                (8, 1, 4, 7),
                "Bars of sessions by activity",
            ),
        ],
    ),
    Page(
        "top",
        "Top products and customers",
        "The products and customers with the most revenue. Region and segment filter the customers, not the products.",
        [
            *_slicers(REGION, SEGMENT),
            _table(
                "Top products",
                "kpi_top_products",
                ("rank", "product_id", "product_name", "category", "revenue", "units", "orders"),
                (0, 1, 6, 7),
                sort=("kpi_top_products[rank]", "Ascending"),
            ),
            _table(
                "Top customers",
                "kpi_top_customers",
                ("rank", "customer_id", "rfm_segment", "monetary_value", "frequency", "last_purchase_date"),
                (6, 1, 6, 7),
                sort=("kpi_top_customers[rank]", "Ascending"),
            ),
        ],
    ),
    Page(
        "service",
        "Returns and support",
        "Trends show complete months only. Returns by category appear on the dashboard only.",
        [
            _by_month(
                "Return ratio", ["[Return ratio]"], (0, 1, 6, 3), "Returns divided by order lines, by month"
            ),
            _by_month(
                "Complaints",
                ["[Tickets per 100 active customers]"],
                (6, 1, 6, 3),
                "Support tickets per 100 active customers, by month",
            ),
            _by_month(
                "Support tickets", ["[Tickets opened]"], (0, 4, 6, 4), "Support tickets opened, by month"
            ),
            _bars(
                "Open tickets by region",
                "customer_360[region]",
                ["[Open tickets]"],
                (6, 4, 6, 4),
                "Bars of open support tickets of customers, by region",
            ),
        ],
    ),
    Page(
        "quality",
        "Data quality",
        "Data quality, as far as the exports show it. Quarantined lines appear on the dashboard only. A total over "
        "several currencies without rates is empty.",
        [
            Visual(
                "multiRowCard",
                "Data quality",
                {"Values": ["[Orphan revenue]", "[Invalid email addresses]"]},
                (0, 1, 12, 1),
                "Orphan revenue, and customers with an invalid email address",
            ),
            _bars(
                "Customers by forecast model",
                "customer_360[forecast_model]",
                ["[Customers]"],
                (0, 2, 6, 3),
                "Bars of customers by forecast model; withheld if none beat the base rate",
            ),
            _bars(
                "Customers by churn band",
                "customer_360[churn_band]",
                ["[Customers]"],
                (6, 2, 6, 3),
                "Bars of customers by churn band; empty if the forecasts are withheld",
            ),
            _table(
                "Currencies",
                "kpi_currencies",
                (
                    "currency",
                    "orders",
                    "total_revenue",
                    "charged",
                    "returned_amount",
                    "refunded",
                    "net_revenue",
                ),
                (0, 5, 12, 3),
                sort=("kpi_currencies[currency]", "Ascending"),
            ),
        ],
    ),
)


def pages(rules: Rules) -> Sequence[Page]:
    """The pages, with the values of the rules in their texts."""

    def filled(text: str) -> str:
        return text.format(rules=rules)

    return [
        replace(
            page,
            text=filled(page.text),
            visuals=[
                replace(visual, title=filled(visual.title), alt=filled(visual.alt)) for visual in page.visuals
            ],
        )
        for page in PAGES
    ]


def report_files(rules: Rules) -> Mapping[str, Json]:
    """The files of the report, by path, without those that refer to others."""
    definition: dict[str, Json] = {
        "version.json": {"$schema": f"{DEFINITION}/versionMetadata/1.0.0/schema.json", "version": "2.0.0"},
        "report.json": _report(),
        "pages/pages.json": {
            "$schema": f"{DEFINITION}/pagesMetadata/1.0.0/schema.json",
            "pageOrder": [page.name for page in PAGES],
            "activePageName": PAGES[0].name,
        },
    }
    for page in pages(rules):
        definition[f"pages/{page.name}/page.json"] = {
            "$schema": f"{DEFINITION}/page/{VERSIONS['page']}/schema.json",
            "name": page.name,
            "displayName": page.title,
            "displayOption": "FitToPage",
            "height": HEIGHT,
            "width": WIDTH,
        }
        for order, body in enumerate([_heading(page), *(_body(visual) for visual in page.visuals)]):
            name = f"{page.name}_{order}"
            definition[f"pages/{page.name}/visuals/{name}/visual.json"] = {
                "$schema": f"{DEFINITION}/visualContainer/{VERSIONS['visual']}/schema.json",
                "name": name,
                "position": {**body.pop("position"), "z": order, "tabOrder": order},
                **body,
            }
    theme = {f"StaticResources/SharedResources/BaseThemes/{THEME}.json": _theme()}
    return theme | {f"definition/{path}": value for path, value in definition.items()}


def _report() -> Json:
    return {
        "$schema": f"{DEFINITION}/report/{VERSIONS['report']}/schema.json",
        # Power BI requires the base theme to be named, listed and present as a file.
        "themeCollection": {
            "baseTheme": {"name": THEME, "reportVersionAtImport": VERSIONS, "type": "SharedResources"}
        },
        "resourcePackages": [
            {
                "name": "SharedResources",
                "type": "SharedResources",
                "items": [{"name": THEME, "path": f"BaseThemes/{THEME}.json", "type": "BaseTheme"}],
            }
        ],
        "settings": {
            "useStylableVisualContainerHeader": True,
            "exportDataMode": "AllowSummarized",
            "defaultDrillFilterOtherVisuals": True,
            "useEnhancedTooltips": True,
        },
    }


def _theme() -> Json:
    # Okabe and Ito's colors, which color-blind people can tell apart too.
    return {
        "name": THEME,
        "dataColors": ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"],
        "background": "#FFFFFF",
        "foreground": "#252423",
        "tableAccent": "#0072B2",
    }


def _literal(value: str) -> Json:
    return {"expr": {"Literal": {"Value": value}}}


def _text(value: str) -> Json:
    return _literal("'" + value.replace("'", "''") + "'")


def _object(**properties: Any) -> list[Json]:
    return [{"properties": properties}]


def _position(place: tuple[int, int, int, int]) -> Json:
    column, row, width, height = place
    across, down = (WIDTH - GAP) / COLUMNS, (HEIGHT - GAP) / ROWS
    return {
        "x": round(GAP + column * across),
        "y": round(GAP + row * down),
        "height": round(height * down - GAP),
        "width": round(width * across - GAP),
    }


def _heading(page: Page) -> Json:
    runs = [
        {"value": page.title, "textStyle": {"fontSize": "18pt", "fontWeight": "bold"}},
        {"value": page.text, "textStyle": {"fontSize": "11pt"}},
    ]
    slicers = sum(visual.kind == "slicer" for visual in page.visuals)
    return {
        "position": _position((0, 0, COLUMNS - 2 * slicers, 1)),
        "visual": {
            "visualType": "textbox",
            "objects": {"general": _object(paragraphs=[{"textRuns": [run]} for run in runs])},
            "visualContainerObjects": {"general": _object(altText=_text(f"{page.title}. {page.text}"))},
        },
    }


def _body(visual: Visual) -> Json:
    query: Json = {
        "queryState": {
            role: {"projections": [_projection(name, role) for name in names]}
            for role, names in visual.fields.items()
        }
    }
    if visual.sort:
        by, direction = visual.sort
        query["sortDefinition"] = {"sort": [{"field": _field(by), "direction": direction}]}
    body: Json = {
        "position": _position(visual.place),
        "visual": {
            "visualType": visual.kind,
            "query": query,
            "visualContainerObjects": {
                # The labels of a card are enough.
                "title": _object(
                    show=_literal("false" if visual.kind == "multiRowCard" else "true"),
                    text=_text(visual.title),
                ),
                "general": _object(altText=_text(visual.alt)),
            },
            "drillFilterOtherVisuals": True,
        },
    }
    if visual.kind == "slicer":
        body["visual"]["objects"] = {
            "data": _object(mode=_text("Dropdown")),
            "header": _object(show=_literal("false")),
        }
        # A selection on one page applies to the others.
        body["visual"]["syncGroup"] = {"groupName": visual.title, "fieldChanges": True, "filterChanges": True}
    if visual.heat:
        body["visual"]["objects"] = _heat(visual.heat)
    if visual.only:
        body["filterConfig"] = {"filters": [_filter(visual.title, *condition) for condition in visual.only]}
    return body


def _split(name: str) -> tuple[str, str]:
    """The table and the name of a column or measure."""
    found = re.fullmatch(r"(\w*)\[(.+)\]", name)
    if not found:
        raise ValueError(f"{name} is neither table[column] nor [measure]")
    table, own = found.groups()
    return table or next(measure.table for measure in MEASURES if measure.name == own), own


def _field(name: str, source: Mapping[str, str] | None = None) -> Json:
    table, own = _split(name)
    kind = "Measure" if name.startswith("[") else "Column"
    return {kind: {"Expression": {"SourceRef": source or {"Entity": table}}, "Property": own}}


def _projection(name: str, role: str) -> Json:
    table, own = _split(name)
    projection: Json = {"field": _field(name), "queryRef": f"{table}.{own}", "nativeQueryRef": own}
    if not name.startswith("["):
        projection["displayName"] = label(own)
    if role in {"Category", "Rows", "Columns"}:
        projection["active"] = True
    return projection


def _heat(measure: str) -> Json:
    """A matrix without totals, its cells colored by a measure."""
    ends = {
        end: {"color": {"Literal": {"Value": f"'{color}'"}}} for end, color in (("min", PALE), ("max", DEEP))
    }
    rule = {
        "linearGradient2": {**ends, "nullColoringStrategy": {"strategy": {"Literal": {"Value": "'noColor'"}}}}
    }
    color = {"solid": {"color": {"expr": {"FillRule": {"Input": _field(measure), "FillRule": rule}}}}}
    return {
        "subTotals": _object(rowSubtotals=_literal("false"), columnSubtotals=_literal("false")),
        "values": [
            {
                "properties": {"backColor": color},
                "selector": {
                    "data": [{"dataViewWildcard": {"matchingOption": 1}}],
                    "metadata": ".".join(_split(measure)),
                },
            }
        ],
    }


def _filter(title: str, column: str, operator: str, value: str) -> Json:
    """A filter of a visual."""
    table, own = _split(column)
    condition: Json = {
        "Comparison": {
            "ComparisonKind": 1 if operator == ">" else 0,
            "Left": _field(column, {"Source": "rows"}),
            "Right": {"Literal": {"Value": value}},
        }
    }
    if operator == "<>":
        condition = {"Not": {"Expression": condition}}
    return {
        "name": re.sub(r"\W", "_", f"{title} {own}"),
        "field": _field(column),
        "type": "Advanced",
        "filter": {
            "Version": 2,
            "From": [{"Name": "rows", "Entity": table, "Type": 0}],
            "Where": [{"Condition": condition}],
        },
    }
