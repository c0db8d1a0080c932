"""Words that stand in tables for what has no name of its own."""

UNKNOWN = "Unknown"
"""For a text that is not known."""

NO_PURCHASE = "No purchase"
"""The segment of a customer who has not bought."""

NOT_YET = "Not yet a customer"
"""The earlier segment of a customer who came later."""

WITHHELD = "withheld"
"""Stands for the model whose predictions are not shown."""
