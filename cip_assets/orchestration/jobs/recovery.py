"""Jobs that put things right: go back to a version, tidy tables up, clean quarantined lines again."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.layers import CONTRACTS, SOURCE_TABLES
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.jobs.names import MAINTENANCE, REPLAY, RESTORE
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.runs import Report, Runs
from cip_assets.storage import delta
from cip_assets.storage.quarantine import quarantined_lines

IN_MEMORY = "in_memory"
"""The IO manager of what an op returns, which is for whoever asked and is not stored."""


class RestoreConfig(dg.Config):
    """What to go back to: a version, or the newest version that was there at a time."""

    table: str = Field(description="layer/table, such as marts/customer_360")
    version: int | None = Field(default=None, description="the version of the table to go back to")
    to: str | None = Field(
        default=None, description="or a time, such as 2026-05-01T12:00 (UTC unless it says)"
    )
    go_on: bool = Field(
        default=False, description="restore although tables that were computed from it will disagree with it"
    )


@dg.op(out=dg.Out(io_manager_key=IN_MEMORY))
def restore(
    context: dg.OpExecutionContext, lake: LakeResource, runs: dg.ResourceParam[Runs], config: RestoreConfig
) -> list[str]:
    """Make a table again what it was, as a new version; returns what must be run again to agree with it."""
    layer, table = _known(config.table)
    uri = lake.settings.table_uri(layer, table)
    version = _version(uri, config)
    disagreeing = computed_from_later(runs.graph, lake.settings, config.table, version)
    if disagreeing and not config.go_on:
        raise PlatformError(
            f"{config.table}: version {version} is older than what {', '.join(disagreeing)} were computed from; "
            "restore them too, or say go_on and run them again"
        )
    new_version = delta.restore(uri, version)
    context.log_event(
        dg.AssetObservation(
            asset_key=[layer, table],
            description=f"Restored to version {version}",
            metadata={"delta_version": new_version, "restored_version": version, "run_again": disagreeing},
        )
    )
    if disagreeing:
        context.log.warning(f"run again, since they are ahead of {config.table}: {', '.join(disagreeing)}")
    return disagreeing


def computed_from_later(graph: Graph, settings: Settings, name: str, version: int) -> list[str]:
    """The tables downstream that were written after the version was replaced: they know what came later."""
    table = delta.open_table(settings.table_uri(*_known(name)))
    later = [commit for commit in delta.history(table) if commit.version > version]
    if not later:
        return []
    replaced = later[-1].timestamp
    key = dg.AssetKey(name.split("/"))
    downstream = graph.resolved(dg.AssetSelection.assets(key).downstream(include_self=False))
    found = []
    for following in sorted(key.to_user_string() for key in downstream):
        written = _last_written(settings, following)
        if written is not None and written >= replaced:
            found.append(following)
    return found


def _last_written(settings: Settings, name: str) -> datetime | None:
    """When a table or an exported file was last written; None where it was not."""
    layer, table = name.split("/")
    if layer == "exports":
        path = settings.final / f"{table}.csv"
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None
    uri = settings.table_uri(layer, table)
    return next(delta.history(delta.open_table(uri), 1)).timestamp if delta.exists(uri) else None


def _version(uri: str, config: RestoreConfig) -> int:
    if (config.version is None) == (config.to is None):
        raise PlatformError(f"{config.table}: give a version or a time to go back to, and not both")
    if config.version is not None:
        return config.version
    try:
        moment = datetime.fromisoformat(str(config.to))
    except ValueError as error:
        raise PlatformError(
            f"{config.table}: {config.to!r} is no time; write it like 2026-05-01T12:00"
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for commit in delta.history(delta.open_table(uri)):
        if commit.timestamp <= moment:
            return commit.version
    raise PlatformError(f"{config.table}: it was not there yet at {config.to} (see 'cip history')")


def _known(name: str) -> tuple[str, str]:
    if name not in CONTRACTS:
        raise PlatformError(f"{name!r} is no table; take one of {', '.join(CONTRACTS)}")
    layer, table = name.split("/")
    return layer, table


@dg.job(
    name=RESTORE,
    description="Go back to a version of a table. Refused where tables computed from it would disagree.",
)
def restore_table() -> None:
    restore()


class MaintenanceConfig(dg.Config):
    """Which tables, and how long their old versions stay readable."""

    tables: list[str] = Field(default=[], description="layer/table; all that are written unless given")
    keep_days: int | None = Field(
        default=None,
        ge=0,
        description="time travel reaches back so many days; operations.keep_versions_days of the rules unless given",
    )


def maintenance_job(rules: Rules) -> dg.JobDefinition:
    """The job that keeps tables small and fast."""

    @dg.op(out=dg.Out(io_manager_key=IN_MEMORY))
    def compact_and_vacuum(
        context: dg.OpExecutionContext, lake: LakeResource, config: MaintenanceConfig
    ) -> dict[str, dict[str, int]]:
        """Join small files, and delete files that no version of the last days needs; says what was done."""
        keep = rules.operations.keep_versions_days if config.keep_days is None else config.keep_days
        done = {}
        for name in config.tables or list(CONTRACTS):
            uri = lake.settings.table_uri(*_known(name))
            if delta.exists(uri):
                tidied = delta.maintain(uri, timedelta(days=keep))
                done[name] = {"files_joined": tidied.files_joined, "files_deleted": tidied.files_deleted}
        context.add_output_metadata({"tables": dg.MetadataValue.json(done)})
        return done

    @dg.job(
        name=MAINTENANCE,
        description="Optimize and vacuum the tables; versions of the last days stay readable.",
    )
    def maintenance() -> None:
        compact_and_vacuum()

    return maintenance


class ReplayConfig(dg.Config):
    """Which quarantines."""

    tables: list[str] = Field(default=[], description="source tables, such as returns; all unless given")


@dg.op(out=dg.Out(io_manager_key=IN_MEMORY))
def clean_again(
    context: dg.OpExecutionContext, lake: LakeResource, runs: dg.ResourceParam[Runs], config: ReplayConfig
) -> dict[str, dict[str, int]]:
    """Clean the months that have quarantined lines again, then compute the snapshot; says what got in."""
    unknown = sorted(set(config.tables) - SOURCE_TABLES.keys())
    if unknown:
        raise PlatformError(f"{unknown[0]!r} is no source table; take one of {', '.join(SOURCE_TABLES)}")
    tables = config.tables or list(SOURCE_TABLES)
    platform, report = runs.platform(lake.settings, context.instance), Report()
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
    description="After the rules were mended: clean quarantined months again, then the snapshot. "
    "A file that was mended needs no replay: it is a new file.",
)
def replay_quarantine() -> None:
    clean_again()
