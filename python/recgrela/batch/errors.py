"""The error of this package."""


class BatchError(ValueError):
    """Events, a model or a folder do not fit, and nothing was committed."""
