"""A record's report as a file."""

from typing import Literal

from service.evidence.report.composing import compose
from service.evidence.report.html import render_html
from service.evidence.store import EvidenceRecord

Rendering = Literal["html", "pdf"]
Paper = Literal["a4", "letter"]


def rendered(record: EvidenceRecord, wanted: Rendering, paper: Paper = "a4") -> bytes:
    """The file's bytes: equal records give equal files.

    Args:
        record: one whose hashes hold.
        wanted: the kind of file.
        paper: of a PDF; HTML fits whatever it is printed on.
    """
    report = compose(record)
    if wanted == "pdf":
        # ReportLab takes 0.2 s to import, which starting the service need not wait for.
        from service.evidence.report.pdf import render_pdf

        return render_pdf(report, paper)
    return render_html(report).encode()
