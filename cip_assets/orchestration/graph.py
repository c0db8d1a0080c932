"""The assets and their checks on one set of rules: what jobs, sensors and runs ask."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import dagster as dg

from cip_assets.audiences.ledger import LAYER
from cip_assets.audiences.members import Compiled
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.orchestration.assets import all_assets
from cip_assets.orchestration.assets.landing import MANIFEST
from cip_assets.orchestration.assets.topics import topic_assets
from cip_assets.orchestration.checks.all_checks import all_checks
from cip_assets.orchestration.partitions import Partitions
from cip_assets.sources.config import Sources

BY_DAY = ("features", "marts", "exports")
"""The groups of assets that are computed as of a day."""

LANDING = "landing"
"""The group of the assets that a scan makes."""

PLAIN_NAME = re.compile(r'(?<![\w:"*/])\w+/\w+(?![\w"*/])')
"""``layer/table`` in a selection that is not marked as a key."""


def digest(*parts: object) -> str:
    """A short text that is the same for the same parts: for tags and run keys."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:24]


@dataclass(frozen=True, eq=False)
class Graph:
    """Assets, checks and partitions, as the rules and the exports of a data folder make them."""

    rules: Rules
    partitions: Partitions
    assets: Sequence[dg.AssetsDefinition]
    checks: Sequence[dg.AssetChecksDefinition]
    topics: Sequence[dg.AssetsDefinition] = ()
    """What `cip stream` reads. No run makes them."""

    @classmethod
    def of(
        cls,
        rules: Rules,
        sources: Sources | None = None,
        last_day: date | None = None,
        audiences: Collection[Compiled] = (),
    ) -> "Graph":
        """The graph of some rules, exports and audiences; ``last_day`` ends it before the present."""
        partitions = Partitions(rules.calendar.first_month, last_day)
        assets = all_assets(rules, partitions, sources, audiences)
        return cls(rules, partitions, assets, all_checks(rules, partitions), topic_assets(sources))

    def in_groups(self, *groups: str) -> frozenset[dg.AssetKey]:
        """The assets of some groups. Dagster's own selection would first make its graph of all assets."""
        return frozenset(
            spec.key for asset in self.assets for spec in asset.specs if spec.group_name in groups
        )

    @cached_property
    def snapshot_assets(self) -> frozenset[dg.AssetKey]:
        """What a snapshot of a day consists of."""
        return self.in_groups(*BY_DAY)

    @cached_property
    def landing_assets(self) -> frozenset[dg.AssetKey]:
        """What a scan consists of: the exports, if there are any, and the manifest."""
        return self.in_groups(LANDING)

    @cached_property
    def audiences(self) -> frozenset[dg.AssetKey]:
        return self.in_groups(LAYER)

    @cached_property
    def code_versions(self) -> Mapping[dg.AssetKey, str]:
        return {spec.key: str(spec.code_version) for asset in self.assets for spec in asset.specs}

    @cached_property
    def parents(self) -> Mapping[dg.AssetKey, AbstractSet[dg.AssetKey]]:
        """What each asset is computed from."""
        specs = (spec for asset in self.assets for spec in asset.specs)
        return {spec.key: {dep.asset_key for dep in spec.deps} for spec in specs}

    @cached_property
    def check_specs(self) -> Sequence[dg.AssetCheckSpec]:
        """Every check, whether it has a step of its own or is made with its table."""
        return [spec for each in (*self.assets, *self.checks) for spec in each.check_specs]

    @cached_property
    def read_by_checks(self) -> Mapping[dg.AssetCheckKey, AbstractSet[dg.AssetKey]]:
        """What each check reads: its asset and others."""
        return {
            spec.key: {spec.asset_key, *(dep.asset_key for dep in spec.additional_deps)}
            for spec in self.check_specs
        }

    @cached_property
    def checks_of(self) -> Mapping[dg.AssetKey, Sequence[dg.AssetCheckKey]]:
        """The checks of each asset that has one, sorted."""
        found: dict[dg.AssetKey, list[dg.AssetCheckKey]] = {}
        for check in sorted(self.read_by_checks):
            found.setdefault(check.asset_key, []).append(check)
        return found

    @cached_property
    def code(self) -> str:
        """Changes with the code or the rules of any table. What exports become is in the landing files, and audiences
        are read from tables.
        """
        tables = self.code_versions.keys() - (self.landing_assets - {MANIFEST}) - self.audiences
        return digest(sorted((key.to_user_string(), self.code_versions[key]) for key in tables))

    def resolved(self, selection: dg.AssetSelection) -> set[dg.AssetKey]:
        return set(selection.resolve(self.assets))

    def without_downstream(
        self, assets: Collection[dg.AssetKey], blocked: Collection[dg.AssetKey]
    ) -> set[dg.AssetKey]:
        """The assets that can be computed although some others cannot be relied on."""
        if not blocked:
            return set(assets)
        return set(assets) - self.resolved(dg.AssetSelection.assets(*blocked).downstream())

    def selected(self, selections: Sequence[str]) -> set[dg.AssetKey]:
        """The selected assets of a snapshot, and those that they are computed from; all if nothing is selected.

        Args:
            selections: names, or Dagster's syntax for more than one: ``+marts/customer_360``, ``group:marts``,
                ``key:"marts/kpi_*"``, ``tag:domain=sales``, ``kind:csv``, and several separated by commas.

        Raises:
            PlatformError: a selection cannot be read, or matches no asset of a snapshot.

        """
        assets = set(self.snapshot_assets)
        if not selections:
            return assets
        found: set[dg.AssetKey] = set()
        for text in (part for selection in selections for part in selection.split(",")):
            try:
                # A plain name has to be marked as a key, or Dagster goes only one step up or down from it.
                wanted = dg.AssetSelection.from_string(PLAIN_NAME.sub(r'key:"\g<0>"', text.strip()))
                mine = assets & self.resolved(wanted)
                found |= assets & self.resolved(wanted.upstream()) if mine else set()
            except Exception:  # noqa: BLE001 -- of several kinds, for what Dagster cannot read or does not support here
                mine = set()
            if not mine:
                raise PlatformError(
                    f"{text!r} matches no asset of a snapshot. Choose one of: "
                    f"{', '.join(sorted(key.to_user_string() for key in assets))}, or use Dagster's selection syntax, "
                    "such as +marts/customer_360, group:marts or kind:csv"
                )
        return found

    def with_what_checks_read(self, chosen: Collection[dg.AssetKey]) -> set[dg.AssetKey]:
        """The chosen assets, the assets of a snapshot that their checks read, and what those are computed from."""
        assets, found = self.snapshot_assets, set(chosen)
        while True:
            checks = [check for key in found for check in self.checks_of.get(key, ())]
            wanted = {key for check in checks for key in self.read_by_checks[check] & assets} - found
            if not wanted:
                return found
            found |= assets & self.resolved(dg.AssetSelection.assets(*wanted).upstream())
