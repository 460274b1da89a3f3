"""The subcommands of `entresol`, one module each (see `entresol_sim.cli.COMMANDS`)."""
