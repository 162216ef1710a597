"""Dice and volume error of each case beside the plain ellipsoid's, as a picture."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from copilot.evaluation.agreement import Agreement
from copilot.evaluation.summary import dice_of, of_ellipsoid, of_engine
from copilot.evaluation.trial import CaseResult, Status
from dicom_node.files import write_whole

_WIDTH_IN: Final = 10.0
_ROW_IN: Final = 0.3
_MARGIN_IN: Final = 1.7
_HIGHEST_IN: Final = 60.0
_DPI: Final = 110
_LONGEST_NAME: Final = 40
_ENGINE: Final = "#0b6e99"
_ELLIPSOID: Final = "#c05a00"


def write_chart(results: Sequence[CaseResult], engine: str, path: Path) -> Path:
    """Write a PNG with a row for each case; one without a mask shows its status in words."""
    height = min(_MARGIN_IN + _ROW_IN * len(results), _HIGHEST_IN)
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, results, engine, dice_of)
    _panel(right, results, engine, _volume_percent_of)
    left.set_xlim(-0.02, 1.02)
    left.set_xlabel("Dice (1 is equal to the reference)")
    right.axvline(0, color="0.4", linewidth=1)
    right.set_xlabel("volume error (%; 0 is the reference's volume)")
    left.set_yticks(range(len(results)), [_label(each) for each in results], parse_math=False)
    left.set_ylim(len(results) - 0.5, -0.5)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2, frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_whole(path, content.getvalue())
    return path


def _panel(
    axes: Any,  # noqa: ANN401 - matplotlib's axes take anything
    results: Sequence[CaseResult],
    engine: str,
    measure: Callable[[Agreement], float | None],
) -> None:
    rows = range(len(results))
    ours = [of_engine(result, measure) for result in results]
    plain = [of_ellipsoid(result, measure) for result in results]
    for row, one, other in zip(rows, ours, plain, strict=True):
        if one is not None and other is not None:
            axes.plot((one, other), (row, row), color="0.75", linewidth=1, zorder=1)
    for values, name, marker, face, edge in (
        (plain, "plain ellipsoid of the same box", "D", "none", _ELLIPSOID),
        (ours, f"engine {engine}", "o", _ENGINE, _ENGINE),
    ):
        there = [(value, row) for value, row in zip(values, rows, strict=True) if value is not None]
        x, y = ([pair[part] for pair in there] for part in (0, 1))
        axes.scatter(
            x, y, s=34, marker=marker, facecolors=face, edgecolors=edge, label=name, zorder=2
        )
    axes.grid(axis="x", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _volume_percent_of(one: Agreement) -> float | None:
    return 100 * one.volume_error


def _label(result: CaseResult) -> str:
    name = result.name
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    return name if result.status is Status.OUTLINED else f"{name} ({result.status.value})"
