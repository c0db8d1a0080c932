"""The amounts that are added up are in one currency."""

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.calc.currencies import is_converted
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict
from cip_assets.storage import delta


def currencies_of(events: DataFrame) -> set[str]:
    """The currencies of the amounts that were not converted."""
    are_added_up = F.col("amount").isNotNull() & F.col("currency").isNotNull() & ~is_converted()
    return {row["currency"] for row in events.where(are_added_up).select("currency").distinct().collect()}


def _one_currency(look: Look) -> Verdict:
    source = look.source
    # All months, because a snapshot adds them all up.
    table = delta.read(look.engine.spark_session, look.settings.table_uri("cleaned", source.name))
    codes = sorted(currencies_of(table))
    listed = ", ".join(codes) or "a currency that is not named"
    remedy = "; where an amount is not converted, deliver it as original_amount and leave amount empty"
    return Verdict(
        passed=len(codes) <= 1,
        description=f"{source.name}: amounts are in {listed}{remedy if len(codes) > 1 else ''}",
        metadata={"currencies": codes},
    )


ONE_CURRENCY = SourceCheck(
    name="one_currency",
    description=lambda _source, _rules: "The amounts that were not converted are in one currency.",
    evaluate=_one_currency,
    reads=lambda _source: (),
    blocking=True,
    applies=lambda source, _rules: "currency" in source.texts,
)
