"""From what a page shows to HTML: the templates, and how values are written."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import pyspark.sql.types as T

from cip_assets.app.page import Ask, Page
from cip_assets.contracts.contract import TableContract
from cip_assets.layers import CONTRACTS
from cip_assets.reporting.dashboard.page import STYLE
from cip_assets.reporting.labels import label

TEMPLATES = Path(__file__).with_name("templates")

LABELS = {
    "avg_resolution_days": "Days to resolve, on average",
    "clv_12m_margin": "12-month CLV, margin",
    "clv_12m_net": "12-month CLV, net of returns",
    "total_returns": "Returns",
    "total_sessions": "Sessions",
    "total_tickets": "Tickets",
    "is_worth_contacting": "Worth contacting",
}
"""Labels that read better beside a value than those of tables and charts."""

NOTHING = "\u2013"
"""An empty value, a dash."""


def text_of(table: str, column: str, value: Any) -> str:
    """A value of a column as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Decimal):
        return f"{value:.1%}" if is_share(CONTRACTS[table], column) else f"{value:,.2f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:,d}" if isinstance(value, int) else str(value)


def is_share(contract: TableContract, column: str) -> bool:
    """Whether a column is a share, from 0 to 1 and not an amount."""
    kind = contract.spark_schema[column].dataType
    checks = (contract.columns[column].metadata or {}).get("checks", {})
    return isinstance(kind, T.DecimalType) and kind.scale == 6 and checks.get("le") == 1


def is_number(table: str, column: str) -> bool:
    """Whether a column holds numbers, which are written below each other."""
    return isinstance(CONTRACTS[table].spark_schema[column].dataType, T.NumericType)


def interval(low: Any, value: Any, high: Any, top: Any = None) -> Mapping[str, float]:
    """Where an interval and its value lie on a line of 100; the line ends at ``top``, or a bit after the interval."""
    end = float(top or max(high, value) * Decimal("1.1") or 1)
    return {
        name: round(100 * float(each) / end, 2)
        for name, each in (("low", low), ("value", value), ("high", high))
    }


def address(path: str, **parameters: Any) -> str:
    """A path of the app with what is asked of it; empty parameters are left out."""
    given = {name: value for name, value in parameters.items() if value not in {None, ""}}
    return f"{path}?{urlencode(given)}" if given else path


class Templates:
    """The pages' templates.

    Args:
        menu: the pages in the menu.
        dagster: where the Dagster UI is; empty if it is nowhere.

    """

    def __init__(self, menu: list[Page], dagster: str = "") -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.globals.update(
            menu=menu,
            label=lambda name: LABELS.get(name) or label(name),
            text_of=text_of,
            is_number=is_number,
            interval=interval,
            address=address,
            dagster=lambda table, day=None: asset_address(dagster, table, day),
            contracts=CONTRACTS,
        )

    def page(self, page: Page, ask: Ask) -> str:
        """The HTML of a page."""
        return self.html(
            page.template,
            **page.show(ask),
            ask=ask,
            page=page,
            viewer=ask.viewer,
            day=ask.day,
            days=ask.lake.days(),
        )

    def html(self, template: str, **shown: Any) -> str:
        return self._environment.get_template(template).render(**shown)


def asset_address(dagster: str, table: str, day: date | None) -> str:
    """The page of a table's asset in the Dagster UI."""
    if not dagster:
        return ""
    contract = CONTRACTS.get(table)
    partition = str(day) if day and contract and contract.partition_column == "as_of_date" else None
    return address(f"{dagster}/assets/{table}", partition=partition)


def style() -> str:
    """The style of the pages: that of the dashboard, and what it lacks."""
    return "".join(path.read_text(encoding="utf-8") for path in (STYLE, TEMPLATES / "app.css"))
