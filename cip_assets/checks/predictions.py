"""Predictions are shown while they are better than knowing nothing of the customer."""

import dagster as dg

from cip_assets.automation.limits import RETRIES
from cip_assets.automation.partitions import DAYS
from cip_assets.checks.covered import covered_rows
from cip_assets.contracts import contract_of
from cip_assets.engines import EngineResource
from cip_assets.resources import LakeResource
from cip_assets.transforms.marts import ENOUGH_TO_JUDGE


@dg.asset_check(
    retry_policy=RETRIES,
    asset=dg.AssetKey(["marts", "model_backtest"]),
    name="better_than_base_rate",
    partitions_def=DAYS,
    description="The purchase model beats the base rate (Brier); where it does not, customer_360 withholds it.",
)
def better_than_base_rate(
    context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
) -> dg.AssetCheckResult:
    """Judge the backtest of the day, where it has enough customers to judge by."""
    backtest = contract_of("marts", "model_backtest")
    rows = {row["model"]: row for row in covered_rows(context, engine, lake, backtest).collect()}
    said, base = rows.get("purchase_model"), rows.get("base_rate")
    if said is None or base is None or said["customers"] < ENOUGH_TO_JUDGE:
        return dg.AssetCheckResult(passed=True, description="too few customers to judge by")
    return dg.AssetCheckResult(
        passed=said["brier"] <= base["brier"],
        description=f"Brier {said['brier']} against {base['brier']} of the base rate, on {said['customers']} customers",
        metadata={
            name: {key: str(value) for key, value in row.asDict().items()} for name, row in rows.items()
        },
    )


CHECKS = [better_than_base_rate]
