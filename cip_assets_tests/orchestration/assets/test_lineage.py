"""The asset graph reads like a map: where every column comes from, who answers for a table, where its code is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster_deltalake import LocalConfig
from pyspark.sql import DataFrame

import cip_assets
from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import LAYERS, Contract, DeclarationError, TableContract
from cip_assets.contracts.contract import column as declared
from cip_assets.contracts.types import Money
from cip_assets.definitions import build_definitions
from cip_assets.layers import SOURCE_TABLES, contract_of, contracts_in
from cip_assets.layers.cleaned import judge
from cip_assets.orchestration.assets.declare import described
from cip_assets.orchestration.io_manager import SparkDeltaIOManager
from cip_assets.orchestration.resources import EngineResource
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import GRAPH as ALL

DEFINITIONS = build_definitions(Settings(Path("/nowhere"), ENGINE), ALL)
GRAPH = DEFINITIONS.resolve_asset_graph()
SPECS = {spec.key.to_user_string(): spec for spec in DEFINITIONS.resolve_all_asset_specs()}
ORDER = (*LAYERS, "exports")


PAGE = "exports/dashboard"
"""The one asset without columns."""


def sources(table: str) -> Mapping[str, list[str]]:
    """For each column of an asset the columns it comes from, as Dagster was told."""
    if table == PAGE:
        return {}
    lineage = SPECS[table].metadata["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    return {
        name: [f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps]
        for name, deps in lineage.deps_by_column.items()
    }


def upstream(column: str) -> set[str]:
    """Every column that a column comes from, back to raw."""
    table, _, name = column.rpartition(".")
    found = set(sources(table).get(name, ()))
    return found.union(*map(upstream, found))


def layer_of(table: str) -> str:
    return table.partition("/")[0]


def parents(key: dg.AssetKey) -> set[str]:
    return {parent.to_user_string() for parent in GRAPH.get(key).parent_keys}


# --- columns ------------------------------------------------------------------------------------------------


def test_every_column_says_where_it_comes_from() -> None:
    contracts = contracts_in("cleaned", "quarantine", "facts", "features", "marts")
    silent = {f"{c.name}.{name}" for c in contracts for name in c.columns if name not in sources(c.name)}
    assert silent == {
        *(f"{contract.name}.as_of_date" for contract in contracts_in("features", "marts")),
        # These two hold the name of another column.
        "features/rfm_cut_points.metric",
        "marts/kpi_revenue_segment.segmentation",
        # These describe a list.
        *(f"marts/lists.{name}" for name in ("place", "list_name", "team", "title", "rule", "money_is")),
        # This one is a rule.
        "features/forecast_model.window_days",
    }


def test_sources_are_columns_of_the_tables_an_asset_reads() -> None:
    for table, spec in SPECS.items():
        named = {source for found in sources(table).values() for source in found}
        tables = parents(spec.key) - {"landing/manifest"}
        assert named <= {f"{name}.{c}" for name in tables for c in contract_of(*name.split("/")).columns}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            "cleaned/customers.is_birth_date_plausible",
            ["customers.date_of_birth", "customers.delivery_date", "customers.signup_date"],
        ),
        ("cleaned/returns.amount", ["returns.amount"]),
        ("quarantine/products.brand", ["products.brand"]),
        (
            "facts/order_days.charged_in_currency",
            [f"transactions.{c}" for c in ("amount", "charged", "currency", "original_amount")],
        ),
        ("features/purchases.is_orphan", ["customers.customer_id", "order_days.customer_id"]),
        ("features/returns.returned_amount", ["returns.amount"]),
        (
            "features/returns.returned_orders",
            [
                "returns.order_id",
                "returns.transaction_id",
                "transactions.order_id",
                "transactions.transaction_id",
            ],
        ),
        ("features/preferences.top_brand", ["products.brand", "transactions.amount"]),
        ("marts/customer_360.signup_date", ["population.signup_date"]),
        ("marts/customer_360.recency_days", ["purchases.recency_days"]),
        ("marts/customer_360.rfm_segment", ["segments.rfm_segment"]),
        ("marts/customer_360.return_rate", ["purchases.frequency", "returns.returned_orders"]),
        ("marts/kpi_totals.avg_order_value", ["order_days.amount", "order_days.order_id"]),
        ("marts/kpi_trends.month", ["order_days.month"]),
        ("marts/kpi_trends.return_ratio", ["order_days.lines", "returns.return_id"]),
        ("exports/kpi_clv.historic_value", ["customer_360.historic_value"]),
        ("exports/kpi_retention.cohort_month", ["cohort_retention.cohort_month"]),
    ],
)
def test_a_column_comes_from(column: str, expected: Sequence[str]) -> None:
    table, _, name = column.rpartition(".")
    assert sorted(source.split("/")[1] for source in sources(table)[name]) == expected


def test_monetary_value_is_traced_back_to_the_landed_amount() -> None:
    assert upstream("marts/customer_360.monetary_value") == {
        "features/purchases.monetary_value",
        "facts/order_days.amount",
        "cleaned/transactions.amount",
        "raw/transactions.amount",
    }


def test_what_is_shown_of_a_column_names_its_sources() -> None:
    shown = {c.name: c for c in SPECS["features/purchases"].metadata["dagster/column_schema"].columns}
    assert shown["monetary_value"].description == (
        "Total spend; empty if an amount is unknown [currency] ← facts/order_days.amount"
    )
    assert shown["as_of_date"].description == "Snapshot day: the row uses no event dated after it"


def test_a_source_that_no_input_has_is_refused() -> None:
    class Odd(Contract, grain="one row", key=["price"], domain="sales"):
        """A slip of the pen."""

        price: Money = declared("Price", "returns.amuont")

    with pytest.raises(
        DeclarationError, match=r"marts/odd: price comes from 'returns.amuont', which none of its inputs"
    ):
        TableContract.of(Odd, "marts", "odd", [SOURCE_TABLES["returns"].raw])


@pytest.mark.parametrize("where", ["Dagster+", "elsewhere"])
def test_in_dagster_plus_a_materialization_tells_the_lineage(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "Dagster+":
        monkeypatch.setenv("DAGSTER_CLOUD_DEPLOYMENT_NAME", "prod")
    products = contract_of("cleaned", "products")

    @dg.asset(**described(products, judge, rules=ALL.rules))
    def cleaned_products(engine: EngineResource) -> DataFrame:
        return engine.spark_session.createDataFrame([], products.spark_schema)

    engine = EngineResource(engine=ENGINE)
    lake = SparkDeltaIOManager(root_uri=str(tmp_path), storage_options=LocalConfig(), engine=engine)
    result = dg.materialize([cleaned_products], resources={"engine": engine, "io_manager": lake})
    (event,) = result.get_asset_materialization_events()
    if where == "elsewhere":
        assert "dagster/column_lineage" not in event.materialization.metadata
        return
    told = event.materialization.metadata["dagster/column_lineage"].value
    assert isinstance(told, dg.TableColumnLineage)
    assert told.deps_by_column == {
        name: [dg.TableColumnDep(dg.AssetKey(["raw", "products"]), name)] for name in products.columns
    }


# --- labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", SPECS)
def test_an_asset_says_what_it_is_and_who_answers_for_it(table: str) -> None:
    spec, layer = SPECS[table], layer_of(table)
    team = {"features": "analytics", "marts": "analytics", "exports": "bi"}.get(layer, "data-engineering")
    assert spec.owners == [f"team:{team}"]
    assert spec.group_name == layer
    kinds = {"html"} if table == PAGE else {"csv"} if layer == "exports" else {"pyspark", "deltalake"}
    assert spec.kinds == kinds
    assert (spec.description or "").strip()
    domains = {"customers", "products", "sales", "returns", "support", "web", "platform"}
    assert spec.tags["domain"] in domains
    assert (spec.tags["domain"] == "platform") == (table == "landing/manifest")


def test_tables_with_personal_data_are_tagged() -> None:
    """A line that could not be told apart may hold anything, so where such lines are kept it counts as personal."""
    assert {table for table, spec in SPECS.items() if "pii" in spec.tags} == {
        "cleaned/customers",
        "cleaned/customers_history",
        *(f"{layer}/{table}" for layer in ("raw", "quarantine") for table in SOURCE_TABLES),
        "marts/customer_360",
        "exports/customer_360",
    }


@pytest.mark.parametrize("table", SPECS)
def test_an_asset_links_to_its_code(table: str) -> None:
    references = SPECS[table].metadata["dagster/code_references"].code_references
    paths = [Path(reference.file_path) for reference in references]
    package = Path(cip_assets.__file__).parent
    layer, name = table.split("/")
    wrapper = {
        "landing": "landing",
        "facts": "facts_asset",
        "features": "table_asset",
        "marts": "table_asset",
        "exports": "exports",
    }
    assert paths[-1] == package / "orchestration" / "assets" / f"{wrapper.get(layer, 'sources')}.py"
    if layer in {"features", "marts"}:
        lines = paths[0].read_text(encoding="utf-8").splitlines()
        assert paths[0] == package / "layers" / layer / f"{name}.py"
        from_there = lines[references[0].line_number - 1 :]
        assert from_there[0].startswith("@")
        assert next(line for line in from_there if line.startswith("def ")).startswith(f"def {name}(")


# --- the graph ----------------------------------------------------------------------------------------------


def test_data_flows_from_landing_to_exports_and_nothing_lies_beside() -> None:
    assert {key.to_user_string() for key in GRAPH.materializable_asset_keys} == set(SPECS)
    assert GRAPH.get_all_asset_keys() == GRAPH.materializable_asset_keys  # no input that nobody writes
    roots = {table for table, spec in SPECS.items() if not parents(spec.key)}
    leaves = {table for table, spec in SPECS.items() if not GRAPH.get(spec.key).child_keys}
    assert roots == {"landing/manifest"}
    histories = {"cleaned/customers_history", "cleaned/products_history"}  # for people only
    assert set(map(layer_of, leaves - histories)) == {"exports"}
    assert histories <= leaves


def test_no_edge_leads_back_to_an_earlier_layer() -> None:
    edges = [(parent, table) for table, spec in SPECS.items() for parent in parents(spec.key)]
    assert len(edges) > len(SPECS)
    assert [edge for edge in edges if ORDER.index(layer_of(edge[0])) > ORDER.index(layer_of(edge[1]))] == []
