"""The six source tables, as cleaned; and what follows from them for ``raw`` and ``quarantine``."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyspark.sql.types as T
from pandera.pyspark import DataFrameModel

from cip_assets.contracts.table import Declare, Money, TableContract, column, contract, contract_of
from cip_assets.contracts.text_formats import EARLIEST_DAY, LATEST_DAY

LARGEST_AMOUNT = Decimal("999999999.99")
"""Of one line: ten million of them still add up exactly in ``decimal(18,2)``, whatever table they are summed in."""

LARGEST_QUANTITY = 999_999_999


@dataclass(frozen=True)
class SourceTable:
    """A table that is landed as CSV.

    ``event_date`` names the source column that dates a row; the tables without one are full snapshots.
    """

    name: str
    id_column: str
    columns: tuple[str, ...]
    event_date: str | None = None

    @property
    def is_event(self) -> bool:
        return self.event_date is not None

    @property
    def cleaned(self) -> TableContract:
        return contract_of("cleaned", self.name)

    @property
    def raw(self) -> TableContract:
        return contract_of("raw", self.name)

    @property
    def quarantine(self) -> TableContract:
        return contract_of("quarantine", self.name)


class _Provenance(DataFrameModel):
    source_file: T.StringType = column("Landing file the row came from", required=True)
    source_version: T.StringType = column("First 16 digits of that file's SHA-256", required=True)
    source_line: T.LongType = column("Line of that file on which the row begins", required=True, ge=2)
    delivery_date: T.DateType = column("Day the row was delivered")


class _Event(_Provenance):
    month: T.DateType = column("First day of the month the row belongs to", required=True)


def _cleaned(table: str, **declared: Any) -> Declare:
    return contract(f"cleaned/{table}", inputs=[f"raw/{table}"], **declared)


@_cleaned("customers", grain="one row per customer", key=["customer_id"], domain="customers")
class Customers(_Provenance):
    """The newest delivered snapshot of the customers."""

    customer_id: T.StringType = column("Customer, an opaque id", required=True)
    first_name: T.StringType = column("First name", pii=True)
    last_name: T.StringType = column("Last name", pii=True)
    email: T.StringType = column("E-mail address, as delivered", pii=True)
    gender: T.StringType = column("Gender")
    date_of_birth: T.DateType = column("Date of birth; empty where it is no date", pii=True)
    signup_date: T.DateType = column(
        "Day the customer signed up; empty where unknown", ge=EARLIEST_DAY, le=LATEST_DAY
    )
    region: T.StringType = column("Sales region")
    customer_segment: T.StringType = column("Kind of customer, as the source says")
    is_email_plausible: T.BooleanType = column("False where the e-mail is present and cannot be one", "email")
    is_birth_date_plausible: T.BooleanType = column(
        "False if the date of birth cannot be read, is before 1900 or after the sign-up (without one, the delivery)",
        "date_of_birth",
        "signup_date",
        "delivery_date",
    )


@_cleaned("products", grain="one row per product", key=["product_id"], domain="products")
class Products(_Provenance):
    """The newest delivered snapshot of the product catalogue."""

    product_id: T.StringType = column("Product, an opaque id", required=True)
    product_name: T.StringType = column("Name", required=True)
    category: T.StringType = column("Category", required=True)
    brand: T.StringType = column("Brand", required=True)
    cost_price: Money = column("Cost of one unit", ge=0, le=LARGEST_AMOUNT, unit="currency")
    selling_price: Money = column("List price of one unit", ge=0, le=LARGEST_AMOUNT, unit="currency")


@_cleaned(
    "transactions",
    grain="one row per transaction",
    key=["transaction_id"],
    domain="sales",
    partition_column="month",
)
class Transactions(_Event):
    """Purchases: what was bought, by whom, when and for how much."""

    transaction_id: T.StringType = column("Transaction, an opaque id", required=True)
    customer_id: T.StringType = column("Customer who bought", required=True)
    product_id: T.StringType = column("Product bought")
    quantity: T.IntegerType = column("Units bought", required=True, ge=1, le=LARGEST_QUANTITY, unit="units")
    price: Money = column("Price of one unit", ge=0, le=LARGEST_AMOUNT, unit="currency")
    amount: Money = column("What was paid", required=True, ge=0, le=LARGEST_AMOUNT, unit="currency")
    payment_method: T.StringType = column("How it was paid", required=True)
    transaction_date: T.DateType = column("Day of the purchase", required=True)


@_cleaned(
    "returns", grain="one row per return", key=["return_id"], domain="returns", partition_column="month"
)
class Returns(_Event):
    """Goods that came back."""

    return_id: T.StringType = column("Return, an opaque id", required=True)
    transaction_id: T.StringType = column("Transaction that is returned")
    customer_id: T.StringType = column("Customer who returned", required=True)
    product_id: T.StringType = column("Product returned")
    amount: Money = column("What was paid back", required=True, ge=0, le=LARGEST_AMOUNT, unit="currency")
    return_reason: T.StringType = column("Reason given", required=True)
    return_date: T.DateType = column("Day of the return", required=True)


@_cleaned(
    "support_tickets",
    grain="one row per ticket",
    key=["ticket_id"],
    domain="support",
    partition_column="month",
    row_rules={"resolved_date:before_opened_date": "resolved_date < opened_date"},
)
class SupportTickets(_Event):
    """Support tickets."""

    ticket_id: T.StringType = column("Ticket, an opaque id", required=True)
    customer_id: T.StringType = column("Customer who asked", required=True)
    ticket_category: T.StringType = column("What it is about", required=True)
    priority: T.StringType = column("Priority", required=True)
    status: T.StringType = column("Status at delivery", required=True)
    opened_date: T.DateType = column("Day the ticket was opened", required=True)
    resolved_date: T.DateType = column("Day the ticket was resolved; empty while it is not", le=LATEST_DAY)


@_cleaned(
    "web_activity", grain="one row per session", key=["session_id"], domain="web", partition_column="month"
)
class WebActivity(_Event):
    """What customers do on the web site."""

    session_id: T.StringType = column("Session, an opaque id", required=True)
    customer_id: T.StringType = column("Customer", required=True)
    activity_type: T.StringType = column("What was done")
    product_id: T.StringType = column("Product looked at")
    timestamp: T.TimestampType = column(
        "Date and time (UTC; midnight where only a date is given)", required=True
    )


SOURCE_TABLES: dict[str, SourceTable] = {}
"""The landed tables by name."""


def _derive(source: SourceTable) -> None:
    """Declare the raw table (text as landed) and the quarantine table (the same, with reasons)."""
    cleaned = source.cleaned
    text = dict.fromkeys(source.columns, T.StringType)
    fields: dict[str, Any] = {
        name: column(f"{cleaned.columns[name].description} (text as landed)", pii=cleaned.is_pii(name))
        for name in source.columns
    }
    base: type[DataFrameModel] = _Event if source.is_event else _Provenance
    extras = {
        "ragged_text": (
            T.StringType,
            column("The whole line, where it has too few or too many fields", pii=True),
        ),
        "field_count": (T.IntegerType, column("Fields of that line", unit="fields")),
        "header_field_count": (T.IntegerType, column("Fields of its file's header", unit="fields")),
    }
    raw_columns = {name: (text[name], fields[name]) for name in source.columns} | extras
    raw_model = _model(
        f"Raw{source.name}", f"{source.name} as landed: every line once, as text.", base, raw_columns
    )
    partition = "month" if source.is_event else None
    contract(
        f"raw/{source.name}",
        grain="one row per line of the landing files",
        key=["source_file", "source_line"],
        domain=cleaned.domain,
        partition_column=partition,
    )(raw_model)
    # A line is judged by all of it, and by what was delivered later; its file's hash has no say.
    judged_by = [name for name in source.raw.columns if name != "source_version"]
    quarantine_columns = {
        "outcome": (
            T.StringType,
            column("Why it is here", *judged_by, required=True, isin=["quarantined", "superseded"]),
        ),
        "reasons": (
            T.StringType,
            column("Every reason, as column:problem, separated by '; '", *judged_by, required=True),
        ),
        "raw_text": (
            T.StringType,
            column("The line as landed", *source.columns, "ragged_text", required=True, pii=True),
        ),
    }
    quarantine_model = _model(
        f"Quarantine{source.name}",
        f"Lines of {source.name} that did not enter cleaned/{source.name}: broken, or superseded by a newer one.",
        base,
        {name: (text[name], fields[name]) for name in source.columns} | quarantine_columns,
    )
    contract(
        f"quarantine/{source.name}",
        grain="one row per line kept out",
        key=["source_file", "source_line"],
        domain=cleaned.domain,
        partition_column=partition,
        inputs=[source.raw.name],
    )(quarantine_model)


def _model(
    name: str, doc: str, base: type[DataFrameModel], columns: dict[str, tuple[Any, Any]]
) -> type[DataFrameModel]:
    namespace: dict[str, Any] = {
        "__doc__": doc,
        "__module__": __name__,
        "__annotations__": {column_name: annotation for column_name, (annotation, _) in columns.items()},
    }
    namespace |= {column_name: declared for column_name, (_, declared) in columns.items()}
    return type(name, (base,), namespace)


def _declare(*sources: SourceTable) -> None:
    for source in sources:
        SOURCE_TABLES[source.name] = source
        _derive(source)


def _source_columns(model: type[DataFrameModel]) -> tuple[str, ...]:
    """The columns that landing files bring: those of the model itself that no rule derives."""
    return tuple(name for name in model.__annotations__ if not name.startswith("is_"))


_declare(
    SourceTable("customers", "customer_id", _source_columns(Customers)),
    SourceTable("products", "product_id", _source_columns(Products)),
    SourceTable("transactions", "transaction_id", _source_columns(Transactions), "transaction_date"),
    SourceTable("returns", "return_id", _source_columns(Returns), "return_date"),
    SourceTable("support_tickets", "ticket_id", _source_columns(SupportTickets), "opened_date"),
    SourceTable("web_activity", "session_id", _source_columns(WebActivity), "timestamp"),
)

EVENT_TABLES: Sequence[str] = tuple(name for name, source in SOURCE_TABLES.items() if source.is_event)
SNAPSHOT_TABLES: Sequence[str] = tuple(name for name, source in SOURCE_TABLES.items() if not source.is_event)
