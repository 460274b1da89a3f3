"""Bitstreams: what is in the RAM, the tools and their reports, and the same design in the simulator."""
