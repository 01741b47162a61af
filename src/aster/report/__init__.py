"""Typed views of a campaign, and the figures, document and folder made from them."""

from aster.report.claims import ClaimView, TraceRow, claim_views, trace
from aster.report.folder import write_report
from aster.report.headline import Headline, headline
from aster.report.progress import Progress, progress_view
from aster.report.summary import Summary, summarize
from aster.report.trees import Blobs, candidate_files

__all__ = [
    "Blobs",
    "ClaimView",
    "Headline",
    "Progress",
    "Summary",
    "TraceRow",
    "candidate_files",
    "claim_views",
    "headline",
    "progress_view",
    "summarize",
    "trace",
    "write_report",
]
