"""The history of a table of full deliveries has one state for each day, and the current one is the table."""

import pyspark.sql.functions as F
from pyspark.sql import Window

from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.source import SourceTable
from cip_assets.orchestration.checks.contract import promise, verdict_of
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict


def _of(source: SourceTable) -> TableContract:
    if source.history is None:
        raise TypeError(f"{source.name} has no history")
    return source.history


def _unbroken(look: Look) -> Verdict:
    source, contract = look.source, _of(look.source)
    rows = look.rows(contract)
    following = F.lead("valid_from").over(Window.partitionBy(source.id_column).orderBy("valid_from"))
    overlap = F.col("_next").isNotNull() & (F.col("valid_to").isNull() | (F.col("valid_to") > F.col("_next")))
    overlapping = rows.withColumn("_next", following).where(overlap).count()
    current = rows.where("is_current").select(*source.columns)
    cleaned = look.rows(source.cleaned).select(*source.columns)
    differing = current.exceptAll(cleaned).count() + cleaned.exceptAll(current).count()
    wrong = [
        *([f"{overlapping} periods overlap the next one of their id"] if overlapping else []),
        *([f"{differing} current rows differ from {source.cleaned.name}"] if differing else []),
    ]
    return Verdict(
        passed=not wrong,
        description=f"{contract.name}: {'; '.join(wrong)}"
        if wrong
        else f"{contract.name}: one state for each day, and the current one is {source.cleaned.name}",
        metadata={"overlapping": overlapping, "current_rows_that_differ": differing},
    )


HISTORY_CONTRACT = SourceCheck(
    name="contract",
    description=lambda source, _rules: promise(_of(source)),
    evaluate=lambda look: verdict_of(look.rows(_of(look.source)), _of(look.source)),
    reads=lambda _source: (),
    of=_of,
    blocking=True,
)

HISTORY_UNBROKEN = SourceCheck(
    name="unbroken",
    description=lambda source, _rules: (
        f"No two periods of an id overlap, and the current rows are those of cleaned/{source.name}."
    ),
    evaluate=_unbroken,
    reads=lambda source: (source.cleaned.name,),
    of=_of,
    blocking=True,
)
