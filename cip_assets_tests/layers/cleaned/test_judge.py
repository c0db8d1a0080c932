"""The values, the outcome and the reasons of a landed line.

Each test is one table of cases, so that an engine needs only one query per source table.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyspark.sql.functions as F
import pyspark.sql.types as T
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned.judge import (
    cleaned_rows,
    judge,
    quarantine_rows,
    rivals,
    rows_not_kept_out,
    unknown_words,
)
from cip_assets_tests.layers.frames import Row, collected, frame_of, types_of

FEBRUARY, MARCH = date(2024, 2, 1), date(2024, 3, 1)
NO_BREAK = "\u00a0"

# A good line of each table. Each case changes some of its fields.
GOOD: Mapping[str, Mapping[str, str]] = {
    "customers": {
        "customer_id": "c1",
        "first_name": "Ann",
        "last_name": "Abel",
        "email": "ann@x.org",
        "gender": "Female",
        "date_of_birth": "1980-02-29",
        "signup_date": "2024-01-31",
        "region": "North",
        "customer_segment": "Consumer",
    },
    "products": {
        "product_id": "p1",
        "product_name": "Lamp",
        "category": "Home",
        "brand": "Acme",
        "cost_price": "10.00",
        "selling_price": "20.00",
    },
    "transactions": {
        "transaction_id": "t1",
        "customer_id": "c1",
        "product_id": "p1",
        "quantity": "2",
        "price": "10.00",
        "amount": "20.00",
        "payment_method": "Cash",
        "transaction_date": "2024-03-05",
    },
    "returns": {
        "return_id": "r1",
        "transaction_id": "t1",
        "customer_id": "c1",
        "product_id": "p1",
        "amount": "20.00",
        "return_reason": "Damaged",
        "return_date": "2024-03-05",
    },
    "support_tickets": {
        "ticket_id": "k1",
        "customer_id": "c1",
        "ticket_category": "Billing",
        "priority": "High",
        "status": "Closed",
        "opened_date": "2024-03-05",
        "resolved_date": "2024-03-06",
    },
    "web_activity": {
        "session_id": "s1",
        "customer_id": "c1",
        "activity_type": "Search",
        "product_id": "p1",
        "timestamp": "2024-03-05 10:15:30",
    },
}

Change = Mapping[str, Any]


def line_of(table: str, line: int, change: Change) -> Row:
    """The good line with some fields changed. It has its own id unless the case gives one."""
    source = SOURCE_TABLES[table]
    provenance = {
        "source_file": f"{table}.csv",
        "source_version": "0123456789abcdef",
        "source_line": line,
        "delivery_date": date(2024, 3, 31),
    }
    if source.is_event:
        provenance["month"] = MARCH
    return {**GOOD[table], source.id_column: f"id{line}", **provenance, **change}


def ragged(text: str, fields: int, header: int) -> Change:
    """A line with too few or too many fields, as it comes from the reader: the text, but no values."""
    nothing = dict.fromkeys([name for values in GOOD.values() for name in values])
    return {**nothing, "ragged_text": text, "field_count": fields, "header_field_count": header}


def judged(spark: SparkSession, rules: Rules, table: str, lines: Sequence[Row]) -> DataFrame:
    source = SOURCE_TABLES[table]
    return judge(frame_of(spark, source.raw.spark_schema, lines), source, rules)


def outcomes(spark: SparkSession, rules: Rules, table: str, changes: Sequence[Change]) -> list[Row]:
    """The result for each case, in order: every column of the judged lines."""
    lines = [line_of(table, number, change) for number, change in enumerate(changes, 2)]
    rows = collected(judged(spark, rules, table, lines))
    return sorted(rows, key=lambda row: row["source_line"])


FAR_DAYS = ("0001-01-01", "0024-03-01", "1600-02-29", "1677-09-20", "2262-04-12", "2924-03-01", "9999-12-31")

# --- reasons ------------------------------------------------------------------------------------------------


def bounds_of(name: str) -> list[tuple[Change, str]]:
    return [
        ({name: ""}, ""),
        ({name: "-0.01"}, f"{name}:below_minimum"),
        ({name: "1000000000"}, f"{name}:above_maximum"),
        ({name: "3 EUR"}, f"{name}:not_a_number"),
    ]


REASONS: Mapping[str, Sequence[tuple[Change, str]]] = {
    "customers": [
        ({}, ""),
        ({"customer_id": None}, "customer_id:missing"),
        ({"customer_id": " \t "}, "customer_id:missing"),
        ({"signup_date": "soon"}, "signup_date:not_a_date"),
        ({"signup_date": ""}, ""),
        ({"signup_date": "1900-01-01"}, ""),
        ({"signup_date": "2099-12-31"}, ""),
        ({"signup_date": "1899-12-31"}, "signup_date:below_minimum"),
        ({"signup_date": "2924-03-01"}, "signup_date:above_maximum"),
        ({"signup_date": "0000-03-01"}, "signup_date:not_a_date"),
        ({"customer_id": "", "signup_date": "31.01.2024"}, "signup_date:not_a_date; customer_id:missing"),
        (ragged("c1,Ann", 2, header=9), "row:too_few_fields"),
        (
            ragged("c1,Ann,Abel,a@x.org,Female,1980-02-29,2024-01-31,North,Consumer,?", 10, header=9),
            "row:too_many_fields",
        ),
    ],
    "products": [
        ({}, ""),
        ({"product_id": ""}, "product_id:missing"),
        ({"cost_price": "-0.01"}, "cost_price:below_minimum"),
        ({"cost_price": "ten"}, "cost_price:not_a_number"),
        ({"cost_price": "", "selling_price": ""}, ""),
        ({"selling_price": "0"}, ""),
        ({"cost_price": "999999999.99", "selling_price": "999999999.994"}, ""),
        (
            {"cost_price": "1000000000", "selling_price": "999999999.995"},
            "cost_price:above_maximum; selling_price:above_maximum",
        ),
        ({"selling_price": "-5"}, "selling_price:below_minimum"),
        (
            {"cost_price": "-1", "selling_price": "1e3"},
            "cost_price:below_minimum; selling_price:not_a_number",
        ),
    ],
    "transactions": [
        ({}, ""),
        ({"transaction_id": ""}, "transaction_id:missing"),
        ({"customer_id": ""}, "customer_id:missing"),
        ({"customer_id": "", "is_guest": "false"}, "customer_id:missing"),
        ({"customer_id": "", "is_guest": " TRUE "}, ""),
        ({"is_guest": "yes"}, "is_guest:not_true_or_false"),
        ({"order_id": " "}, ""),
        ({"product_id": ""}, ""),
        ({"quantity": ""}, "quantity:missing"),
        ({"quantity": "two"}, "quantity:not_a_number"),
        ({"quantity": "1.5"}, "quantity:not_a_number"),
        ({"quantity": "999999999"}, ""),
        ({"quantity": "1000000000"}, "quantity:above_maximum"),
        ({"quantity": "2147483648"}, "quantity:above_maximum"),
        ({"quantity": "9" * 40}, "quantity:above_maximum"),
        ({"quantity": "0"}, "quantity:below_minimum"),
        ({"quantity": "-0"}, "quantity:below_minimum"),
        ({"quantity": "-1"}, "quantity:below_minimum"),
        ({"quantity": "-" + "9" * 40}, "quantity:below_minimum"),
        ({"price": ""}, ""),
        ({"price": "-10"}, "price:below_minimum"),
        ({"price": "1,000"}, "price:not_a_number"),
        ({"price": "1" * 25}, "price:above_maximum"),
        ({"amount": ""}, "amount:missing"),
        ({"amount": "-0.01"}, "amount:below_minimum"),
        ({"amount": "0.00"}, ""),
        ({"amount": "-0"}, ""),
        ({"amount": "-0.00"}, ""),
        # A negative amount stays negative, even if it would be rounded to zero.
        ({"amount": "-0.004"}, "amount:below_minimum"),
        ({"amount": "-" + "0" * 40 + ".00001"}, "amount:below_minimum"),
        ({"amount": "999999999.99"}, ""),
        ({"amount": "999999999.994"}, ""),
        ({"amount": "999999999.995"}, "amount:above_maximum"),
        ({"amount": "9999999999999999.99"}, "amount:above_maximum"),
        ({"amount": "9" * 40}, "amount:above_maximum"),
        ({"amount": "-" + "9" * 40}, "amount:below_minimum"),
        ({"amount": "1e400"}, "amount:not_a_number"),
        ({"amount": "$20"}, "amount:not_a_number"),
        ({"amount": "NaN"}, "amount:not_a_number"),
        ({"amount": "Infinity"}, "amount:not_a_number"),
        ({"amount": "", "amount_unknown": "true"}, ""),
        ({"amount": "", "original_amount": "7"}, ""),
        ({"amount": "seven", "original_amount": "7"}, "amount:not_a_number"),
        ({"amount_unknown": "perhaps"}, "amount_unknown:not_true_or_false"),
        ({"currency": "EUR", "original_amount": "7", "charged": "9"}, ""),
        ({"currency": "Eur"}, "currency:wrong_format"),
        ({"currency": "EURO"}, "currency:wrong_format"),
        *bounds_of("original_amount"),
        *bounds_of("charged"),
        ({"transaction_date": ""}, "transaction_date:missing"),
        ({"transaction_date": "05/03/2024"}, "transaction_date:not_a_date"),
        ({"transaction_date": "2024-3-5"}, "transaction_date:not_a_date"),
        ({"transaction_date": "20240305"}, "transaction_date:not_a_date"),
        ({"transaction_date": "2024-02-30"}, "transaction_date:not_a_date"),
        ({"transaction_date": "2024-13-01"}, "transaction_date:not_a_date"),
        # The reader assigns a row to the month of its date. If that month is not in the calendar, it assigns the row
        # to the month of the delivery date.
        ({"transaction_date": "2022-12-31"}, "transaction_date:outside_calendar"),
        ({"transaction_date": "2034-03-05"}, "transaction_date:outside_calendar"),
        ({"transaction_date": "2024-02-29"}, "transaction_date:outside_calendar"),
        ({"transaction_date": "2024-04-01"}, "transaction_date:outside_calendar"),
        # Some functions of Sail count nanoseconds, whose range ends in 1677 and 2262.
        *(({"transaction_date": day}, "transaction_date:outside_calendar") for day in FAR_DAYS),
        ({"transaction_date": "0000-03-05"}, "transaction_date:not_a_date"),
        ({"transaction_date": "2924-02-30"}, "transaction_date:not_a_date"),
        (
            {"quantity": "0", "price": "x", "amount": "", "transaction_date": "never"},
            "price:not_a_number; transaction_date:not_a_date; quantity:below_minimum; amount:missing",
        ),
        (
            {"transaction_id": "", "customer_id": "", "transaction_date": "1999-01-01"},
            "transaction_id:missing; customer_id:missing; transaction_date:outside_calendar",
        ),
        (ragged("t1,c1", 2, header=8), "row:too_few_fields"),
        (ragged("t1,c1,p1,2,10.00,20,00,Cash,2024-03-05", 9, header=8), "row:too_many_fields"),
    ],
    "returns": [
        ({}, ""),
        ({"return_id": ""}, "return_id:missing"),
        ({"customer_id": ""}, "customer_id:missing"),
        ({"customer_id": "", "is_guest": "true"}, ""),
        ({"is_guest": "1"}, "is_guest:not_true_or_false"),
        ({"transaction_id": "", "product_id": ""}, ""),
        ({"amount": ""}, "amount:missing"),
        ({"amount": "-3"}, "amount:below_minimum"),
        ({"amount": "1000000000.00"}, "amount:above_maximum"),
        ({"amount": "3 EUR"}, "amount:not_a_number"),
        ({"amount": "", "amount_unknown": "true"}, ""),
        ({"amount": "", "original_amount": "7"}, ""),
        ({"amount_unknown": "perhaps"}, "amount_unknown:not_true_or_false"),
        ({"currency": "$"}, "currency:wrong_format"),
        *bounds_of("original_amount"),
        *bounds_of("refunded"),
        ({"return_date": ""}, "return_date:missing"),
        ({"return_date": "2024-03-05X"}, "return_date:not_a_date"),
        ({"return_date": "2019-03-05"}, "return_date:outside_calendar"),
        *(({"return_date": day}, "return_date:outside_calendar") for day in FAR_DAYS),
    ],
    "support_tickets": [
        ({}, ""),
        ({"ticket_id": ""}, "ticket_id:missing"),
        ({"customer_id": ""}, "customer_id:missing"),
        ({"opened_date": ""}, "opened_date:missing"),
        ({"opened_date": "?"}, "opened_date:not_a_date"),
        ({"resolved_date": ""}, ""),
        ({"resolved_date": "later"}, "resolved_date:not_a_date"),
        ({"resolved_date": "2024-03-05"}, ""),
        ({"resolved_date": "2024-03-04"}, "resolved_date:before_opened_date"),
        ({"resolved_date": "0024-03-04"}, "resolved_date:before_opened_date"),
        ({"resolved_date": "2924-03-04"}, "resolved_date:above_maximum"),
        *(({"opened_date": day, "resolved_date": ""}, "opened_date:outside_calendar") for day in FAR_DAYS),
        (
            {"opened_date": "2022-05-05", "resolved_date": "2022-05-04"},
            "resolved_date:before_opened_date; opened_date:outside_calendar",
        ),
    ],
    "web_activity": [
        ({}, ""),
        ({"session_id": ""}, "session_id:missing"),
        ({"customer_id": ""}, "customer_id:missing"),
        ({"activity_type": "", "product_id": ""}, ""),
        ({"timestamp": ""}, "timestamp:missing"),
        ({"timestamp": "noon"}, "timestamp:not_a_date"),
        ({"timestamp": "2024-02-30 10:00:00"}, "timestamp:not_a_date"),
        ({"timestamp": "2024-03-05 25:00:00"}, "timestamp:not_a_date"),
        ({"timestamp": "2021-03-05 10:00:00"}, "timestamp:outside_calendar"),
        ({"timestamp": "2024-04-01 00:00:00"}, "timestamp:outside_calendar"),
        *(({"timestamp": f"{day} 23:59:59"}, "timestamp:outside_calendar") for day in FAR_DAYS[1:]),
        ({"timestamp": "0000-03-05 10:00:00"}, "timestamp:not_a_date"),
    ],
}


@pytest.mark.engine
@pytest.mark.parametrize("table", REASONS)
def test_reasons(spark: SparkSession, rules: Rules, table: str) -> None:
    cases = REASONS[table]
    rows = outcomes(spark, rules, table, [change for change, _ in cases])
    wrong = [
        (change, row["outcome"], row["reasons"])
        for (change, expected), row in zip(cases, rows, strict=True)
        if sorted(row["reasons"].split("; ")) != sorted(expected.split("; "))
        or row["outcome"] != ("quarantined" if expected else "cleaned")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "table",
    [pytest.param(name, marks=pytest.mark.engine) if name == "transactions" else name for name in REASONS],
)
def test_only_good_lines_are_not_suspects(spark: SparkSession, rules: Rules, table: str) -> None:
    source = SOURCE_TABLES[table]
    changes: list[Change] = [{}, *(change for change, _ in REASONS[table])]
    lines = [
        line_of(table, number, {source.id_column: f"id{number}"} | change)
        for number, change in enumerate(changes, 2)
    ]
    frame = frame_of(spark, source.raw.spark_schema, lines).withColumn(
        "_is_shared", F.lit("an additional column")
    )
    every, suspects = (
        {
            row["source_line"]: row["reasons"]
            for row in collected(judge(frame, source, rules, only_suspects=only))
        }
        for only in (False, True)
    )
    assert suspects.items() <= every.items()
    assert not any(every[line] for line in every.keys() - suspects.keys())
    assert 2 not in suspects, "even a good line is judged, so nothing is gained"


def test_every_rule_of_the_contracts_has_a_case_above(rules: Rules) -> None:
    for table, cases in REASONS.items():
        source = SOURCE_TABLES[table]
        types = {name: source.cleaned.columns[name].dtype.type for name in source.texts}
        expected = {rule.name for rule in source.cleaned.rules if rule.name.split(":")[0] in types}
        for name, data_type in types.items():
            if isinstance(data_type, T.DateType | T.TimestampType) and name != "date_of_birth":
                expected.add(f"{name}:not_a_date")
            elif isinstance(data_type, T.NumericType):
                expected.add(f"{name}:not_a_number")
            elif isinstance(data_type, T.BooleanType):
                expected.add(f"{name}:not_true_or_false")
        if source.event_date:
            expected.add(f"{source.event_date}:outside_calendar")
        # A column with a fill value or a default is never missing.
        expected -= {f"{key.removeprefix(f'{table}.')}:missing" for key in rules.fill}
        expected -= {f"{name}:missing" for name in source.defaults}
        seen = {reason for _, reasons in cases for reason in reasons.split("; ")}
        assert seen - {"", "row:too_few_fields", "row:too_many_fields"} == expected, table


# --- values -------------------------------------------------------------------------------------------------

VALUES: Mapping[str, Sequence[tuple[Change, Change]]] = {
    "transactions": [
        # Columns that a file may lack
        ({}, {"order_id": "id2", "is_guest": False}),
        (
            {"order_id": " o7 ", "is_guest": "True", "customer_id": ""},
            {"order_id": "o7", "is_guest": True, "customer_id": None},
        ),
        # Numbers
        ({"quantity": "3.0"}, {"quantity": 3}),
        ({"quantity": "3."}, {"quantity": 3}),
        ({"quantity": "+3"}, {"quantity": 3}),
        ({"quantity": "007"}, {"quantity": 7}),
        ({"quantity": "100"}, {"quantity": 100}),
        ({"quantity": "999999999"}, {"quantity": 999_999_999}),
        ({"quantity": "1e3"}, {"quantity": None}),
        ({"amount": "12."}, {"amount": Decimal("12.00")}),
        ({"amount": ".5"}, {"amount": Decimal("0.50")}),
        ({"amount": "+3"}, {"amount": Decimal("3.00")}),
        ({"amount": "12.345"}, {"amount": Decimal("12.35")}),
        ({"amount": "12.344999"}, {"amount": Decimal("12.34")}),
        ({"amount": "2.675"}, {"amount": Decimal("2.68")}),  # 2.67 in floats
        ({"amount": "1.005"}, {"amount": Decimal("1.01")}),  # 1.00 in floats
        ({"amount": "0.004"}, {"amount": Decimal("0.00")}),
        ({"amount": "999999999.994"}, {"amount": Decimal("999999999.99")}),
        ({"amount": "0" * 45 + "1"}, {"amount": Decimal("1.00")}),
        ({"amount": "12." + "3" * 45}, {"amount": Decimal("12.33")}),
        ({"amount": "12." + "9" * 100_000}, {"amount": Decimal("13.00")}),
        ({"quantity": "0" * 20 + "3"}, {"quantity": 3}),
        ({"quantity": "\u0663"}, {"quantity": None}),  # digits of another script
        ({"amount": "\u0663"}, {"amount": None}),
        ({"transaction_date": "\u0662\u0660\u0662\u0664-03-05"}, {"transaction_date": None}),
        ({"amount": "1e3"}, {"amount": None}),
        ({"amount": "1,000"}, {"amount": None}),
        ({"amount": "1 000"}, {"amount": None}),
        ({"amount": "12,50"}, {"amount": None}),
        ({"amount": "."}, {"amount": None}),
        ({"amount": "--5"}, {"amount": None}),
        # Dates, with or without a time of day and an offset: the date is taken as written
        ({"transaction_date": "2024-03-05T23:59"}, {"transaction_date": date(2024, 3, 5)}),
        ({"transaction_date": "2024-03-05 23:59:59.999"}, {"transaction_date": date(2024, 3, 5)}),
        ({"transaction_date": "2024-03-31T23:59:59-05:00"}, {"transaction_date": date(2024, 3, 31)}),
        ({"transaction_date": "2024-03-01T00:00:00Z"}, {"transaction_date": date(2024, 3, 1)}),
        ({"transaction_date": "2024-03-05T"}, {"transaction_date": None}),
        # Blanks, including those of spreadsheets, and empty texts
        ({"transaction_id": "  t 9  "}, {"transaction_id": "t 9"}),
        ({"customer_id": f"{NO_BREAK}c9{NO_BREAK}"}, {"customer_id": "c9"}),
        ({"quantity": " 3\t", "amount": f"{NO_BREAK}12.50"}, {"quantity": 3, "amount": Decimal("12.50")}),
        ({"transaction_date": " 2024-03-05 "}, {"transaction_date": date(2024, 3, 5)}),
        ({"product_id": "   ", "price": ""}, {"product_id": None, "price": None}),
        ({"product_id": f" {NO_BREAK}\u3000"}, {"product_id": None}),
        ({"product_id": "null"}, {"product_id": "null"}),
        # Ids are opaque
        ({"customer_id": "00042"}, {"customer_id": "00042"}),
        (
            {"customer_id": "6F9619FF-8B86-D011-B42D-00CF4FC964FF"},
            {"customer_id": "6F9619FF-8B86-D011-B42D-00CF4FC964FF"},
        ),
        # Words
        ({"payment_method": "  pAYpal "}, {"payment_method": "PayPal"}),
        ({"payment_method": "CREDIT \t  card"}, {"payment_method": "Credit Card"}),
        ({"payment_method": f"gift{NO_BREAK}card"}, {"payment_method": "Gift Card"}),
        ({"payment_method": "CreditCard"}, {"payment_method": "CreditCard"}),
        ({"payment_method": " Shells  and Beads "}, {"payment_method": "Shells  and Beads"}),
        ({"payment_method": ""}, {"payment_method": "Unknown"}),
        ({"payment_method": None}, {"payment_method": "Unknown"}),
    ],
    "customers": [
        ({"gender": "FEMALE"}, {"gender": "Female"}),
        ({"gender": "f"}, {"gender": "f"}),
        ({"gender": ""}, {"gender": None}),
        ({"region": " noRTH "}, {"region": "North"}),
        ({"customer_segment": "small   business"}, {"customer_segment": "Small Business"}),
        ({"first_name": " Ann  Bo "}, {"first_name": "Ann  Bo"}),
        ({"first_name": "", "last_name": ""}, {"first_name": None, "last_name": None}),
        # Implausible values are kept and flagged
        ({"email": " ann@x.org "}, {"email": "ann@x.org", "is_email_plausible": True}),
        ({"email": "\ufeffann@x.org\u200b"}, {"email": "ann@x.org", "is_email_plausible": True}),
        ({"email": "a.b+c@mail.x.co.uk"}, {"is_email_plausible": True}),
        ({"email": "ann.x.org"}, {"email": "ann.x.org", "is_email_plausible": False}),
        ({"email": "ann@x"}, {"is_email_plausible": False}),
        ({"email": "ann@x@y.org"}, {"is_email_plausible": False}),
        ({"email": "a nn@x.org"}, {"is_email_plausible": False}),
        ({"email": f"a{NO_BREAK}nn@x.org"}, {"is_email_plausible": False}),
        ({"email": "@x.org"}, {"is_email_plausible": False}),
        ({"email": "ann@x.org."}, {"is_email_plausible": False}),
        ({"email": "jürgen@müller.example"}, {"is_email_plausible": True}),
        ({"email": "ann@x.org;bo@y.org"}, {"is_email_plausible": False}),
        ({"email": "ann@x.org,bo"}, {"is_email_plausible": False}),
        ({"email": "<ann@x.org>"}, {"is_email_plausible": False}),
        ({"email": "ann@x.org\u200bbo"}, {"is_email_plausible": False}),
        ({"email": ""}, {"email": None, "is_email_plausible": None}),
        ({"date_of_birth": "1980-02-29"}, {"is_birth_date_plausible": True}),
        (
            {"date_of_birth": "1899-12-31"},
            {"date_of_birth": date(1899, 12, 31), "is_birth_date_plausible": False},
        ),
        ({"date_of_birth": "1900-01-01"}, {"is_birth_date_plausible": True}),
        ({"date_of_birth": "2024-01-31"}, {"is_birth_date_plausible": True}),  # the day of the sign-up
        (
            {"date_of_birth": "2024-02-01"},
            {"date_of_birth": date(2024, 2, 1), "is_birth_date_plausible": False},
        ),
        ({"date_of_birth": "2023-02-29"}, {"date_of_birth": None, "is_birth_date_plausible": False}),
        (
            {"date_of_birth": "n/a"},
            {"date_of_birth": None, "is_birth_date_plausible": False, "outcome": "cleaned"},
        ),
        ({"date_of_birth": ""}, {"date_of_birth": None, "is_birth_date_plausible": None}),
        (
            {"signup_date": "", "date_of_birth": "2001-01-01"},
            {"signup_date": None, "is_birth_date_plausible": True},
        ),
        # Without a sign-up day, the date of birth must not be after the delivery date, 31 March 2024.
        ({"signup_date": "", "date_of_birth": "2024-03-31"}, {"is_birth_date_plausible": True}),
        ({"signup_date": "", "date_of_birth": "2024-04-01"}, {"is_birth_date_plausible": False}),
        ({"date_of_birth": "0024-03-01"}, {"is_birth_date_plausible": False}),
        ({"signup_date": "2024-01-31T08:00:00Z"}, {"signup_date": date(2024, 1, 31)}),
        # The first and the last possible day are placeholders for no date.
        ({"signup_date": "0001-01-01T00:00:00"}, {"signup_date": None, "outcome": "cleaned"}),
        ({"signup_date": "9999-12-31"}, {"signup_date": None, "outcome": "cleaned"}),
        ({"date_of_birth": "0001-01-01"}, {"date_of_birth": None, "is_birth_date_plausible": None}),
    ],
    "products": [
        (
            {"product_name": "", "category": " ", "brand": None},
            {"product_name": "Unknown", "category": "Unknown", "brand": "Unknown"},
        ),
        ({"category": "hOME "}, {"category": "hOME"}),  # no vocabulary for it
        (
            {"cost_price": "", "selling_price": "0.005"},
            {"cost_price": None, "selling_price": Decimal("0.01")},
        ),
    ],
    "returns": [
        ({"return_reason": ""}, {"return_reason": "Not Specified"}),
        ({"return_reason": "not AS described"}, {"return_reason": "Not as Described"}),
        ({"return_reason": "It smells"}, {"return_reason": "It smells"}),
        ({"return_date": "2024-03-05T10:00:00+0200"}, {"return_date": date(2024, 3, 5)}),
        ({"transaction_id": ""}, {"transaction_id": None}),
    ],
    "support_tickets": [
        (
            {"ticket_category": "", "priority": " ", "status": None},
            {"ticket_category": "General", "priority": "Medium", "status": "Open"},
        ),
        (
            {"ticket_category": "PRODUCT  quality", "priority": "uRGENT", "status": " escalated"},
            {"ticket_category": "Product Quality", "priority": "Urgent", "status": "Escalated"},
        ),
        ({"status": "Reopened"}, {"status": "Reopened"}),
        ({"resolved_date": " "}, {"resolved_date": None}),
        ({"resolved_date": "9999-12-31 23:59:59"}, {"resolved_date": None, "outcome": "cleaned"}),
    ],
    "web_activity": [
        ({"activity_type": "ADD TO CART"}, {"activity_type": "Add to Cart"}),
        ({"activity_type": "remove  from cart"}, {"activity_type": "Remove from Cart"}),
        ({"activity_type": "Watched Video"}, {"activity_type": "Watched Video"}),
        ({"activity_type": ""}, {"activity_type": None}),
        ({"timestamp": "2024-03-05"}, {"timestamp": datetime(2024, 3, 5, tzinfo=UTC)}),
        ({"timestamp": "2024-03-05T10:15"}, {"timestamp": datetime(2024, 3, 5, 10, 15, tzinfo=UTC)}),
        ({"timestamp": "2024-03-05T10:15Z"}, {"timestamp": datetime(2024, 3, 5, 10, 15, tzinfo=UTC)}),
        ({"timestamp": "2024-03-05 10:15:30"}, {"timestamp": datetime(2024, 3, 5, 10, 15, 30, tzinfo=UTC)}),
        (
            {"timestamp": "2024-03-05T10:15:30.987654321Z"},
            {"timestamp": datetime(2024, 3, 5, 10, 15, 30, tzinfo=UTC)},
        ),
        # The reader has assigned it to March, by its first ten characters.
        (
            {"timestamp": "2024-03-31T23:30-05:00"},
            {"timestamp": datetime(2024, 3, 31, 23, 30, tzinfo=UTC), "outcome": "cleaned"},
        ),
        ({"timestamp": "2024-03-05 24:00:00"}, {"timestamp": None}),
        ({"timestamp": "2024-03-05 10"}, {"timestamp": None}),
    ],
}


@pytest.mark.engine
@pytest.mark.parametrize("table", VALUES)
def test_values(spark: SparkSession, rules: Rules, table: str) -> None:
    cases = VALUES[table]
    rows = outcomes(spark, rules, table, [change for change, _ in cases])
    wrong = [
        (change, {name: row[name] for name in expected})
        for (change, expected), row in zip(cases, rows, strict=True)
        if any(row[name] != value for name, value in expected.items())
    ]
    assert wrong == []


def test_unknown_words_are_reported_with_their_rows(spark: SparkSession, rules: Rules) -> None:
    source = SOURCE_TABLES["support_tickets"]
    changes: list[Change] = [
        {"status": "Reopened"},
        {"status": " reopened"},
        {"status": "Reopened", "priority": "P1"},
        {"status": "CLOSED", "priority": ""},
        {"ticket_category": "Aardvark"},
    ]
    lines = [line_of(source.name, number, change) for number, change in enumerate(changes, 2)]
    cleaned = cleaned_rows(judged(spark, rules, source.name, lines), source)
    assert unknown_words(cleaned, source, rules) == [
        ("status", "Reopened", 2),
        ("priority", "P1", 1),
        ("status", "reopened", 1),
        ("ticket_category", "Aardvark", 1),
    ]


# --- which line is cleaned ----------------------------------------------------------------------------------

JANUARY_3, MARCH_3 = date(2024, 1, 3), date(2024, 3, 3)

# (id, delivery date, file, line, month, quantity) and the outcome
RIVALS = [
    # The line of the latest delivery is cleaned, whatever its file and line number.
    (("delivery", MARCH_3, "a.csv", 2, MARCH, "1"), "cleaned"),
    (("delivery", JANUARY_3, "z.csv", 99, MARCH, "2"), "superseded"),
    # A delivery without a date is older than any with one.
    (("undated", None, "z.csv", 98, MARCH, "1"), "superseded"),
    (("undated", JANUARY_3, "a.csv", 3, MARCH, "2"), "cleaned"),
    # Within a delivery, the last file by name counts.
    (("file", MARCH_3, "a.csv", 97, MARCH, "1"), "superseded"),
    (("file", MARCH_3, "b.csv", 2, MARCH, "2"), "cleaned"),
    # Within a file, the last line counts, and line 10 is after line 9.
    (("line", MARCH_3, "a.csv", 9, MARCH, "1"), "superseded"),
    (("line", MARCH_3, "a.csv", 10, MARCH, "2"), "cleaned"),
    (("line", MARCH_3, "a.csv", 8, MARCH, "3"), "superseded"),
    # A broken newer line does not supersede a good older one, and a good line does not supersede a broken one.
    (("broken", JANUARY_3, "a.csv", 20, MARCH, "1"), "cleaned"),
    (("broken", MARCH_3, "a.csv", 21, MARCH, "none"), "quarantined"),
    (("broken twice", MARCH_3, "a.csv", 30, MARCH, "0"), "quarantined"),
    (("broken twice", MARCH_3, "a.csv", 31, MARCH, "0"), "quarantined"),
    # Blanks around an id are not part of it, but its case is.
    (("blank", MARCH_3, "a.csv", 40, MARCH, "1"), "superseded"),
    ((" blank ", MARCH_3, "a.csv", 41, MARCH, "1"), "cleaned"),
    (("Blank", MARCH_3, "a.csv", 42, MARCH, "1"), "cleaned"),
    # An id is in one month: a newer delivery moves it, forward or back.
    (("forward", MARCH_3, "a.csv", 50, MARCH, "1"), "cleaned"),
    (("forward", JANUARY_3, "a.csv", 51, FEBRUARY, "1"), "superseded"),
    (("back", JANUARY_3, "a.csv", 52, MARCH, "1"), "superseded"),
    (("back", MARCH_3, "a.csv", 53, FEBRUARY, "1"), "cleaned"),
    # But a broken line does not move it.
    (("stays", JANUARY_3, "a.csv", 54, FEBRUARY, "1"), "cleaned"),
    (("stays", MARCH_3, "a.csv", 55, MARCH, "none"), "quarantined"),
]


def rival_lines() -> list[Row]:
    return [
        line_of("transactions", line, {"transaction_id": identity, "quantity": quantity, "month": month})
        | {"delivery_date": delivered, "source_file": file, "transaction_date": month.isoformat()}
        for (identity, delivered, file, line, month, quantity), _ in RIVALS
    ]


@pytest.mark.engine
def test_the_line_delivered_last_is_cleaned(spark: SparkSession, rules: Rules) -> None:
    lines = rival_lines()
    random.Random(3).shuffle(lines)
    rows = collected(judged(spark, rules, "transactions", lines))
    found = {(row["source_file"], row["source_line"]): row["outcome"] for row in rows}
    assert len(rows) == len(RIVALS)
    assert found == {(file, line): outcome for (_, _, file, line, _, _), outcome in RIVALS}


NINE, TEN = "2024-03-03T09:00:00.000000Z", "2024-03-03T10:00:00.000000Z"
SEEN = {
    # Of files that were delivered on one day, the one that a later scan found.
    "scans": ((f"{NINE} 2024-03-01", "b.csv"), (f"{TEN} 2024-01-01", "a.csv")),
    # One with a dt= could have come at the beginning of that day.
    "dated": ((None, "transactions/dt=2024-03-03/b.csv"), (f"{NINE} 2024-01-01", "a.csv")),
    # Of one scan: the one that reaches further, and then the last one by path.
    "reach": ((f"{NINE} 2024-01-31", "b.csv"), (f"{NINE} 2024-02-29", "a.csv")),
    "empty": ((NINE, "b.csv"), (f"{NINE} 2024-01-01", "a.csv")),
    "paths": ((f"{NINE} 2024-01-31", "a.csv"), (f"{NINE} 2024-01-31", "b.csv")),
}
"""What loses and what wins, each with its ``source_seen`` and file."""


@pytest.mark.engine
def test_of_files_delivered_on_one_day_the_one_seen_last_wins(spark: SparkSession, rules: Rules) -> None:
    lines = [
        line_of("transactions", number, {"transaction_id": name, "source_seen": seen, "source_file": file})
        | {"delivery_date": MARCH_3}
        for number, (name, pair) in enumerate(SEEN.items(), 2)
        for seen, file in pair
    ]
    random.Random(3).shuffle(lines)
    rows = collected(judged(spark, rules, "transactions", lines))
    kept = {row["transaction_id"]: row["source_file"] for row in rows if row["outcome"] == "cleaned"}
    assert kept == {name: file for name, (_, (_, file)) in SEEN.items()}


@pytest.mark.engine
def test_raw_lines_of_an_earlier_version_can_be_cleaned_again(spark: SparkSession, rules: Rules) -> None:
    source = SOURCE_TABLES["transactions"]
    lines = frame_of(spark, source.raw.spark_schema, rival_lines())
    before = collected(judge(lines, source, rules))
    after = collected(judge(lines.drop("source_seen"), source, rules, lines.limit(0)))
    assert sorted(map(place, before)) == sorted(map(place, after))


def test_a_run_of_one_month_gives_the_same_outcomes_as_a_run_of_all(
    spark: SparkSession, rules: Rules
) -> None:
    source = SOURCE_TABLES["transactions"]
    lines = rival_lines()
    found = {}
    for month in (FEBRUARY, MARCH):
        raw = frame_of(spark, source.raw.spark_schema, [row for row in lines if row["month"] == month])
        others = frame_of(spark, source.raw.spark_schema, [row for row in lines if row["month"] != month])
        rows = collected(judge(raw, source, rules, rivals(raw, others, source)))
        assert {row["month"] for row in rows} == {month}
        found |= {(row["source_file"], row["source_line"]): row["outcome"] for row in rows}
    assert found == {(file, line): outcome for (_, _, file, line, _, _), outcome in RIVALS}


def test_months_without_an_id_in_common_are_not_read(spark: SparkSession, rules: Rules) -> None:
    source = SOURCE_TABLES["transactions"]
    raw, others = (
        frame_of(spark, source.raw.spark_schema, [line_of("transactions", line, {"month": month})])
        for line, month in ((2, MARCH), (3, FEBRUARY))
    )
    assert rivals(raw, others, source) is None


def test_a_full_delivery_keeps_one_row_per_id(spark: SparkSession, rules: Rules) -> None:
    changes: list[Change] = [
        {"product_id": "p1", "product_name": "Old"},
        {"product_id": "p1", "product_name": "New"},
        {"product_id": "p1", "product_name": "Broken", "cost_price": "?"},
    ]
    source = SOURCE_TABLES["products"]
    lines = [line_of(source.name, number, change) for number, change in enumerate(changes, 2)]
    kept = collected(cleaned_rows(judged(spark, rules, source.name, lines), source))
    assert [row["product_name"] for row in kept] == ["New"]


# --- the quarantine table -----------------------------------------------------------------------------------

KEPT_OUT: Sequence[tuple[Change, str, str, str]] = [
    # change; outcome, reasons, raw_text
    ({"amount": "x"}, "quarantined", "amount:not_a_number", "id2,c1,p1,2,10.00,x,Cash,2024-03-05"),
    ({"amount": "1,000"}, "quarantined", "amount:not_a_number", 'id3,c1,p1,2,10.00,"1,000",Cash,2024-03-05'),
    (
        {"amount": "x", "payment_method": 'Cash "in hand"'},
        "quarantined",
        "amount:not_a_number",
        'id4,c1,p1,2,10.00,x,"Cash ""in hand""",2024-03-05',
    ),
    (
        {"amount": "x", "payment_method": "two\nlines"},
        "quarantined",
        "amount:not_a_number",
        'id5,c1,p1,2,10.00,x,"two\nlines",2024-03-05',
    ),
    (
        {"amount": " x ", "product_id": None, "payment_method": "", "price": "\r"},
        "quarantined",
        "amount:not_a_number",
        'id6,c1,,2,"\r", x ,,2024-03-05',
    ),
    (
        {"amount": "x", "payment_method": "a;b|c'd\\e$1"},
        "quarantined",
        "amount:not_a_number",
        "id7,c1,p1,2,10.00,x,a;b|c'd\\e$1,2024-03-05",
    ),
    (ragged('id8,"c,1",p1', 3, header=8), "quarantined", "row:too_few_fields", 'id8,"c,1",p1'),
    (
        {"transaction_id": "twice", "quantity": " 1 "},
        "superseded",
        "transaction_id:superseded",
        "twice,c1,p1, 1 ,10.00,20.00,Cash,2024-03-05",
    ),
]
WINNER: Change = {"transaction_id": "twice", "quantity": "9"}


@pytest.mark.engine
def test_quarantine_keeps_text_and_reasons(spark: SparkSession, rules: Rules) -> None:
    source = SOURCE_TABLES["transactions"]
    changes = [*(change for change, *_ in KEPT_OUT), WINNER]
    lines = [line_of(source.name, number, change) for number, change in enumerate(changes, 2)]
    frame = quarantine_rows(judged(spark, rules, source.name, lines), source)
    assert types_of(frame.schema) == types_of(source.quarantine.spark_schema)
    rows = sorted(collected(frame), key=lambda row: row["source_line"])
    assert [(row["outcome"], row["reasons"], row["raw_text"]) for row in rows] == [
        case[1:] for case in KEPT_OUT
    ]
    # Python's CSV reader finds the same fields, and the columns have them as landed.
    for line, row in zip(lines, rows, strict=False):
        as_landed = [line[name] for name in source.columns]
        assert [row[name] for name in source.columns] == as_landed
        if line.get("ragged_text") is None:
            assert next(csv.reader(io.StringIO(row["raw_text"], newline=""))) == [
                text or "" for text in as_landed
            ]
        assert {name: row[name] for name in ("source_file", "source_version", "source_line", "month")} == {
            name: line[name] for name in ("source_file", "source_version", "source_line", "month")
        }


# --- any lines ----------------------------------------------------------------------------------------------

texts = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "1", " 2 ", "0", "-1", "1.005", "1e3", "x", '"', "a,b", "2024-03-05", "2024-02-30"]
    ),
    st.text(alphabet='aZ0 ,"\n\t\u00a0\u20ac-.', max_size=5),
)
few_ids = st.sampled_from(["a", "b", "c", "d", "e", "f", " a ", "b\t", "", None])


@st.composite
def raw_lines(draw: st.DrawFn) -> list[Row]:
    """One or many transactions with few ids, files and delivery dates: good, broken and ragged."""
    lines = []
    for number in range(draw(st.sampled_from([30, 29, 1]))):
        change: dict[str, Any] = {"transaction_id": draw(few_ids)}
        for name in draw(st.lists(st.sampled_from(sorted(GOOD["transactions"])), max_size=3)):
            change[name] = draw(few_ids if name == "transaction_id" else texts)
        if draw(st.integers(0, 5)) == 0:
            change = dict(ragged("a,b", draw(st.sampled_from([2, 9])), header=8))
        provenance = {
            "source_file": draw(st.sampled_from(["a.csv", "b.csv"])),
            "delivery_date": draw(st.sampled_from([None, JANUARY_3, MARCH_3])),
            "month": draw(st.sampled_from([FEBRUARY, MARCH])),
        }
        lines.append(line_of("transactions", number + 2, change) | provenance)
    return lines


def place(row: Row) -> tuple[str, int]:
    return row["source_file"], row["source_line"]


@settings(max_examples=3, derandomize=True)
@given(raw_lines(), st.randoms(use_true_random=False))
@example([], random.Random(0))
def test_every_line_has_one_outcome_in_any_order(
    spark: SparkSession, rules: Rules, lines: list[Row], chance: random.Random
) -> None:
    source = SOURCE_TABLES["transactions"]

    def clean(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        lines = judged(spark, rules, source.name, rows)
        both = collected(cleaned_rows(lines, source)), collected(quarantine_rows(lines, source))
        return tuple(sorted(part, key=place) for part in both)  # type: ignore[return-value]

    cleaned, kept_out = clean(lines)
    assert Counter(map(place, cleaned + kept_out)) == Counter(map(place, lines))
    assert {row["outcome"] for row in kept_out} <= {"quarantined", "superseded"}
    assert all(row["reasons"] for row in kept_out)

    keys = [row["transaction_id"] for row in cleaned]
    assert len(keys) == len(set(keys))
    # For each superseded line there is a cleaned row with its id.
    assert {row["transaction_id"].strip() for row in kept_out if row["outcome"] == "superseded"} <= set(keys)
    # Every cleaned row satisfies the contract.
    for row in cleaned:
        assert row["quantity"] >= 1
        assert row["amount"] >= 0
        assert row["transaction_date"].replace(day=1) == row["month"]
        assert None not in (row["transaction_id"], row["customer_id"], row["payment_method"])

    # What is written to cleaned after quarantine is what the judgment says.
    raw = frame_of(spark, source.raw.spark_schema, lines)
    quarantine = frame_of(spark, source.quarantine.spark_schema, kept_out)
    suspects = judge(raw, source, rules, only_suspects=True)
    assert sorted(collected(quarantine_rows(suspects, source)), key=place) == kept_out
    written = collected(rows_not_kept_out(raw, quarantine, source, rules))
    assert sorted(written, key=place) == cleaned

    again = list(lines)
    chance.shuffle(again)
    assert clean(again) == (cleaned, kept_out)
