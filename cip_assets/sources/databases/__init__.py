"""Databases as sources: their new and changed rows become Parquet files, which are then read like any export.

``database`` is what ``sources.yaml`` says of one, and imports no driver. ``connection`` opens it, ``rows`` reads it,
``cursor`` decides what is new, and ``fetch`` writes the files.
"""
