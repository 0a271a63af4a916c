"""The error of an export."""


class ExportError(ValueError):
    """A model cannot be exported, or its file failed verification."""
