"""Facts are the cleaned events, added up: nothing is lost between them, and nothing is counted twice."""

from collections.abc import Mapping
from datetime import date

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.calc.exact import MONEY, total_money
from cip_assets.config.errors import listed
from cip_assets.contracts.facts import FactsTable
from cip_assets.layers import FACTS_OF
from cip_assets.orchestration.checks.contract import promise, verdict_of
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict

Totals = Mapping[tuple[date, date], tuple[object, ...]]
"""The sums of a table of facts, by month and day."""


def _conservation(look: Look) -> Verdict:
    facts = FACTS_OF[look.source.name]
    rows, events = look.rows(facts.contract), look.rows(look.source.cleaned)
    expected = _totals(facts.added_up(events, facts.day), facts)
    found = _totals(
        rows.groupBy("month", facts.day).agg(*(_all_of(facts, name) for name in facts.sums)), facts
    )
    days = {day for day in expected.keys() | found.keys() if expected.get(day) != found.get(day)}
    months = sorted({str(month)[:7] for month, _ in days})
    return Verdict(
        passed=not days,
        description=f"{facts.contract.name}: in {listed(months)}, the sums are not those of {look.source.cleaned.name}"
        if days
        else f"{facts.contract.name}: the sums of each day are those of {look.source.cleaned.name}",
        metadata={"sums": list(facts.sums), "months_that_differ": months, "days_that_differ": len(days)},
    )


def _totals(sums: DataFrame, facts: FactsTable) -> Totals:
    rows = sums.select("month", facts.day, *facts.sums).collect()
    return {(row["month"], row[facts.day]): tuple(row)[2:] for row in rows}


def _all_of(facts: FactsTable, name: str) -> Column:
    """The sum of the sums of a column."""
    if facts.contract.spark_schema[name].dataType == MONEY:
        return total_money(name).alias(name)
    return F.sum(name).cast("bigint").alias(name)


FACTS_CONSERVATION = SourceCheck(
    name="conservation",
    description=lambda source, _rules: (
        f"On each day of each month, the facts add up to cleaned/{source.name}, to the cent."
    ),
    evaluate=_conservation,
    reads=lambda source: (source.cleaned.name,),
    of=lambda source: FACTS_OF[source.name].contract,
    blocking=True,
)

FACTS_CONTRACT = SourceCheck(
    name="contract",
    description=lambda source, _rules: promise(FACTS_OF[source.name].contract),
    evaluate=lambda look: verdict_of(
        look.rows(FACTS_OF[look.source.name].contract), FACTS_OF[look.source.name].contract
    ),
    reads=lambda _source: (),
    of=lambda source: FACTS_OF[source.name].contract,
    blocking=True,
)
