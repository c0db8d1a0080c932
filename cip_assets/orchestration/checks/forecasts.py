"""Forecasts are shown if a model certainly beat the base rate in the windows that are over."""

import dagster as dg

from cip_assets.layers import contract_of
from cip_assets.orchestration.checks.covered import covered_rows
from cip_assets.orchestration.checks.seen import seen_by_only
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource


def predictions_check(partitions: Partitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["features", "forecast_model"]),
        name="predictions_held",
        partitions_def=partitions.days,
        description="In the windows that are over, a model must certainly have beaten the base rate; otherwise the "
        "forecasts are withheld.",
    )
    def predictions_held(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        """Report the model used, how far it was off, and whether the forecasts are withheld."""
        seen = seen_by_only(context, lake.settings)
        (row,) = covered_rows(context, engine, lake, contract_of("features", "forecast_model")).collect()
        return dg.AssetCheckResult(
            passed=not row["is_withheld"],
            # It does no harm: the columns of withheld forecasts are empty, and the error band says how far others
            # were off.
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{row['error_band']} {row['notes']}",
            metadata={
                "forecast_model": row["forecast_model"],
                "windows": row["windows"],
                "sampled_buyers": row["sampled_buyers"],
                **seen,
            },
        )

    return predictions_held
