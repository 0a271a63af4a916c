"""Training of the recgrela recommender: read events, fit, evaluate, export."""

__version__ = "0.1.0"
