"""Measures whole runs; ``python -m benchmarks`` writes docs/benchmarks.json and docs/benchmarks.md."""
