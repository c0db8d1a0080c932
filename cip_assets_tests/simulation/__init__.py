"""Simulated shops whose truth is known: how often the four answers are wrong, and how often they tell a change.

``make simulate`` writes the table in docs/metrics.md.
"""
