"""Export to the file that the engine runs: rounding, layout and verification."""
