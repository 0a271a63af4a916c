"""The file for the engine: rounding weights, laying them out, writing them."""
