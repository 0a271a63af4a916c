"""Training a network: the loop and the files of a run."""
