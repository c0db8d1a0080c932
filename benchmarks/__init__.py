"""Figures to compare, not tests: whole runs by size and engine, and what a person waits for."""

from datetime import date

END = date(2026, 6, 30)
"""Last day of the data, so that every benchmark sees the same rows."""
