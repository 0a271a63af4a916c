"""Fitting a network: the training loop and the files of a run."""
