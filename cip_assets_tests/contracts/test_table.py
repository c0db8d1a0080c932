"""An incorrect declaration of a table is refused when its module is imported, with an error of one line."""

from datetime import date
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import DeclarationError
from cip_assets.contracts.table import Table
from cip_assets.layers import contract_of
from cip_assets_tests.layers.frames import collected, frame_of

RIGHT = '''
import pyspark.sql.types as T
from pyspark.sql import DataFrame
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.features.purchases import Purchases

class KpiPayment(DaySnapshot, grain="one row per payment method", key=["payment_method"], domain="sales"):
    """Transactions by payment method.

    All of them.
    """

    payment_method: T.StringType = column("Payment method", required=True)
    orders: T.LongType = column("Transactions", "transaction_id", required=True)

@csv_file(order_by=["payment_method"])
@table(KpiPayment, sold=Transactions)
def kpi_payment(sold: DataFrame) -> DataFrame:
    return sold.groupBy("payment_method").count().withColumnRenamed("count", "orders")
'''


def imported(source: str, name: str = "cip_assets.layers.marts.kpi_payment") -> ModuleType:
    """The module with this source, as if it were a file of the package."""
    module = ModuleType(name)
    exec(compile(source, name, "exec"), vars(module))
    return module


def refusal(old: str, new: str, name: str = "cip_assets.layers.marts.kpi_payment") -> str:
    """The error of importing the module with one change."""
    assert old in RIGHT
    with pytest.raises(DeclarationError) as refused:
        imported(RIGHT.replace(old, new), name)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_everything_follows_from_the_declaration(spark: SparkSession, rules: Rules) -> None:
    declared: Table = imported(RIGHT).kpi_payment
    contract = declared.contract
    assert (contract.name, contract.key) == ("marts/kpi_payment", ("as_of_date", "payment_method"))
    assert contract.sources("orders") == ("cleaned/transactions.transaction_id",)
    assert declared.reads == {"sold": contract_of("cleaned", "transactions")}
    assert declared.csv is not None
    assert (declared.csv.columns, declared.csv.description) == (
        ["payment_method", "orders"],
        "Transactions by payment method",
    )
    row = {"transaction_id": "T1", "payment_method": "Cash"}
    sold = frame_of(spark, contract_of("cleaned", "transactions").spark_schema, [row])
    day = date(2024, 6, 20)
    assert collected(declared(sold=sold, as_of=day, rules=rules)) == [
        {"as_of_date": day, "payment_method": "Cash", "orders": 1}
    ]


def test_the_parameters_must_be_the_inputs() -> None:
    assert refusal("sold=Transactions", "bought=Transactions") == (
        "marts/kpi_payment: @table names the inputs ['bought'], but the function takes ['sold']"
    )


def test_the_file_and_the_function_must_have_the_same_name() -> None:
    assert refusal("def kpi_payment(", "def payments(") == (
        "marts/payments: the function is 'payments', but the file is kpi_payment.py; give both the name of the table"
    )


def test_the_folder_must_be_a_layer() -> None:
    assert refusal("All of", "Most of", "cip_assets.layers.gold.kpi_payment") == (
        "gold/kpi_payment: unknown layer 'gold'; "
        "choose one of landing, raw, quarantine, cleaned, facts, features, marts"
    )


def test_an_input_must_be_the_contract_of_a_table() -> None:
    assert refusal("sold=Transactions", "sold=KpiPayment") == (
        "marts/kpi_payment: the input KpiPayment is not the contract of a table"
    )


def test_a_contract_must_belong_to_one_table() -> None:
    assert refusal("@table(KpiPayment,", "@table(Purchases,") == (
        "marts/kpi_payment: class Purchases is already the contract of features/purchases"
    )


@pytest.mark.parametrize("word", ["key", "domain"])
def test_key_and_domain_are_required(word: str) -> None:
    keywords = {"key": 'key=["payment_method"], ', "domain": ', domain="sales"'}
    assert refusal(keywords[word], "") == (
        f"marts/kpi_payment: class KpiPayment has no {word}; write class KpiPayment(..., {word}=...)"
    )


def test_the_key_must_name_columns() -> None:
    assert refusal('key=["payment_method"]', 'key=["method"]') == (
        "marts/kpi_payment: the key names an unknown column 'method'; "
        "choose from as_of_date, payment_method, orders"
    )


def test_the_source_of_a_column_must_be_a_column_of_an_input() -> None:
    assert refusal('"transaction_id"', '"ticket_id"') == (
        "marts/kpi_payment: orders comes from 'ticket_id', which none of its inputs has (cleaned/transactions)"
    )


def test_a_file_must_be_sorted_by_a_column_of_the_mart() -> None:
    assert refusal('order_by=["payment_method"]', 'order_by=["rank"]') == (
        "exports/kpi_payment: marts/kpi_payment has no column 'rank'"
    )
