"""The graph by the rules that come with the package."""

from cip_assets.config.rules import load_rules
from cip_assets.orchestration.graph import Graph

GRAPH = Graph.of(load_rules())
ASSETS, CHECKS, SNAPSHOT_ASSETS = GRAPH.assets, GRAPH.checks, GRAPH.snapshot_assets
DAYS, MONTHS = GRAPH.partitions.days, GRAPH.partitions.months
