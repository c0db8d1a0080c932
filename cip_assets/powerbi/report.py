"""The report: its pages, each of rows of visuals, as Power BI's enhanced report format (PBIR) has them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cip_assets.powerbi.measures import MEASURES
from cip_assets.powerbi.model import CALENDAR

SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric/item/report/definition"
WIDTH, HEIGHT, GAP, TOP = 1280, 720, 12, 56
"""Of a page, in pixels; ``TOP`` is left for the slicers."""

MONTH = f"{CALENDAR}[Month]"
HOME = {measure.name: measure.table for measure in MEASURES}


@dataclass(frozen=True)
class Visual:
    """A visual: its kind in Power BI, its title, and the fields of each of its wells.

    A field is ``Table[Column]`` or ``[Measure]``; ``by`` is the one it is sorted by, the highest first.
    """

    kind: str
    title: str
    wells: Mapping[str, Sequence[str]]
    by: str | None = None

    @property
    def fields(self) -> Sequence[str]:
        return [field for fields in self.wells.values() for field in fields]


@dataclass(frozen=True)
class Page:
    """A page: slicers on top, then rows of visuals that share its width and height."""

    name: str
    title: str
    rows: Sequence[Sequence[Visual]]
    slicers: Sequence[str] = ()


def _table(title: str, table: str, columns: Sequence[str]) -> Visual:
    return Visual("tableEx", title, {"Values": [f"{table}[{column}]" for column in columns]})


def _over_time(title: str, *measures: str, kind: str = "lineChart") -> Visual:
    return Visual(kind, title, {"Category": [MONTH], "Y": [f"[{name}]" for name in measures]})


def _bars(title: str, category: str, measure: str) -> Visual:
    return Visual("barChart", title, {"Category": [category], "Y": [f"[{measure}]"]}, by=f"[{measure}]")


def _cards(*measures: str) -> Sequence[Visual]:
    return [Visual("card", name, {"Values": [f"[{name}]"]}) for name in measures]


CUSTOMER_SLICERS = (
    *("customer_360[region]", "customer_360[rfm_segment]"),
    *("customer_360[value_segment]", "customer_360[first_purchase_date]"),
)

PAGES: Sequence[Page] = (
    Page(
        "questions",
        "The four questions",
        [
            [_table("Answers", "insights", ["question", "answer", "before", "now", "low", "high", "basis"])],
            _cards("Customers", "Buyers", "Customers at risk", "Revenue", "Net revenue", "Mean order value"),
        ],
    ),
    Page(
        "trends",
        "Trends",
        [
            [
                _over_time("Revenue by month", "Revenue", kind="columnChart"),
                _over_time("Orders by month", "Total orders"),
                _over_time("Second orders", "Second order rate"),
            ],
            [
                _over_time("Returns per transaction", "Return ratio"),
                _over_time("Tickets per 100 active customers", "Complaints per 100"),
                _over_time("Support load", "Total tickets", kind="columnChart"),
            ],
        ],
        slicers=[MONTH],
    ),
    Page(
        "customers",
        "Customers",
        [
            [
                _bars("RFM segments", "customer_360[rfm_segment]", "Customers"),
                _bars("Spend by RFM segment", "customer_360[rfm_segment]", "Spend"),
                _bars("Spend by region", "customer_360[region]", "Spend"),
            ],
            [
                _bars("Churn bands", "customer_360[churn_band]", "Buyers"),
                _bars(
                    "Expected value of 12 months", "customer_360[rfm_segment]", "Expected value of 12 months"
                ),
                _bars("Mean churn probability", "customer_360[rfm_segment]", "Mean churn probability"),
            ],
        ],
        slicers=CUSTOMER_SLICERS,
    ),
    Page(
        "retention",
        "Retention and moves",
        [
            [
                Visual(
                    "pivotTable",
                    "Share of each cohort that bought so many months later",
                    {
                        "Rows": ["kpi_retention[cohort_month]"],
                        "Columns": ["kpi_retention[month_number]"],
                        "Values": ["[Retention]"],
                    },
                )
            ],
            [
                Visual(
                    "pivotTable",
                    "Customers by the segment they left and the one they are in",
                    {
                        "Rows": ["segment_migration[from_segment]"],
                        "Columns": ["segment_migration[to_segment]"],
                        "Values": ["[Customers moved]"],
                    },
                )
            ],
        ],
    ),
    Page(
        "predictions",
        "Predictions",
        [
            [
                _over_time(
                    "Churn of the least and the most engaged", "Churn, least engaged", "Churn, most engaged"
                ),
                Visual(
                    "lineChart",
                    "Said and came, by tenth of customers",
                    {
                        "Category": ["model_calibration[decile]"],
                        "Y": ["[Said to buy]", "[Bought]"],
                        "Series": ["model_calibration[model]"],
                    },
                ),
            ],
            [
                _table(
                    "How good the predictions of a window ago were",
                    "model_backtest",
                    ["model", "customers", "bought_share", "brier", "log_loss", "auc", "calibration_error"],
                )
            ],
        ],
    ),
    Page(
        "details",
        "Products, customers and activity",
        [
            [
                _table(
                    "Products with the highest revenue",
                    "kpi_top_products",
                    ["rank", "product_name", "category", "revenue", "units", "buyers"],
                ),
                _table(
                    "Customers with the highest spend",
                    "kpi_top_customers",
                    ["rank", "customer_id", "monetary_value", "frequency", "rfm_segment"],
                ),
            ],
            [
                _bars("Sessions by activity", "kpi_activity[activity_type]", "Total sessions"),
                _table(
                    "Revenue by segment",
                    "kpi_revenue_segment",
                    ["segmentation", "segment", "customers", "revenue", "revenue_share"],
                ),
            ],
        ],
    ),
)


def report_files() -> Mapping[str, dict[str, Any]]:
    """The files of the report's definition, by path."""
    files: dict[str, dict[str, Any]] = {
        "version.json": {"$schema": f"{SCHEMAS}/versionMetadata/1.0.0/schema.json", "version": "2.0.0"},
        "report.json": {
            "$schema": f"{SCHEMAS}/report/3.0.0/schema.json",
            "themeCollection": {},
            "settings": {"useStylableVisualContainerHeader": True, "useEnhancedTooltips": True},
        },
        "pages/pages.json": {
            "$schema": f"{SCHEMAS}/pagesMetadata/1.0.0/schema.json",
            "pageOrder": [page.name for page in PAGES],
            "activePageName": PAGES[0].name,
        },
    }
    for page in PAGES:
        files[f"pages/{page.name}/page.json"] = {
            "$schema": f"{SCHEMAS}/page/2.0.0/schema.json",
            "name": page.name,
            "displayName": page.title,
            "displayOption": "FitToPage",
            "height": HEIGHT,
            "width": WIDTH,
        }
        for number, (visual, place) in enumerate(placed(page)):
            name = f"{page.name}_{number:02}"
            files[f"pages/{page.name}/visuals/{name}/visual.json"] = {
                "$schema": f"{SCHEMAS}/visualContainer/2.0.0/schema.json",
                "name": name,
                "position": {**place, "z": number, "tabOrder": number},
                "visual": _visual(visual),
            }
    return files


def placed(page: Page) -> Iterator[tuple[Visual, dict[str, int]]]:
    """The visuals of a page in the order of the tab key, each with its place."""
    slicers = [Visual("slicer", _name(field), {"Values": [field]}) for field in page.slicers]
    yield from _row(slicers, GAP, TOP - GAP)
    top = TOP + GAP if slicers else GAP
    height = (HEIGHT - top) // len(page.rows) - GAP
    for number, visuals in enumerate(page.rows):
        yield from _row(visuals, top + number * (height + GAP), height)


def _row(visuals: Sequence[Visual], y: int, height: int) -> Iterator[tuple[Visual, dict[str, int]]]:
    for number, visual in enumerate(visuals):
        width = (WIDTH - GAP) // len(visuals) - GAP
        yield visual, {"x": GAP + number * (width + GAP), "y": y, "width": width, "height": height}


def _visual(visual: Visual) -> dict[str, Any]:
    wells = {well: {"projections": [_projection(f) for f in fields]} for well, fields in visual.wells.items()}
    query: dict[str, Any] = {"queryState": wells}
    if visual.by:
        query["sortDefinition"] = {"sort": [{"field": _field(visual.by), "direction": "Descending"}]}
    drawn: dict[str, Any] = {"visualType": visual.kind, "query": query}
    if visual.kind == "slicer":
        drawn["objects"] = {"data": _properties(mode=_text("Dropdown"))}
    drawn["visualContainerObjects"] = {
        "title": _properties(show=_literal("true"), text=_text(visual.title)),
        "general": _properties(altText=_text(f"{visual.title}: {', '.join(map(_name, visual.fields))}")),
    }
    return drawn


def _projection(field: str) -> dict[str, Any]:
    table, name = home_of(field)
    return {"field": _field(field), "queryRef": f"{table}.{name}", "nativeQueryRef": name}


def _field(field: str) -> dict[str, Any]:
    table, name = home_of(field)
    kind = "Measure" if field.startswith("[") else "Column"
    return {kind: {"Expression": {"SourceRef": {"Entity": table}}, "Property": name}}


def home_of(field: str) -> tuple[str, str]:
    """The table and the name of a field.

    Raises:
        KeyError: a measure is none of ``MEASURES``.

    """
    table, _, name = field.rstrip("]").partition("[")
    return table or HOME[name], name


def _name(field: str) -> str:
    return home_of(field)[1].replace("_", " ")


def _properties(**properties: Any) -> list[dict[str, Any]]:
    return [{"properties": properties}]


def _text(text: str) -> dict[str, Any]:
    doubled = text.replace("'", "''")
    return _literal(f"'{doubled}'")


def _literal(value: str) -> dict[str, Any]:
    return {"expr": {"Literal": {"Value": value}}}
