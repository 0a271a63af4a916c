"""The version of the package, apart from the API that `__init__` offers."""

__version__ = "0.1.0"
