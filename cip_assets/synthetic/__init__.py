"""Synthetic landing files of a retailer, with their ground truth.

config: the parameters. tables: columns and vocabulary. population: customers and when they buy.
catalog: products. events: transactions, returns, tickets, sessions. text: numbers to text.
defects: the kinds of defects. planting: defects among the clean rows. writer: files and line numbers.
truth: `_truth.json` and `_truth.csv`. landing: the complete generation.
conformance, cdnow: cases with known answers. broker, play: the lines as records of Kafka topics.

Except for conformance, nothing here uses Dagster, Spark or the platform's tables; the landing files are the interface.
"""

from cip_assets.synthetic.config import GeneratorConfig, Rates, Scenario, Spend
from cip_assets.synthetic.landing import generate
from cip_assets.synthetic.truth import Truth

__all__ = ["GeneratorConfig", "Rates", "Scenario", "Spend", "Truth", "generate"]
