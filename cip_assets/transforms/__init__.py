"""What the tables mean: pure functions from frames and plain values to a frame.

Nothing here imports Dagster, reads a clock, or knows an engine. Everything uses the part of PySpark that
works over Spark Connect, and only operations whose results do not depend on the engine or on row order:
money and shares are exact decimals, ties have a stated winner.
"""
