"""The tables, in the order in which data flows through them. Every list of tables in the project comes from here.

A table is a file in the folder of its layer. The file has the contract and the function that computes the table.
``raw`` and ``quarantine`` have no files, because they follow from ``cleaned`` (``contracts/source.py``).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import LAYERS, TableContract
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.contracts.facts import FactsTable
from cip_assets.contracts.source import SourceTable
from cip_assets.contracts.table import Table
from cip_assets.layers.cleaned.customers import customers
from cip_assets.layers.cleaned.products import products
from cip_assets.layers.cleaned.returns import returns as cleaned_returns
from cip_assets.layers.cleaned.support_tickets import support_tickets
from cip_assets.layers.cleaned.transactions import transactions
from cip_assets.layers.cleaned.web_activity import web_activity
from cip_assets.layers.exports.projections import PROJECTIONS
from cip_assets.layers.facts.order_days import order_days
from cip_assets.layers.facts.session_days import session_days
from cip_assets.layers.features.churn import churn
from cip_assets.layers.features.clv import clv
from cip_assets.layers.features.engagement import engagement
from cip_assets.layers.features.forecast import forecast
from cip_assets.layers.features.forecast_model import forecast_model
from cip_assets.layers.features.population import population
from cip_assets.layers.features.preferences import preferences
from cip_assets.layers.features.purchases import purchases
from cip_assets.layers.features.returns import returns
from cip_assets.layers.features.rfm import rfm
from cip_assets.layers.features.rfm_cut_points import rfm_cut_points
from cip_assets.layers.features.segments import segments
from cip_assets.layers.features.shop_margin import shop_margin
from cip_assets.layers.features.split_orders import split_orders
from cip_assets.layers.features.support import support
from cip_assets.layers.landing.manifest import manifest
from cip_assets.layers.marts.cell_months import cell_months
from cip_assets.layers.marts.cell_products import cell_products
from cip_assets.layers.marts.cohort_retention import cohort_retention
from cip_assets.layers.marts.customer_360 import customer_360
from cip_assets.layers.marts.insight_contributions import insight_contributions
from cip_assets.layers.marts.insight_counts import insight_counts
from cip_assets.layers.marts.insight_months import insight_months
from cip_assets.layers.marts.insights import insights
from cip_assets.layers.marts.kpi_activity import kpi_activity
from cip_assets.layers.marts.kpi_currencies import kpi_currencies
from cip_assets.layers.marts.kpi_monthly_revenue import kpi_monthly_revenue
from cip_assets.layers.marts.kpi_revenue_segment import kpi_revenue_segment
from cip_assets.layers.marts.kpi_top_customers import kpi_top_customers
from cip_assets.layers.marts.kpi_top_products import kpi_top_products
from cip_assets.layers.marts.kpi_totals import kpi_totals
from cip_assets.layers.marts.kpi_trends import kpi_trends
from cip_assets.layers.marts.list_at_risk import list_at_risk
from cip_assets.layers.marts.list_complaints import list_complaints
from cip_assets.layers.marts.list_open_tickets import list_open_tickets
from cip_assets.layers.marts.list_repeated_complaints import list_repeated_complaints
from cip_assets.layers.marts.list_returned_orders import list_returned_orders
from cip_assets.layers.marts.list_returns import list_returns
from cip_assets.layers.marts.list_second_order import list_second_order
from cip_assets.layers.marts.lists import lists
from cip_assets.layers.marts.model_backtest import model_backtest
from cip_assets.layers.marts.model_calibration import model_calibration
from cip_assets.layers.marts.model_windows import model_windows
from cip_assets.layers.marts.reason_effects import reason_effects
from cip_assets.layers.marts.segment_migration import segment_migration

_SOURCES = (customers, products, transactions, cleaned_returns, support_tickets, web_activity)

TABLES: Sequence[Table] = (
    population,
    split_orders,
    purchases,
    preferences,
    returns,
    support,
    engagement,
    rfm_cut_points,
    rfm,
    shop_margin,
    forecast_model,
    forecast,
    churn,
    clv,
    segments,
    customer_360,
    cohort_retention,
    kpi_totals,
    kpi_currencies,
    kpi_activity,
    kpi_revenue_segment,
    kpi_monthly_revenue,
    kpi_top_customers,
    kpi_top_products,
    kpi_trends,
    cell_months,
    cell_products,
    insight_counts,
    insights,
    insight_months,
    insight_contributions,
    segment_migration,
    model_backtest,
    model_windows,
    model_calibration,
    reason_effects,
    list_at_risk,
    list_second_order,
    list_returns,
    list_returned_orders,
    list_open_tickets,
    list_repeated_complaints,
    list_complaints,
    lists,
)
"""Every table that has a snapshot for each day."""

SOURCE_TABLES: Mapping[str, SourceTable] = {source.name: source for source in _SOURCES}
"""The source tables, by name."""

FACTS_OF: Mapping[str, FactsTable] = {table.source.name: table for table in (order_days, session_days)}
"""The facts of the source tables that have some, by the name of the source table."""

EVENT_TABLES: Sequence[str] = tuple(name for name, source in SOURCE_TABLES.items() if source.is_event)
SNAPSHOT_TABLES: Sequence[str] = tuple(name for name, source in SOURCE_TABLES.items() if not source.is_event)

CSV_FILES: Sequence[CsvFile] = (*(table.csv for table in TABLES if table.csv), *PROJECTIONS)
"""Every CSV file in ``final``."""

CONTRACTS: Mapping[str, TableContract] = {
    contract.name: contract
    for contract in (
        manifest,
        *(source.raw for source in _SOURCES),
        *(source.quarantine for source in _SOURCES),
        *(source.cleaned for source in _SOURCES),
        *(source.history for source in _SOURCES if source.history),
        *(table.contract for table in FACTS_OF.values()),
        *(table.contract for table in TABLES),
    )
}
"""Every contract by name, ``layer/table``, in the order of the layers."""


def check_rules(rules: Rules, path: Path) -> None:
    """Check that the rules name only columns and layers that exist.

    Raises:
        PlatformError: a column or layer is unknown, or a layer is missing. The message names the key.

    """
    known = {f"{name}.{column}" for name, source in SOURCE_TABLES.items() for column in source.texts}
    for section, keys in (("fill", rules.fill), ("vocabulary", rules.vocabulary)):
        unknown = sorted(set(keys) - known)
        if unknown:
            raise PlatformError(
                f"business rules {path}: {section}.{unknown[0]}: no source table has this column"
            )
    layers = (*LAYERS, "exports")
    if rules.operations.fresh_for_hours.keys() != set(layers):
        raise PlatformError(
            f"business rules {path}: operations.fresh_for_hours: name each of {', '.join(layers)}, and nothing else"
        )


def contracts_in(*layers: str) -> list[TableContract]:
    """The contracts of some layers, or of all layers if none are named, in the order of the data flow."""
    return [contract for contract in CONTRACTS.values() if contract.layer in (layers or LAYERS)]


def contract_of(layer: str, table: str) -> TableContract:
    return CONTRACTS[f"{layer}/{table}"]
