"""Audiences as assets: a step records who is in one on a day, and brings the newest day to its destinations."""

from collections.abc import Mapping
from datetime import date
from functools import partial

import dagster as dg
from pydantic import Field

from cip_assets.audiences import ledger
from cip_assets.audiences.columns import OF_CUSTOMERS
from cip_assets.audiences.members import Compiled, changes, compiled_audiences
from cip_assets.audiences.send import Sent, send
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.orchestration.assets.declare import labels, limits
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import LakeResource
from cip_assets.storage import delta


class AudienceConfig(dg.Config):
    """What a person allows."""

    accept: bool = Field(
        default=False, description="record and send even if more changes than max_change allows"
    )


def audience_asset(found: Compiled, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of an audience."""

    @dg.asset(
        key=[ledger.LAYER, found.name],
        **limits(ledger.LAYER, found.name),
        deps=[dg.AssetKey([OF_CUSTOMERS[table].layer, table]) for table in sorted(found.tables)],
        partitions_def=partitions.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        **labels(ledger.LAYER, "customers", pii=False),
        kinds={"duckdb", "deltalake"},
        description=f"Customers for whom `{found.audience.where}`. A day is recorded in the ledger, and the newest day "
        f"goes to: {', '.join(d.name for d in found.audience.destinations) or 'no destination'}.",
    )
    def record_and_send(
        context: dg.AssetExecutionContext, lake: LakeResource, config: AudienceConfig
    ) -> dg.MaterializeResult[None]:
        settings = lake.settings
        # Another process may have changed the file since the assets were defined.
        now = compiled_audiences(settings.data_dir).get(found.name)
        if now is None:
            raise PlatformError(
                f"audience {found.name}: audiences.yaml has it no longer; reload the definitions"
            )
        day = date.fromisoformat(context.partition_key)
        for table in sorted(now.tables):
            name = OF_CUSTOMERS[table].name
            gate.once(
                context.run.run_id,
                name,
                delta.Slice.of_day(day),
                partial(gate.require_snapshot, settings, context.instance, name, day),
            )
        with changes(settings, now, day) as (connection, change):
            if not config.accept:
                change.check(now)
            ledger.record(settings, now.name, day, connection)
        sent = send(settings, now, rules) if ledger.newest_day(settings, now.name) == day else []
        if failed := [
            f"{each.destination}: {each.told.failed}" for each in sent if each.told and each.told.failed
        ]:
            raise PlatformError(
                f"audience {now.name}: not everything arrived at {'; '.join(failed)}. Nothing is lost: run "
                f"'cip audience send {now.name}' again"
            )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": change.members,
                "joined": change.joined,
                "left": change.left,
                "holdout": change.holdout,
                **{name: value for each in sent for name, value in _about(each).items()},
            }
        )

    asset: dg.AssetsDefinition = record_and_send
    return asset


def _about(sent: Sent) -> Mapping[str, int]:
    told = sent.told
    if told is None:
        return {sent.destination: sent.members}
    return {
        f"{sent.destination}: joined": told.joined,
        f"{sent.destination}: left": told.left,
        f"{sent.destination}: changed": told.changed,
        f"{sent.destination}: rejected": len(told.rejected),
    }
