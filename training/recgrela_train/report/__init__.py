"""One self-contained HTML page on one or more finished runs."""

from .page import write_report
from .runs import ReportError

__all__ = ["ReportError", "write_report"]
