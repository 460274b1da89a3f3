"""Bare-metal RISC-V programs: how they are compiled, and those that come with the simulator."""
