"""Results for programs and for the file: JSON values and ``cases.csv``."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from copilot.evaluation.agreement import Agreement
from copilot.evaluation.summary import LEAST_CASES, RULE, TOO_FEW, Mean, Summary
from copilot.evaluation.trial import CaseResult, Run
from dicom_node.files import write_whole

COLUMNS: Final = (
    "case", "run", "status", "dice", "surface_dice_2mm", "hd95_mm", "volume_error_percent",
    "mask_ml", "reference_ml", "cpu_s", "wall_s", "ellipsoid_dice", "ellipsoid_surface_dice_2mm",
    "ellipsoid_hd95_mm", "ellipsoid_volume_error_percent", "engine", "reason", "notes",
)  # fmt: skip
"""Of ``cases.csv``: a line for each run, and one for a case without any; empty where not known."""

_DECIMALS: Final = 4


def write_csv(results: Sequence[CaseResult], path: Path) -> Path:
    """Write every run, whole or not at all."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for result in results:
        whole = {
            "case": result.name,
            "status": result.status.value,
            "reason": result.reason,
            "notes": "; ".join(result.notes),
        }
        table.writerows(
            whole | {"run": number} | _run(run) for number, run in enumerate(result.runs)
        )
        if not result.runs:
            table.writerow(whole)
    write_whole(path, text.getvalue().encode())
    return path


def printed_result(result: CaseResult) -> dict[str, Any]:
    """Return one case for ``--json``."""
    return {
        "case": result.name,
        "status": result.status.value,
        "reason": result.reason or None,
        "notes": list(result.notes),
        "runs": [_run(run) for run in result.runs],
    }


def printed_summary(summary: Summary) -> dict[str, Any]:
    """Return all cases together for ``--json``; the rule they were averaged by stands with them."""
    return {
        "counts": {status.value: count for status, count in summary.counts.items()},
        "engine": {name: _mean(mean) for name, mean in summary.means.items()},
        "ellipsoid": {name: _mean(mean) for name, mean in summary.plain_means.items()},
        "dice_above_ellipsoid": _mean(summary.dice_gain),
        "rule": RULE,
    }


def _run(run: Run) -> dict[str, Any]:
    plain = _measures(run.plain) if run.plain is not None else {}
    return (
        _measures(run.agreement)
        | {
            "mask_ml": _rounded(run.mask_ml),
            "reference_ml": _rounded(run.reference_ml),
            "cpu_s": _rounded(run.cpu_s),
            "wall_s": _rounded(run.wall_s),
        }
        | {f"ellipsoid_{name}": value for name, value in plain.items()}
        | {"engine": run.engine}
    )


def _measures(one: Agreement) -> dict[str, float | None]:
    return {
        "dice": _rounded(one.dice),
        "surface_dice_2mm": _rounded(one.surface_dice),
        "hd95_mm": _rounded(one.hd95_mm),
        "volume_error_percent": _rounded(100 * one.volume_error),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def _mean(mean: Mean) -> dict[str, Any]:
    printed = asdict(mean)
    printed["interval_95"] = printed.pop("interval")
    if 0 < mean.cases < LEAST_CASES:
        printed["interval_missing"] = TOO_FEW
    return printed
