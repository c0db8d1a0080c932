"""Counts of what breaks a rule. Rows are never listed, so no personal data leaves the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.calc.exact import total_money
from cip_assets.calc.hashing import key_hash
from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.source import SourceTable
from cip_assets.layers.cleaned.judge import money_of, text_of


def broken_rules(frame: DataFrame, contract: TableContract) -> dict[str, int]:
    """The number of rows that break each rule of the contract, including the uniqueness of the key.

    Hashes of keys are counted first, because they are small and usually none repeats.
    """
    hashed = frame.select(*contract.key, key_hash(*contract.key).alias("_hash"))
    suspects = hashed.groupBy("_hash").count().where("count > 1").select("_hash")
    counted = frame.agg(
        *(F.count(F.when(F.expr(rule.broken_when), 1)).alias(rule.name) for rule in contract.rules)
    ).crossJoin(suspects.agg(F.count("*").alias("_suspects")))
    broken = {name: count for name, count in counted.collect()[0].asDict().items() if count}
    if broken.pop("_suspects", 0):
        repeated = hashed.join(suspects, "_hash").groupBy(*contract.key).count().where("count > 1").count()
        if repeated:
            broken[f"{', '.join(contract.key)}:not_unique"] = repeated
    return broken


@dataclass(frozen=True)
class Conservation:
    """Where the landed lines of a slice went, and their money."""

    landed: int
    raw: int
    cleaned: int
    quarantined: int
    superseded: int
    landed_amount: Decimal
    cleaned_amount: Decimal
    kept_out_amount: Decimal
    by_reason: Mapping[str, int]
    """The quarantined lines by their reasons."""

    @property
    def holds(self) -> bool:
        """Every line is accounted for once, and the amounts agree to the cent."""
        return (
            self.landed == self.raw == self.cleaned + self.quarantined + self.superseded
            and self.landed_amount == self.cleaned_amount + self.kept_out_amount
        )


def conservation(
    landed: int, raw: DataFrame, cleaned: DataFrame, quarantine: DataFrame, source: SourceTable
) -> Conservation:
    """Follow the lines and the money of a slice from landing to cleaned and quarantine.

    Args:
        landed: the lines that the manifest counted in the files, by itself.
        raw: the slice's raw lines.
        cleaned: its cleaned rows.
        quarantine: its lines that were kept out.
        source: the table.

    """
    if "amount" in source.texts:
        as_landed = money_of(text_of("amount"))
        as_cleaned = F.col("amount")
    else:
        as_landed = as_cleaned = F.lit(0)
    all_lines, landed_amount = _lines_and_money(raw, as_landed)
    good, cleaned_amount = _lines_and_money(cleaned, as_cleaned)
    kept_out = quarantine.groupBy("outcome", "reasons").agg(*_counted(as_landed)).collect()
    by_reason = {row["reasons"]: row["lines"] for row in kept_out if row["outcome"] == "quarantined"}
    return Conservation(
        landed=landed,
        raw=all_lines,
        cleaned=good,
        quarantined=sum(by_reason.values()),
        superseded=sum(row["lines"] for row in kept_out if row["outcome"] == "superseded"),
        landed_amount=landed_amount,
        cleaned_amount=cleaned_amount,
        kept_out_amount=sum((row["amount"] for row in kept_out), Decimal(0)),
        by_reason=by_reason,
    )


def _lines_and_money(frame: DataFrame, amount: Column) -> tuple[int, Decimal]:
    row = frame.agg(*_counted(amount)).collect()[0]
    return row["lines"], Decimal(row["amount"])


def _counted(amount: Column) -> Sequence[Column]:
    money = F.coalesce(F.sum(amount), F.lit(0)).cast("decimal(38,2)")
    return F.count("*").alias("lines"), money.alias("amount")


def orphans(events: DataFrame, customers: DataFrame) -> tuple[int, int]:
    """Events of a customer who is not known, which those of guests are not, and all events."""
    known = customers.select("customer_id", F.lit(1).alias("known"))
    joined = events.select("customer_id").join(known, "customer_id", "left")
    counted = {"events": F.count("*"), "named": F.count("customer_id"), "known": F.count("known")}
    row = joined.agg(*(count.alias(name) for name, count in counted.items())).collect()[0]
    return row["named"] - row["known"], row["events"]


def total(frame: DataFrame, column: str) -> Decimal | None:
    """The exact sum of a money column; None if an amount is unknown."""
    return _total(frame, total_money(column))


def known_total(frame: DataFrame, column: str) -> Decimal | None:
    """The exact sum of a money column; None if an amount is unknown or there are no rows."""
    return _total(frame, F.when(F.count("*") > 0, total_money(column)))


def _total(frame: DataFrame, money: Column) -> Decimal | None:
    (row,) = frame.agg(money.alias("total")).collect()
    found: Decimal | None = row["total"]
    return found
