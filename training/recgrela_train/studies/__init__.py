"""Studies of several runs: ablations and comparisons."""
