"""How a check of a table that lands is declared, what it sees, and what it reports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.ingest.manifest import read_manifest
from cip_assets.orchestration.checks.counts import Conservation, conservation
from cip_assets.orchestration.checks.covered import covered_rows, covered_slice
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.storage.delta import Slice


@dataclass(frozen=True)
class Look:
    """What a check sees: a table that lands, and the part of it that a run covers."""

    source: SourceTable
    rules: Rules
    context: dg.AssetCheckExecutionContext
    engine: EngineResource
    lake: LakeResource

    @property
    def settings(self) -> Settings:
        return self.lake.settings

    @property
    def covered(self) -> Slice | None:
        """The months that the run covers; None for the whole table."""
        return covered_slice(self.context, self.source.cleaned)

    def rows(self, contract: TableContract) -> DataFrame:
        return covered_rows(self.context, self.engine, self.lake, contract)

    @cached_property
    def conserved(self) -> Conservation:
        """Where the landed lines went, which two checks ask."""
        source = self.source
        entries = read_manifest(self.settings.table_uri("landing", "manifest")).get(source.name, [])
        landed = in_step.landed_rows(source, entries, self.covered)
        raw, cleaned, quarantine = map(self.rows, (source.raw, source.cleaned, source.quarantine))
        return conservation(landed, raw, cleaned, quarantine, source)


@dataclass(frozen=True)
class Verdict:
    """What a check found. A failed check is an error unless it is a warning."""

    passed: bool
    description: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    is_warning: bool = False

    def result(self, asset: dg.AssetKey, name: str) -> dg.AssetCheckResult:
        """The verdict as Dagster stores it."""
        return dg.AssetCheckResult(
            asset_key=asset,
            check_name=name,
            passed=self.passed,
            severity=dg.AssetCheckSeverity.WARN if self.is_warning else dg.AssetCheckSeverity.ERROR,
            description=self.description,
            metadata=dict(self.metadata),  # type: ignore[arg-type]  # what Dagster takes is wider
        )


@dataclass(frozen=True)
class SourceCheck:
    """A check of every table that lands and that it applies to.

    ``reads`` are the tables it looks at besides the one it is ``of``, as ``layer/table``.
    """

    name: str
    description: Callable[[SourceTable, Rules], str]
    evaluate: Callable[[Look], Verdict]
    reads: Callable[[SourceTable], Sequence[str]]
    of: Callable[[SourceTable], TableContract] = lambda source: source.cleaned
    blocking: bool = False
    applies: Callable[[SourceTable, Rules], bool] = lambda _source, _rules: True
