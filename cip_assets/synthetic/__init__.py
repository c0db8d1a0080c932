"""Synthetic landing files of a retailer, with a record of what is true of them.

config: the knobs. tables: columns and vocabulary. population: customers and when they buy.
catalogue: products. events: transactions, returns, tickets, sessions. text: numbers to text.
defects: what can be wrong with a line. planting: defects among the clean rows. writer: files and
line numbers. truth: `_truth.json` and `_truth.csv`. landing: the whole run.

Nothing here knows Dagster, Spark or the platform's tables; the landing format is the interface.
"""

from cip_assets.synthetic.config import GeneratorConfig, Scenario
from cip_assets.synthetic.landing import generate
from cip_assets.synthetic.truth import Truth

__all__ = ["GeneratorConfig", "Scenario", "Truth", "generate"]
