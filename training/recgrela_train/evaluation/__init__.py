"""Measuring a network: ranks, metrics, confidence intervals and counting baselines."""
