"""Several runs side by side: ablations and comparisons."""
