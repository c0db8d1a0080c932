"""Every check fails on the fault that it is there for, and none fails without one."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyspark.sql.functions as F
import pyspark.sql.types as T
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from cip_assets.config.settings import Settings
from cip_assets.definitions import build_definitions
from cip_assets.layers import CONTRACTS, CSV_FILES, EVENT_TABLES, FACTS_OF, SOURCE_TABLES, contracts_in
from cip_assets.orchestration.checks.files import is_as_written
from cip_assets.orchestration.due.exported import last_made
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.runs import Platform
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import GRAPH, materialize
from cip_assets_tests.integration.helpers import LANDED, land
from cip_assets_tests.layers.frames import frame_of

DAY = {"dagster/partition": "2024-02-12"}
JANUARY_ALONE = {
    "dagster/asset_partition_range_start": "2024-01-01",
    "dagster/asset_partition_range_end": "2024-01-01",
}
DEFINED = {spec.key for spec in GRAPH.check_specs}


EMPTY = {
    "features/split_orders:contract",
    "marts/insight_contributions:contract",
    "marts/insight_counts:contract",
    "marts/insight_months:contract",
    "marts/list_complaints:contract",
    "marts/list_open_tickets:contract",
    "marts/list_repeated_complaints:contract",
    "marts/list_returned_orders:contract",
    "marts/list_returns:contract",
    "marts/list_second_order:contract",
    "marts/model_backtest:contract",
    "marts/model_calibration:contract",
    "marts/model_windows:contract",
    "marts/reason_effects:contract",
}
"""These have no rows in the small folder: nobody had bought a churn window before its day, it has too few months for
answers, each of its orders is of one day, and only the list of customers at risk has anybody to list.
"""


def failed(
    data_dir: Path, names: set[str], months: Mapping[str, str] | None = None, layer: str | None = None
) -> dict[str, str]:
    """Run the checks of these names on what lies in a folder, or in one layer of it; those that failed, with what they
    say."""
    definitions = build_definitions(Settings(data_dir, ENGINE), GRAPH)
    asked = {key for key in DEFINED if key.name in names and layer in {None, key.asset_key.path[0]}}
    found: dict[str, str] = {}
    evaluated = set()
    for tags, partitioned_by in ((months or {}, None), (DAY, "day")):
        keys = {key for key in asked if partitioning(key) == partitioned_by}
        if keys:
            result = materialize(definitions, checks=keys, tags=tags)
            for evaluation in result.get_asset_check_evaluations():
                evaluated.add(evaluation.asset_check_key)
                if not evaluation.passed:
                    name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
                    found[name] = evaluation.description or ""
    waiting = {
        dg.AssetKey(facts.contract.name.split("/"))
        for facts in FACTS_OF.values()
        if any(name.startswith(f"{facts.source.cleaned.name}:") for name in found)
    }
    # Facts are not checked while a blocking check of their source fails.
    assert {key for key in asked if key.asset_key not in waiting} <= evaluated
    return found


def partitioning(key: dg.AssetCheckKey) -> str | None:
    """What one run of a check covers."""
    in_days = key.asset_key.path[0] in {"features", "marts", "exports"} and key.name != "latest_day"
    return "day" if in_days else None


def table_at(data_dir: Path, name: str) -> DeltaTable:
    return DeltaTable(str(data_dir / "lake" / name))


def append(data_dir: Path, name: str, **changes: Any) -> None:
    """Append a table's rows to it again, with other values in some columns."""
    table = table_at(data_dir, name)
    rows = table.to_pyarrow_table()
    changed = {
        column: pa.array([value] * len(rows), rows.schema.field(column).type)
        for column, value in changes.items()
    }
    write_deltalake(
        table,
        pa.table({c: changed.get(c, rows[c]) for c in rows.column_names}, schema=rows.schema),
        mode="append",
    )


def all_named(name: str) -> set[str]:
    return {f"{key.asset_key.to_user_string()}:{key.name}" for key in DEFINED if key.name == name}


def test_without_a_fault_no_check_fails(healthy: Path) -> None:
    assert failed(healthy, {key.name for key in DEFINED}) == {}


def test_rows_that_share_a_key_break_the_contract_of_every_table(
    healthy: Path, platform_on: Callable[..., Platform]
) -> None:
    # Dated after the last purchase, they would leave two features empty.
    for event in ("returns", "support_tickets"):
        land(healthy / "landing", f"{event}.csv", LANDED[event].replace("2024-02-2", "2024-02-1"))
    assert platform_on(healthy, "features/returns", "features/support").run().succeeded
    for contract in contracts_in("cleaned", "facts", "features", "marts"):
        append(healthy, contract.name)
    found = failed(healthy, {"contract"})
    assert set(found) == all_named("contract") - EMPTY
    assert "transaction_id:not_unique" in found["cleaned/transactions:contract"].replace(", month", "")


def test_a_value_that_a_rule_forbids_breaks_the_contract(healthy: Path) -> None:
    table_at(healthy, "cleaned/transactions").update({"quantity": "0"}, predicate="transaction_id = 'T1'")
    assert failed(healthy, {"contract"}, layer="cleaned") == {
        "cleaned/transactions:contract": "cleaned/transactions: quantity:below_minimum (1 row)"
    }


def test_a_fact_that_a_rule_forbids_breaks_the_contract(healthy: Path) -> None:
    table_at(healthy, "facts/order_days").update({"lines": "0"}, predicate="order_id = 'T1'")
    table_at(healthy, "facts/session_days").update({"customer_id": "null"})
    assert failed(healthy, {"contract"}, layer="facts") == {
        "facts/order_days:contract": "facts/order_days: lines:below_minimum (1 row)",
        "facts/session_days:contract": "facts/session_days: customer_id:missing (1 row)",
    }


def test_a_row_that_got_lost_breaks_conservation(healthy: Path) -> None:
    for source in SOURCE_TABLES.values():
        row = table_at(healthy, source.cleaned.name).to_pyarrow_table().to_pylist()[0]
        table_at(healthy, source.cleaned.name).delete(f"{source.id_column} = '{row[source.id_column]}'")
    assert set(failed(healthy, {"conservation"})) == {
        f"{source.cleaned.name}:conservation" for source in SOURCE_TABLES.values()
    }


def test_a_run_of_some_months_checks_those(healthy: Path) -> None:
    table_at(healthy, "cleaned/transactions").delete("transaction_id = 'T2'")
    assert failed(healthy, {"conservation"}, months=JANUARY_ALONE) == {}
    assert failed(healthy, {"conservation"}) == {
        "cleaned/transactions:conservation": "transactions: 3 landed, 3 raw = 2 cleaned + 0 quarantined + 0 superseded",
    }


def test_a_cent_that_got_lost_breaks_conservation(healthy: Path) -> None:
    table_at(healthy, "cleaned/returns").update({"amount": "amount - 0.01"})
    assert set(failed(healthy, {"conservation"})) == {"cleaned/returns:conservation"}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("order_days", {"amount": "amount - 0.01"}),
        ("order_days", {"amount": "null"}),
        ("order_days", {"charged": "0.01"}),
        ("order_days", {"amount_in_currency": "amount_in_currency + 0.01"}),
        ("order_days", {"charged_in_currency": "0.01"}),
        ("order_days", {"lines": "lines + 1"}),
        ("order_days", {"transaction_date": "DATE '2024-01-11'"}),
        ("session_days", {"sessions": "sessions + 1"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_facts_that_do_not_add_up_break_conservation(
    healthy: Path, table: str, change: dict[str, str]
) -> None:
    month = "2024-01" if table == "order_days" else "2024-02"
    table_at(healthy, f"facts/{table}").update(change, predicate=f"month = '{month}-01'")
    source = "cleaned/transactions" if table == "order_days" else "cleaned/web_activity"
    assert failed(healthy, {"conservation"}, layer="facts") == {
        f"facts/{table}:conservation": f"facts/{table}: in {month}, the sums are not those of {source}"
    }


def test_a_fact_that_got_lost_or_is_there_twice_breaks_conservation(healthy: Path) -> None:
    table_at(healthy, "facts/order_days").delete("order_id = 'T1'")
    append(healthy, "facts/session_days")
    assert set(failed(healthy, {"conservation"}, layer="facts")) == {
        "facts/order_days:conservation",
        "facts/session_days:conservation",
    }


def test_a_history_that_contradicts_its_table_or_itself_is_reported(healthy: Path) -> None:
    table_at(healthy, "cleaned/customers_history").update(
        {"region": "'West'"}, predicate="customer_id = 'C1'"
    )
    append(healthy, "cleaned/products_history", valid_from=date(2024, 5, 1))
    assert failed(healthy, {"unbroken"}) == {
        "cleaned/customers_history:unbroken": "cleaned/customers_history: 2 current rows differ from cleaned/customers",
        "cleaned/products_history:unbroken": "cleaned/products_history: 1 periods overlap the next one of their id; "
        "1 current rows differ from cleaned/products",
    }


def test_more_quarantined_lines_than_the_rules_allow_are_reported(healthy: Path) -> None:
    for source in SOURCE_TABLES.values():
        kept_out = table_at(healthy, source.quarantine.name)
        schema = pa.schema(kept_out.schema().to_arrow())
        line = {name: None for name in schema.names} | {
            "outcome": "quarantined",
            "reasons": "row:too_few_fields",
        }
        if source.is_event:
            line["month"] = date(2024, 2, 1)
        write_deltalake(kept_out, pa.Table.from_pylist([line], schema), mode="append")
    found = failed(healthy, {"share"})
    assert set(found) == all_named("share")
    assert found["quarantine/customers:share"] == "customers: 1 of 2 lines are quarantined"


@pytest.mark.parametrize(
    ("column", "table"),
    [
        ("gender", "customers"),
        ("payment_method", "transactions"),
        ("return_reason", "returns"),
        ("status", "support_tickets"),
        ("activity_type", "web_activity"),
    ],
)
def test_a_word_that_the_rules_do_not_know_is_reported(healthy: Path, column: str, table: str) -> None:
    table_at(healthy, f"cleaned/{table}").update({column: "'Nonsense'"})
    assert set(failed(healthy, {"vocabulary"})) == {f"cleaned/{table}:vocabulary"}


def test_too_many_events_of_unknown_customers_are_reported(healthy: Path) -> None:
    for table in EVENT_TABLES:
        table_at(healthy, f"cleaned/{table}").update({"customer_id": "'nobody'"})
    a_guest = {"customer_id": "NULL"}
    table_at(healthy, "cleaned/transactions").update(a_guest, predicate="transaction_id = 'T1'")
    found = failed(healthy, {"orphans"})
    assert set(found) == all_named("orphans")
    assert found["cleaned/transactions:orphans"] == (
        "transactions: 2 of 3 rows refer to a customer that is not in the customers table"
    )


def test_an_id_in_two_months_is_reported(healthy: Path) -> None:
    for table in EVENT_TABLES:
        append(healthy, f"cleaned/{table}", month=date(2024, 5, 1))
    assert set(failed(healthy, {"one_month_per_id"})) == all_named("one_month_per_id")


def test_an_id_on_lines_of_one_file_that_differ_is_reported(healthy: Path) -> None:
    for source in SOURCE_TABLES.values():
        raw, kept_out = (table_at(healthy, contract.name) for contract in (source.raw, source.quarantine))
        line = {**raw.to_pyarrow_table().to_pylist()[0], "source_line": 99, source.columns[-1]: "otherwise"}
        write_deltalake(raw, pa.Table.from_pylist([line], raw.to_pyarrow_table().schema), mode="append")
        line |= {"outcome": "superseded", "reasons": f"{source.id_column}:superseded"}
        schema = pa.schema(kept_out.schema().to_arrow())
        write_deltalake(
            kept_out,
            pa.Table.from_pylist([{name: line.get(name) for name in schema.names}], schema),
            mode="append",
        )
    found = failed(healthy, {"one_line_per_id"})
    assert set(found) == all_named("one_line_per_id")
    assert found["cleaned/products:one_line_per_id"].startswith(
        "products: 1 ids are on several different lines of one delivery, and only the last line of each counts "
        "(products.csv:2, 99): each line needs an id of its own"
    )


MARTS_AND_FILES = "marts/kpi_totals:adds_up"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("marts/kpi_totals", {"total_revenue": "total_revenue + 0.01"}),
        ("marts/kpi_totals", {"returned_amount": "coalesce(returned_amount, 0) + 0.01"}),
        ("marts/kpi_totals", {"orphan_revenue": "orphan_revenue + 0.01"}),
        ("marts/kpi_totals", {"total_customers": "total_customers + 1"}),
        ("marts/customer_360", {"monetary_value": "monetary_value + 0.01"}),
        ("marts/kpi_monthly_revenue", {"monthly_revenue": "monthly_revenue - 0.01"}),
        ("marts/kpi_currencies", {"order_lines": "order_lines + 1"}),
        ("marts/kpi_currencies", {"total_revenue": "total_revenue + 0.01"}),
        ("cleaned/transactions", {"amount": "amount + 0.01"}),
        ("cleaned/returns", {"return_date": "DATE '2024-02-12'"}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_marts_that_do_not_add_up_are_found(healthy: Path, name: str, change: dict[str, str]) -> None:
    table_at(healthy, name).update(change)
    assert set(failed(healthy, {"adds_up"})) == {MARTS_AND_FILES}


@pytest.mark.parametrize(
    "fault",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text(
            path.read_text("utf-8") + path.read_text("utf-8").splitlines()[-1] + "\n", "utf-8"
        ),
        lambda path: path.write_text("no," + path.read_text("utf-8"), "utf-8"),
    ],
    ids=["missing", "a row twice", "another header"],
)
def test_files_that_are_not_their_marts_are_found(healthy: Path, fault: Callable[[Path], object]) -> None:
    for export in CSV_FILES:
        fault(healthy / "final" / f"{export.name}.csv")
    assert set(failed(healthy, {"file"})) == all_named("file")


def test_a_file_counts_as_written_until_it_its_mart_or_the_code_changes(healthy: Path) -> None:
    settings, day = Settings(healthy, ENGINE), date.fromisoformat(DAY["dagster/partition"])
    instance, codes = open_instance(settings.dagster_home), dict(GRAPH.code_versions)

    def as_written() -> set[str]:
        keys = {file.name: dg.AssetKey(["exports", file.name]) for file in CSV_FILES}
        made = last_made(instance, keys.values())
        return {
            file.name
            for file in CSV_FILES
            if is_as_written(settings, made[keys[file.name]], file, day, codes[keys[file.name]])
        }

    assert as_written() == {file.name for file in CSV_FILES}
    append(healthy, "marts/kpi_activity")
    (healthy / "final" / "kpi_totals.csv").write_text("total_customers\n", "utf-8")
    codes[dg.AssetKey(["exports", "insights"])] = "other"
    assert {file.name for file in CSV_FILES} - as_written() == {"kpi_activity", "kpi_totals", "insights"}


def test_ids_that_power_bi_cannot_tell_apart_or_that_are_addresses_are_counted(healthy: Path) -> None:
    append(healthy, "marts/customer_360", customer_id="c1")
    append(healthy, "marts/kpi_top_products", product_id="p1")
    table_at(healthy, "marts/customer_360").update(
        {"customer_id": "'ada@example.org'"}, predicate="customer_id = 'C2'"
    )
    found = failed(healthy, {"ids_apart", "no_addresses"})
    assert set(found) == all_named("ids_apart") | all_named("no_addresses")
    assert found["exports/customer_360:ids_apart"].startswith(
        "2 values of customer_id differ from another only in case: Power BI treats them as one id and refuses"
    )
    assert found["exports/customer_360:no_addresses"].startswith(
        "1 values of customer_id are email addresses"
    )
    assert "ada@" not in str(found)


def test_files_that_do_not_add_up_are_found(healthy: Path) -> None:
    path = healthy / "final" / "kpi_totals.csv"
    path.write_text(path.read_text("utf-8").replace("50.00", "50.01"), "utf-8")
    assert set(failed(healthy, {"adds_up"})) == {"exports/kpi_totals:adds_up"}


def test_amounts_in_several_currencies_are_found(healthy: Path) -> None:
    transactions = table_at(healthy, "cleaned/transactions")
    transactions.update({"currency": "'EUR'"})
    assert failed(healthy, {"one_currency"}) == {}
    transactions.update({"currency": "'USD'"}, predicate="transaction_id = 'T1'")
    assert failed(healthy, {"one_currency"}) == {
        "cleaned/transactions:one_currency": "transactions: amounts are in EUR, USD; where an amount is not converted, "
        "deliver it as original_amount and leave amount empty"
    }
    # A line that was converted has another amount in its own currency.
    transactions.update({"original_amount": "amount + 1"}, predicate="transaction_id = 'T1'")
    assert failed(healthy, {"one_currency"}) == {}


def test_returns_in_another_currency_than_the_purchases_are_found(healthy: Path) -> None:
    table_at(healthy, "cleaned/transactions").update({"currency": "'EUR'"})
    table_at(healthy, "cleaned/returns").update({"currency": "'EUR'", "return_date": "DATE '2024-02-12'"})
    for totals in ("kpi_totals", "kpi_currencies"):
        table_at(healthy, f"marts/{totals}").update({"returned_amount": "12.50"})
    assert failed(healthy, {"adds_up"}) == {}
    table_at(healthy, "cleaned/returns").update({"currency": "'USD'"})
    assert set(failed(healthy, {"adds_up"})) == {MARTS_AND_FILES}


def test_a_newest_month_that_is_not_there_is_reported(healthy: Path) -> None:
    for table in EVENT_TABLES:
        table_at(healthy, f"cleaned/{table}").delete("month = '2024-02-01'")
    assert set(failed(healthy, {"latest_month"})) == all_named("latest_month")


def test_a_newest_day_that_is_not_there_is_reported(healthy: Path) -> None:
    table_at(healthy, "marts/kpi_totals").delete()
    assert failed(healthy, {"latest_day"}) == {
        "marts/kpi_totals:latest_day": "The last transaction or event is on 2024-02-12; the newest snapshot is of None."
    }


def test_forecasts_that_are_withheld_are_reported(healthy: Path) -> None:
    changed(
        healthy, "features/forecast_model", is_withheld=True, notes="It did not certainly beat the base rate."
    )
    (said,) = failed(healthy, {"predictions_held"}).values()
    assert said.endswith("It did not certainly beat the base rate.")


BIASED: Mapping[str, Mapping[str, Any]] = {
    "orders_within_band": {"orders_bias": Decimal("0.61"), "allowed_orders_bias": Decimal("0.6")},
    "spend_within_band": {"spend_bias": Decimal("-0.61"), "allowed_spend_bias": Decimal("0.6")},
    "lowest_reason_z:below_minimum": {"lowest_reason_z": Decimal("-3.000001")},
}

INCOHERENT: Mapping[str, Mapping[str, Any]] = {
    "comes_at_least_once": {"churn_probability": Decimal("0.5"), "expected_orders": Decimal("0.499998")},
    "churn_in_its_band": {
        "churn_probability": Decimal(0),
        "churn_probability_low": Decimal("0.1"),
        "churn_probability_high": Decimal("0.2"),
        "expected_orders": Decimal(2),
    },
    "orders_in_their_interval": {
        "expected_orders": Decimal(2),
        "orders_low": Decimal(0),
        "orders_high": Decimal("1.9"),
    },
    "spend_in_its_interval": {
        "expected_spend": Decimal("1.00"),
        "spend_low": Decimal("1.01"),
        "spend_high": Decimal("2.00"),
    },
    "value_in_its_interval": {
        "clv_12m": Decimal("1.00"),
        "clv_12m_net": Decimal("1.00"),
        "clv_12m_low": Decimal("1.01"),
        "clv_12m_high": Decimal("2.00"),
    },
    "horizons_in_order": {"expected_purchases_30": Decimal(3), "expected_purchases_90": Decimal("2.9")},
    "value_of_the_purchases": {
        "clv_12m": Decimal("101.00"),
        "expected_purchases_365": Decimal(1),
        "expected_value": Decimal("100.00"),
    },
    "net_of_returns": {"clv_12m": Decimal("1.00"), "clv_12m_net": Decimal("1.01")},
    "all_or_nothing": {"expected_orders": None},
}


@pytest.mark.parametrize(
    ("table", "faults"), [("forecast_model", BIASED), ("forecast", INCOHERENT)], ids=["model", "customers"]
)
def test_forecasts_that_are_too_far_off_or_contradict_each_other_break_a_rule(
    healthy: Path, spark: SparkSession, table: str, faults: Mapping[str, Mapping[str, Any]]
) -> None:
    contract = CONTRACTS[f"features/{table}"]
    good = table_at(healthy, contract.name).to_pyarrow_table().to_pylist()[0]
    named = T.StructType([*contract.spark_schema, T.StructField("fault", T.StringType())])
    rows = frame_of(spark, named, [{**good, **values, "fault": fault} for fault, values in faults.items()])
    broken = rows.select("fault", *(F.expr(rule.broken_when).alias(rule.name) for rule in contract.rules))
    found = {
        row["fault"]: {name for name, is_so in row.asDict().items() if is_so is True}
        for row in broken.collect()
    }
    assert {fault for fault, rules in found.items() if fault in rules} == set(faults)


def test_forecasts_that_break_a_rule_stop_what_follows(healthy: Path) -> None:
    changed(healthy, "features/forecast_model", **BIASED["spend_within_band"])
    changed(healthy, "features/forecast", **INCOHERENT["net_of_returns"])
    found = failed(healthy, {"contract"}, layer="features")
    assert set(found) == {"features/forecast:contract", "features/forecast_model:contract"}
    assert "spend_within_band" in found["features/forecast_model:contract"]
    assert "raise forecast.max_bias" in found["features/forecast_model:contract"]
    assert "net_of_returns" in found["features/forecast:contract"]
    assert "raise forecast.max_bias" not in found["features/forecast:contract"]


def changed(data_dir: Path, name: str, **values: Any) -> None:
    """Write a table's rows again, with other values in some columns."""
    table = table_at(data_dir, name)
    rows = table.to_pyarrow_table()
    changed_rows = [{**row, **values} for row in rows.to_pylist()]
    write_deltalake(table, pa.Table.from_pylist(changed_rows, rows.schema), mode="overwrite")


def test_every_check_is_made_to_fail_above() -> None:
    assert {key.name for key in DEFINED} == {
        "contract",
        "conservation",
        "share",
        "vocabulary",
        "orphans",
        "one_month_per_id",
        "one_line_per_id",
        "one_currency",
        "latest_month",
        "latest_day",
        "unbroken",
        "predictions_held",
        "adds_up",
        "file",
        "ids_apart",
        "no_addresses",
    }
