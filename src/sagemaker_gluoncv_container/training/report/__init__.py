"""What a job leaves in output/data: report.html for people and, with the same figures, metrics.json for programs."""

from pathlib import Path

from . import evaluation, page
from .record import RunRecord

__all__ = ["RunRecord", "write"]


def write(output_dir: Path, run: RunRecord) -> None:
    """Write metrics.json and report.html into `output_dir`, which is made if there is none.

    Both show the figures of one dict. Raises OSError if the folder cannot be written to.
    """
    figures = evaluation.figures(run)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "metrics.json").write_text(evaluation.to_json(figures), encoding="utf-8")
    # A stranger's file name may not be UTF-8. It then arrives with lone surrogates.
    (output_dir / "report.html").write_text(page.render(figures, run.picture), encoding="utf-8", errors="replace")
