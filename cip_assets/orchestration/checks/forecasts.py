"""Predictions are shown unless they were certainly worse than the base rate in the last backtest."""

import dagster as dg

from cip_assets.layers import contract_of
from cip_assets.layers.labels import WITHHELD
from cip_assets.orchestration.checks.covered import covered_rows
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource


def predictions_check(partitions: Partitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["features", "churn_model"]),
        name="predictions_held",
        partitions_def=partitions.days,
        description="Over the last churn window, no model may have been certainly worse than the base rate, which "
        "withholds it, and the probabilities of the model used must have been calibrated.",
    )
    def predictions_held(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        """Report the model used, how far it was off, and whether one is withheld."""
        (row,) = covered_rows(context, engine, lake, contract_of("features", "churn_model")).collect()
        is_withheld = row["churn_model"] == WITHHELD or row["is_purchase_model_withheld"]
        return dg.AssetCheckResult(
            passed=not is_withheld and not row["is_off"],
            # It does no harm: columns of a withheld model are empty, and the notes say how far the others were off.
            severity=dg.AssetCheckSeverity.WARN,
            description=row["notes"],
            metadata={
                "churn_model": row["churn_model"],
                "is_purchase_model_withheld": row["is_purchase_model_withheld"],
                "is_off": row["is_off"],
                "customers": row["customers"],
            },
        )

    return predictions_held
