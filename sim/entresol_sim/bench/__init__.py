"""Benchmarks: `catalog` says what is measured, `run` measures, `report` writes tables and the reference page."""
