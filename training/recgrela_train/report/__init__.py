"""A self-contained HTML page about one or more finished runs."""

from .page import write_report
from .runs import ReportError

__all__ = ["ReportError", "write_report"]
