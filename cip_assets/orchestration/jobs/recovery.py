"""The recovery jobs: restore a version of a table, compact the tables, clean quarantined lines again."""

from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
from pydantic import Field

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.ingest import in_step
from cip_assets.layers import CONTRACTS, SOURCE_TABLES
from cip_assets.orchestration.due.exported import read_for_file
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.jobs.names import MAINTENANCE, REPLAY, RESTORE
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.run_tags import STARTED_BY, by, started_by
from cip_assets.orchestration.runs import Report, Runs
from cip_assets.storage import delta, inputs
from cip_assets.storage.quarantine import quarantined_lines

IN_MEMORY = "in_memory"
"""The IO manager of the ops' results, which go to the caller and are not stored."""


class RestoreConfig(dg.Config):
    """The table to restore, and the version: its number, or a time at which it was the newest one."""

    table: str = Field(description="The table as layer/table, such as marts/customer_360.")
    version: int | None = Field(
        default=None, description="The version to restore. 'cip history' lists the versions."
    )
    to: str | None = Field(
        default=None,
        description="Instead of a version, a time such as 2026-05-01T12:00, in UTC unless it has an offset.",
    )
    force: bool = Field(
        default=False,
        description="Restore even if downstream tables will no longer match. Rerun these tables afterward.",
    )


@dg.op(out=dg.Out(io_manager_key=IN_MEMORY))
def restore(
    context: dg.OpExecutionContext, lake: LakeResource, runs: dg.ResourceParam[Runs], config: RestoreConfig
) -> list[str]:
    """Restore an old version of a table as a new version; return the downstream tables that need a rerun."""
    layer, table = _known(config.table)
    uri = lake.settings.table_uri(layer, table)
    version = _version(uri, config)
    mismatched = computed_from_later(runs.graph, lake.settings, context.instance, config.table, version)
    if mismatched and not config.force:
        raise PlatformError(
            f"{config.table}: version {version} is older than the one that these tables were computed from: "
            f"{', '.join(mismatched)}; restore those tables first, or set force and rerun them"
        )
    new_version = delta.restore(uri, version, {"by": by(context.run.tags)})
    context.log_event(
        dg.AssetObservation(
            asset_key=[layer, table],
            description=f"Restored to version {version}",
            metadata={"delta_version": new_version, "restored_version": version, "run_again": mismatched},
        )
    )
    if mismatched:
        context.log.warning(
            f"{config.table}: computed from a later version, so these need a rerun: {', '.join(mismatched)}"
        )
    return mismatched


def computed_from_later(
    graph: Graph, settings: Settings, instance: dg.DagsterInstance, name: str, version: int
) -> list[str]:
    """The downstream tables and files that may have rows of a later version of a table, from it or from one another.

    Commits and materializations tell which versions something was computed from, so it does not matter if a clock went
    back, or if a downstream table was restored or compacted since.
    """
    key = dg.AssetKey(name.split("/"))
    downstream = graph.resolved(dg.AssetSelection.assets(key).downstream(include_self=False))
    affected = {name} | {key.to_user_string() for key in downstream}

    @cache
    def is_later(table: str, read: inputs.Read) -> bool:
        uri = settings.table_uri(*table.split("/"))
        if not inputs.is_there(uri, read):
            return True
        wrote = next(filter(_changes_rows, delta.standing(uri, read.number)), None)
        if table == name:
            return wrote is not None and wrote.version > version
        return wrote is not None and uses_later(inputs.told_in(wrote.audit))

    def uses_later(read: inputs.Inputs) -> bool:
        return any(is_later(table, read[table]) for table in sorted(affected & read.keys()))

    def is_mismatched(following: str) -> bool:
        layer, table = following.split("/")
        if layer == "exports":
            return uses_later(read_for_file(instance, dg.AssetKey([layer, table])))
        read = inputs.newest_if_any(settings.table_uri(layer, table))
        return read is not None and is_later(following, read)

    return [following for following in sorted(affected - {name}) if is_mismatched(following)]


def _changes_rows(commit: delta.Commit) -> bool:
    return commit.restored is None and commit.operation not in in_step.KEEPS_ROWS


def _version(uri: str, config: RestoreConfig) -> int:
    if (config.version is None) == (config.to is None):
        raise PlatformError(f"{config.table}: set exactly one of version and to")
    if config.version is not None:
        return config.version
    try:
        moment = datetime.fromisoformat(str(config.to))
    except ValueError as error:
        raise PlatformError(
            f"{config.table}: {config.to!r} is not a time; write it like 2026-05-01T12:00"
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for commit in delta.history(delta.open_table(uri)):
        if commit.timestamp <= moment:
            return commit.version
    raise PlatformError(
        f"{config.table}: there was no version yet at {config.to}; choose a later time (see 'cip history')"
    )


def _known(name: str) -> tuple[str, str]:
    if name not in CONTRACTS:
        raise PlatformError(f"Unknown table {name!r}. Choose one of: {', '.join(CONTRACTS)}")
    layer, table = name.split("/")
    return layer, table


@dg.job(
    name=RESTORE,
    description="Start this job if a table was written with wrong data: it restores an old version of the table. It is "
    "refused if downstream tables would no longer match, unless you set force.",
)
def restore_table() -> None:
    restore()


class MaintenanceConfig(dg.Config):
    """The tables to compact, and how long their old versions stay readable."""

    tables: list[str] = Field(
        default=[], description="Tables as layer/table. If you name none, all tables are compacted."
    )
    keep_days: int | None = Field(
        default=None,
        ge=0,
        description="Keep the versions of this many days. Default: operations.keep_versions_days of the rules.",
    )


def maintenance_job(rules: Rules) -> dg.JobDefinition:
    """The job that joins small files and deletes files that are no longer needed."""

    @dg.op(out=dg.Out(io_manager_key=IN_MEMORY))
    def compact_and_vacuum(
        context: dg.OpExecutionContext, lake: LakeResource, config: MaintenanceConfig
    ) -> dict[str, dict[str, int]]:
        """Join small files and delete files that only old versions need; return the number of files per table."""
        keep = rules.operations.keep_versions_days if config.keep_days is None else config.keep_days
        done = {}
        for name in config.tables or list(CONTRACTS):
            uri = lake.settings.table_uri(*_known(name))
            if delta.exists(uri):
                tidied = delta.maintain(uri, timedelta(days=keep), {"by": by(context.run.tags)})
                done[name] = {"files_joined": tidied.files_joined, "files_deleted": tidied.files_deleted}
        context.add_output_metadata({"tables": dg.MetadataValue.json(done)})
        return done

    @dg.job(
        name=MAINTENANCE,
        description="Joins small files and deletes files that only old versions need. It runs every Sunday; start it "
        "yourself to free disk space at once. The versions of the last days stay readable.",
    )
    def maintenance() -> None:
        compact_and_vacuum()

    return maintenance


class ReplayConfig(dg.Config):
    """The source tables to clean again."""

    tables: list[str] = Field(
        default=[], description="Source tables, such as returns. If you name none, all are cleaned."
    )


@dg.op(out=dg.Out(io_manager_key=IN_MEMORY))
def clean_again(
    context: dg.OpExecutionContext, lake: LakeResource, runs: dg.ResourceParam[Runs], config: ReplayConfig
) -> dict[str, dict[str, int]]:
    """Clean the months that have quarantined lines again, then compute the snapshot; return the old and new counts."""
    unknown = sorted(set(config.tables) - SOURCE_TABLES.keys())
    if unknown:
        raise PlatformError(f"Unknown source table {unknown[0]!r}. Choose one of: {', '.join(SOURCE_TABLES)}")
    tables = config.tables or list(SOURCE_TABLES)
    tags = {STARTED_BY: started_by(context.run.tags)}
    platform, report = runs.platform(lake.settings, context.instance, tags), Report()
    before = quarantined_lines(lake.settings, tables)
    platform.replay(tables, report)
    after = quarantined_lines(lake.settings, tables)
    if report.failures:
        raise PlatformError(f"{report.failures[0].step}: {report.failures[0].message}")
    done = {table: {"before": before[table], "after": after[table]} for table in tables}
    context.add_output_metadata({"quarantined_lines": dg.MetadataValue.json(done)})
    return done


@dg.job(
    name=REPLAY,
    description="Start this job after you relaxed a rule that was too strict. It cleans the months that have "
    "quarantined lines again, then computes the snapshot. A corrected file needs no replay, because it is a new file.",
)
def replay_quarantine() -> None:
    clean_again()
