"""Comparing the core with a reference, instruction by instruction; random programs for that."""
