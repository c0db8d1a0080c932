"""The amounts that are added up are in one currency."""

import pyspark.sql.functions as F

from cip_assets.calc.currencies import is_converted
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict
from cip_assets.storage import delta


def _one_currency(look: Look) -> Verdict:
    # All months, and the purchases that returns are subtracted from.
    tables = dict.fromkeys(("transactions", look.source.name))
    uris = [look.settings.table_uri("cleaned", table) for table in tables]
    codes = {
        row["currency"]
        for uri in uris
        if delta.exists(uri)
        for row in delta.read(look.engine.spark_session, uri)
        .where(F.col("amount").isNotNull() & F.col("currency").isNotNull() & ~is_converted())
        .select("currency")
        .distinct()
        .collect()
    }
    listed = ", ".join(sorted(codes))
    return Verdict(
        passed=len(codes) <= 1,
        description=(
            f"{look.source.name}: amounts are in {listed} and cannot be added up; where an amount is not converted, "
            "deliver it as original_amount and leave amount empty"
            if len(codes) > 1
            else f"{look.source.name}: amounts are in {listed or 'a currency that is not named'}"
        ),
        metadata={"currencies": sorted(codes)},
    )


ONE_CURRENCY = SourceCheck(
    name="one_currency",
    description=lambda _source, _rules: "The amounts that were not converted are in one currency.",
    evaluate=_one_currency,
    reads=lambda source: () if source.name == "transactions" else ("cleaned/transactions",),
    blocking=True,
    applies=lambda source, _rules: "currency" in source.texts,
)
