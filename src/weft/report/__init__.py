"""The report: one HTML file with figures, for paper, mail and the notebook."""

from weft.report.html import report_html

__all__ = ["report_html"]
