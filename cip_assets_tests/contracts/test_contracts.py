"""The contracts are well-formed, and their SQL rules agree with pandera."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyspark.sql.functions as F
import pyspark.sql.types as T
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pandera.api.pyspark.components import Column
from pandera.config import get_config_context
from pandera.pyspark import Field
from pyspark.sql import SparkSession

from cip_assets.contracts.contract import LAYERS, Contract, TableContract, column
from cip_assets.contracts.rules_sql import column_rules
from cip_assets.contracts.types import Money
from cip_assets.layers import (
    CONTRACTS,
    EVENT_TABLES,
    SNAPSHOT_TABLES,
    SOURCE_TABLES,
    contract_of,
    contracts_in,
)
from cip_assets.layers.cells import CellSnapshot
from cip_assets_tests.layers.frames import Row, frame_of

ALL = contracts_in()
SNAKE_CASE = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")

# --- well-formed --------------------------------------------------------------------------------------------


def test_each_layer_has_its_tables() -> None:
    six = {"customers", "products", "transactions", "returns", "support_tickets", "web_activity"}
    assert set(SOURCE_TABLES) == six
    assert set(EVENT_TABLES) | set(SNAPSHOT_TABLES) == six
    assert set(SNAPSHOT_TABLES) == {"customers", "products"}
    for layer in ("raw", "quarantine"):
        assert {contract.table for contract in contracts_in(layer)} == six
    histories = {"customers_history", "products_history"}
    assert {contract.table for contract in contracts_in("cleaned")} == six | histories
    assert {"rfm", "churn", "clv", "returns", "support", "engagement", "segments"} <= {
        contract.table for contract in contracts_in("features")
    }
    assert {"customer_360", "cohort_retention"} <= {contract.table for contract in contracts_in("marts")}
    assert {contract.layer for contract in ALL} == set(LAYERS)
    assert len(ALL) == len(CONTRACTS)


def test_contracts_come_in_the_order_of_the_data_flow() -> None:
    layers = [contract.layer for contract in ALL]
    assert layers == sorted(layers, key=LAYERS.index)


def test_source_columns_are_those_of_the_landing_format() -> None:
    assert {name: source.columns for name, source in SOURCE_TABLES.items()} == {
        "customers": (
            "customer_id",
            "first_name",
            "last_name",
            "email",
            "gender",
            "date_of_birth",
            "signup_date",
            "region",
            "customer_segment",
        ),
        "products": ("product_id", "product_name", "category", "brand", "cost_price", "selling_price"),
        "transactions": (
            "transaction_id",
            "customer_id",
            "product_id",
            "quantity",
            "price",
            "amount",
            "payment_method",
            "transaction_date",
        ),
        "returns": (
            "return_id",
            "transaction_id",
            "customer_id",
            "product_id",
            "amount",
            "return_reason",
            "return_date",
        ),
        "support_tickets": (
            "ticket_id",
            "customer_id",
            "ticket_category",
            "priority",
            "status",
            "opened_date",
            "resolved_date",
        ),
        "web_activity": ("session_id", "customer_id", "activity_type", "product_id", "timestamp"),
    }


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_contract_is_well_formed(contract: TableContract) -> None:
    names = list(contract.columns)
    assert contract.description
    assert contract.grain.startswith("one row per ")
    assert [name for name in [contract.table, *names] if not SNAKE_CASE.match(name)] == []
    undescribed = [
        name for name, declared in contract.columns.items() if not (declared.description or "").strip()
    ]
    assert undescribed == []

    assert contract.key
    assert set(contract.key) <= set(names)
    # Facts and cells are grouped by their key, so no value is a group, too.
    if contract.layer != "facts" and not issubclass(contract.model, CellSnapshot):
        assert [name for name in contract.key if contract.columns[name].nullable] == []
    assert set(names[: len(contract.key)]) == set(contract.key)

    if contract.layer in {"features", "marts"}:
        assert contract.partition_column == "as_of_date"
        assert contract.key[0] == "as_of_date"
    elif contract.layer == "facts" or contract.table in EVENT_TABLES:
        assert contract.partition_column == "month"
    else:
        assert contract.partition_column is None
    if contract.partition_column:
        partition = contract.columns[contract.partition_column]
        assert isinstance(partition.dtype.type, T.DateType)
        assert not partition.nullable


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_money_is_exact_and_never_a_float(contract: TableContract) -> None:
    floats = [f.name for f in contract.spark_schema if isinstance(f.dataType, T.DoubleType | T.FloatType)]
    assert not floats
    in_currency = [name for name in contract.columns if contract.unit(name) == "currency"]
    types = {field.name: field.dataType for field in contract.spark_schema}
    assert {name: types[name] for name in in_currency} == dict.fromkeys(in_currency, T.DecimalType(18, 2))


@pytest.mark.parametrize("name", SOURCE_TABLES)
def test_raw_and_quarantine_have_the_source_columns_as_text(name: str) -> None:
    source = SOURCE_TABLES[name]
    for contract in (source.raw, source.quarantine):
        assert {type(contract.columns[column].dtype.type) for column in source.columns} == {T.StringType}
        assert contract.key == ("source_file", "source_line")
    assert [c for c in source.columns if source.raw.is_pii(c)] == [
        c for c in source.columns if source.cleaned.is_pii(c)
    ]


def test_personal_data_is_marked_in_every_table() -> None:
    personal = {"first_name", "last_name", "email", "date_of_birth", "raw_text"}
    marked = {(c.name, name): c.is_pii(name) for c in ALL for name in c.columns if name in personal}
    assert [place for place, is_marked in marked.items() if not is_marked] == []
    assert ("marts/customer_360", "email") in marked


# --- SQL rules compared with pandera ------------------------------------------------------------------------

PROBLEM_OF_CHECK = {
    "not_nullable": "missing",
    "greater_than_or_equal_to": "below_minimum",
    "less_than_or_equal_to": "above_maximum",
    "isin": "not_allowed",
    "str_matches": "wrong_format",
}


class Example(Contract, grain="one row per name", key=["name"], domain="sales"):
    """Every kind of check that a column can have."""

    name: T.StringType = column("A name", required=True)
    kind: T.StringType = column("Kind", isin=["Can't Lose", "At Risk", 'a "b"', "back\\slash"])
    code: T.StringType = column("Code", str_matches=r"[A-Z]\d{2}(-x)?$")
    share: T.IntegerType = column("Share", ge=-5, le=5)
    price: Money = column("Price", required=True, ge=0, le=100)


EXAMPLE = TableContract.of(Example, "marts", "example")

GOOD_EXAMPLE: Row = {"name": "a", "kind": "At Risk", "code": "A12", "share": 0, "price": Decimal(1)}

# A valid row of each contract is made by type. These columns need another value.
CONTRACTS_TO_BREAK: Mapping[str, TableContract] = {
    "example": EXAMPLE,
    "transactions": contract_of("cleaned", "transactions"),
    "quarantine": contract_of("quarantine", "returns"),
    "rfm": contract_of("features", "rfm"),
    "customer_360": contract_of("marts", "customer_360"),
    "kpi_revenue_segment": contract_of("marts", "kpi_revenue_segment"),
}
BREAK_ROW_RULES: Mapping[str, Mapping[str, Row]] = {
    "transactions": {
        "customer_id:missing": {"customer_id": None, "is_guest": False},
        "amount:missing": {"amount": None, "original_amount": None, "amount_unknown": False},
    }
}
"""Rules over several columns, with values that break them."""
GOOD_VALUES: Mapping[str, Row] = {
    "example": GOOD_EXAMPLE,
    "transactions": {"currency": "EUR"},
    "quarantine": {"outcome": "superseded"},
    "customer_360": {"churn_band": "Low"},
    "kpi_revenue_segment": {"segmentation": "region"},
}


def good_row(contract: TableContract, known: Row) -> Row:
    """A row that satisfies the contract. Each number is the smallest allowed value, or 1 if there is no minimum."""

    def value(name: str, data_type: T.DataType) -> Any:
        if isinstance(data_type, T.StringType):
            return "x"
        if isinstance(data_type, T.DateType):
            return date(2024, 3, 1)
        if isinstance(data_type, T.TimestampType):
            return datetime(2024, 3, 1, tzinfo=UTC)
        if isinstance(data_type, T.BooleanType):
            return True
        limits = [check.statistics for check in contract.columns[name].checks]
        return next((s["min_value"] for s in limits if "min_value" in s), 1)

    return {field.name: value(field.name, field.dataType) for field in contract.spark_schema} | known


def breaking_values(declared: Column) -> list[tuple[str, Any]]:
    """For each rule of a column, its problem and a value that only just breaks it."""
    broken: list[tuple[str, Any]] = [] if declared.nullable else [("missing", None)]
    step = Decimal("0.01") if isinstance(declared.dtype.type, T.DecimalType) else 1
    for check in declared.checks:
        problem = PROBLEM_OF_CHECK[check.name]
        values = {
            "below_minimum": lambda s: s["min_value"] - step,
            "above_maximum": lambda s: s["max_value"] + step,
            "not_allowed": lambda _: "none of them",
            "wrong_format": lambda _: "zA12",
        }
        broken.append((problem, values[problem](check.statistics)))
    return broken


def broken_by_sql(spark: SparkSession, contract: TableContract, rows: Sequence[Row]) -> list[set[str]]:
    """The rules that each row breaks, by the compiled SQL."""
    frame = frame_of(spark, contract.spark_schema, rows)
    flags = frame.select(
        *(F.coalesce(F.expr(rule.broken_when), F.lit(False)).alias(rule.name) for rule in contract.rules)
    )
    return [{name for name, broken in row.asDict().items() if broken} for row in flags.collect()]


def broken_by_pandera(spark: SparkSession, contract: TableContract, rows: Sequence[Row]) -> set[str]:
    """The rules that the rows break, by pandera. It does not say which row breaks a rule."""
    errors = contract.model.validate(frame_of(spark, contract.spark_schema, rows)).pandera.errors
    found = [error for kind in errors.values() for group in kind.values() for error in group]
    return {f"{error['column']}:{PROBLEM_OF_CHECK[error['check'].split('(')[0]]}" for error in found}


@pytest.fixture(autouse=True, scope="module")
def pandera_validates() -> None:
    """If validation is off, pandera accepts everything without a warning."""
    assert get_config_context().validation_enabled


@pytest.mark.parametrize("name", CONTRACTS_TO_BREAK)
def test_each_rule_is_broken_only_by_its_row_and_pandera_agrees(spark: SparkSession, name: str) -> None:
    contract = CONTRACTS_TO_BREAK[name]
    good = good_row(contract, GOOD_VALUES.get(name, {}))
    assert broken_by_sql(spark, contract, [good]) == [set()]
    assert broken_by_pandera(spark, contract, [good]) == set()

    of_columns = {
        f"{column_name}:{problem}": {**good, column_name: value}
        for column_name, declared in contract.columns.items()
        for problem, value in breaking_values(declared)
    }
    of_rows = {rule: {**good, **values} for rule, values in BREAK_ROW_RULES.get(name, {}).items()}
    breaking = of_columns | of_rows
    assert set(breaking) == {rule.name for rule in contract.rules}
    by_sql = broken_by_sql(spark, contract, list(breaking.values()))
    assert dict(zip(breaking, by_sql, strict=True)) == {rule: {rule} for rule in breaking}
    assert broken_by_pandera(spark, contract, [good, *of_columns.values()]) == set(of_columns)


example_rows = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from([None, "", "a"]),
            "kind": st.sampled_from(
                [None, "Can't Lose", "Cant Lose", "At Risk", "at risk", 'a "b"', "back\\slash", "backslash"]
            ),
            "code": st.sampled_from([None, "A12", "A12-x", "xA12", "A1", "d{2}", "", "\nA12"]),
            "share": st.sampled_from([None, -6, -5, 0, 5, 6]),
            "price": st.sampled_from([None, "-0.01", "0.00", "100.00", "100.01"]).map(
                lambda v: v and Decimal(v)
            ),
        }
    ),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(example_rows)
def test_sql_and_pandera_agree_on_any_rows(spark: SparkSession, rows: list[Row]) -> None:
    by_sql = set().union(*broken_by_sql(spark, EXAMPLE, rows))
    assert by_sql == broken_by_pandera(spark, EXAMPLE, rows)


@pytest.mark.engine
def test_rules_mean_the_same_on_every_engine(spark: SparkSession) -> None:
    """The compiled SQL has quotes, backslashes and patterns, which the engines parse differently."""
    cases: Iterable[tuple[Row, set[str]]] = [
        ({}, set()),
        ({"kind": "Can't Lose", "code": "Z99-x"}, set()),
        ({"kind": 'a "b"', "share": -5}, set()),
        ({"kind": "back\\slash", "share": 5}, set()),
        ({"kind": None, "code": None, "share": None}, set()),
        ({"kind": "Cant Lose"}, {"kind:not_allowed"}),
        ({"code": "Add"}, {"code:wrong_format"}),
        ({"code": "xA12"}, {"code:wrong_format"}),
        ({"name": None, "price": None, "share": 6}, {"name:missing", "price:missing", "share:above_maximum"}),
        ({"price": Decimal("-0.01"), "share": -6}, {"price:below_minimum", "share:below_minimum"}),
    ]
    rows = [GOOD_EXAMPLE | change for change, _ in cases]
    assert broken_by_sql(spark, EXAMPLE, rows) == [expected for _, expected in cases]


def test_a_rule_over_columns_is_broken_by_the_row_but_not_by_a_null(spark: SparkSession) -> None:
    contract = contract_of("cleaned", "support_tickets")
    good = good_row(contract, {"opened_date": date(2024, 3, 2), "closed_on": date(2024, 3, 2)})
    days = [date(2024, 3, 2), date(2024, 3, 1), None]
    rows = [good | {"resolved_date": day} for day in days]
    assert broken_by_sql(spark, contract, rows) == [set(), {"resolved_date:before_opened_date"}, set()]


def test_a_check_without_an_sql_form_is_refused() -> None:
    class Odd(Contract, grain="one row per text", key=["text"], domain="sales"):
        """A check of pandera without an SQL form."""

        text: T.StringType = Field(str_startswith="a")

    with pytest.raises(KeyError, match="str_startswith"):
        column_rules("text", Odd.to_schema().columns["text"])
    with pytest.raises(KeyError, match="str_startswith"):
        _ = TableContract.of(Odd, "marts", "odd").rules


def test_pandera_finds_a_wrong_type(spark: SparkSession) -> None:
    contract = contract_of("features", "churn")
    good = frame_of(spark, contract.spark_schema, [good_row(contract, {})])
    wrong = good.withColumn("recency_days", F.col("recency_days").cast("bigint"))
    assert "SCHEMA" not in contract.model.validate(good).pandera.errors
    assert "WRONG_DATATYPE" in contract.model.validate(wrong).pandera.errors["SCHEMA"]


def test_the_header_line_is_not_a_row(spark: SparkSession) -> None:
    contract = contract_of("cleaned", "products")
    rows = [good_row(contract, {"source_line": line}) for line in (1, 2)]
    assert broken_by_sql(spark, contract, rows) == [{"source_line:below_minimum"}, set()]
