"""A report as PDF: tagged, its fonts inside, its text to be selected, the same bytes each time."""

from domain.report import Report
from reporting.exports.enclosed import Enclosed
from reporting.exports.layout import laid_out
from reporting.exports.typesetting import pdf_of


def report_pdf(report: Report, enclosed: Enclosed) -> bytes:
    """Return the report as PDF/UA-1, its pictures inside, on A4.

    Where it stands is at the head of each page: DRAFT, or who signed, and when.
    """
    return pdf_of(laid_out(report, enclosed.pictures))
