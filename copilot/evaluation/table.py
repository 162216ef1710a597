"""Results for people: a line for each case, then all together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from copilot.evaluation.agreement import Agreement
from copilot.evaluation.summary import (
    LEAST_CASES,
    MEASURES,
    RULE,
    TOO_FEW,
    Mean,
    Summary,
    mean,
    of_ellipsoid,
    of_engine,
)
from copilot.evaluation.trial import CaseResult, Status

_WIDEST_NAME: Final = 32
_NONE: Final = "\N{EN DASH}"
_COLUMNS: Final = f"{'Dice':>6} {'surface':>7} {'HD95 mm':>7} {'volume':>8}"
_TITLES: Final = {
    "dice": "Dice",
    "surface_dice_2mm": "surface Dice, 2 mm",
    "hd95_mm": "HD95 (mm)",
    "absolute_volume_error": "volume error, absolute",
    "cpu_s": "CPU s",
}


def table_lines(results: Sequence[CaseResult], summary: Summary) -> Iterator[str]:
    """Yield the lines of the whole table."""
    width = max(4, *(min(len(result.name), _WIDEST_NAME) for result in results))
    yield f"{'':{width}} {'engine':^31}  {'plain ellipsoid':^31}"
    yield f"{'case':{width}} {_COLUMNS}  {_COLUMNS}  {'CPU s':>6}"
    for result in results:
        yield from _case_lines(result, width)
    yield ""
    yield from _summary_lines(summary)


def _case_lines(result: CaseResult, width: int) -> Iterator[str]:
    name = f"{_shortened(result.name):{width}}"
    if result.runs:
        seconds = mean(run.cpu_s for run in result.runs)
        yield f"{name} {_engine(result)}  {_ellipsoid(result)}  {seconds:6.1f}"
    if result.status is not Status.OUTLINED:
        yield f"{name} {result.status.value}: {result.reason}"
    for note in result.notes:
        yield f"{'':{width}} note: {note}"


def _engine(result: CaseResult) -> str:
    return _numbers(result, of_engine, [run.agreement for run in result.runs])


def _ellipsoid(result: CaseResult) -> str:
    return _numbers(result, of_ellipsoid, [run.plain for run in result.runs if run.plain])


def _numbers(
    result: CaseResult,
    of: Callable[[CaseResult, Callable[[Agreement], float | None]], float | None],
    runs: Sequence[Agreement],
) -> str:
    dice = _number(of(result, MEASURES["dice"]), ".3f")
    surface = _number(of(result, MEASURES["surface_dice_2mm"]), ".3f")
    hd95 = _number(of(result, MEASURES["hd95_mm"]), ".1f")
    if len(runs) == 1:
        volume = f"{runs[0].volume_error:+.1%}"
    else:
        error = of(result, MEASURES["absolute_volume_error"])
        volume = _NONE if error is None else f"\N{PLUS-MINUS SIGN}{error:.1%}"
    return f"{dice:>6} {surface:>7} {hd95:>7} {volume:>8}"


def _summary_lines(summary: Summary) -> Iterator[str]:
    counted = ", ".join(f"{count} {status.value}" for status, count in summary.counts.items())
    yield f"{sum(summary.counts.values())} cases: {counted}"
    yield f"{'mean over cases':24} {'engine':36} plain ellipsoid"
    answered = summary.means["dice"].cases
    for name, title in _TITLES.items():
        ours, plain = summary.means[name], summary.plain_means.get(name)
        said = _mean(name, ours, answered), _mean(name, plain, answered)
        yield f"{title:24} {said[0]:36} {said[1]}".rstrip()
    yield f"{'Dice above the ellipsoid':24} {_mean('gain', summary.dice_gain, answered)}"
    if answered < LEAST_CASES:
        yield f"Intervals: {TOO_FEW} (at least {LEAST_CASES})."
    else:
        yield "Intervals: 95 %, bootstrap over cases."
    yield RULE


def _mean(name: str, one: Mean | None, answered: int) -> str:
    """Return a mean; where not every answered case has a value, over how many it is."""
    if one is None or one.value is None:
        return "" if one is None else _NONE
    form = {"absolute_volume_error": ".1%", "gain": "+.3f", "hd95_mm": ".1f", "cpu_s": ".1f"}.get(
        name, ".3f"
    )
    said = f"{one.value:{form}}"
    if one.interval is not None:
        said += f" ({one.interval[0]:{form}} to {one.interval[1]:{form}})"
    if one.cases < answered:
        said += f" [{one.cases} cases]"
    return said


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else f"{value:{form}}"


def _shortened(name: str) -> str:
    return (
        name if len(name) <= _WIDEST_NAME else f"{name[: _WIDEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )
