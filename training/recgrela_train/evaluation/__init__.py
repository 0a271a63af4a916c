"""Evaluation: ranks, metrics, confidence intervals and counting baselines."""
