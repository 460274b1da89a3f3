"""FPGA boards: a module for each, with the boards it describes in `BOARDS`."""
