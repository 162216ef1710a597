"""Places to click on, for what no engine finds by name alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.candidate import Candidate
from domain.command import Command, SegmentCommand, ShowCommand
from domain.concepts import ConceptTable
from domain.ports import CandidateFinder, Progress
from domain.prompt import Prompt
from domain.volume import Volume

_LISTED_ROUTE: Final = "lung-nodules"
CLICK: Final = (
    "these are candidates to look at, not findings, and there may be nodules that are not listed: "
    "click on one (--point) to outline and measure it"
)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Candidates, with what must be said beside them."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]


def listed(
    finders: Sequence[CandidateFinder], volume: Volume, prompt: Prompt, progress: Progress
) -> Listed | str:
    """Return the candidates for a prompt of words alone, or the reason why none are looked for."""
    concept = prompt.concept
    if concept is None or not prompt.is_text_only:
        return "candidates are listed for words alone"
    reason = "no finder is installed"
    for finder in finders:
        refusal = finder.supports(volume, concept)
        if refusal is None:
            return _chosen(finder.find(volume, progress), prompt)
        reason = refusal
    return reason


def _chosen(found: tuple[Candidate, ...], prompt: Prompt) -> Listed:
    kept = tuple(each for each in found if _is_wanted(each, prompt))
    where = f" in the {prompt.side} lung" if prompt.side in {"left", "right"} else ""
    if prompt.slice_range is not None:
        start, stop = prompt.slice_range
        where += f" on slices {start} to {stop - 1}"
    if not kept:
        missed = (
            f"no candidate for a solid {prompt.concept} was found{where}: this does not rule one "
            "out; small, ground-glass and cavitary ones, and those on vessels or pleura, are missed"
        )
        return Listed(candidates=(), notes=(missed,))
    return Listed(candidates=kept, notes=(CLICK,))


def _is_wanted(candidate: Candidate, prompt: Prompt) -> bool:
    """Tell whether a candidate may be meant; one whose side is not known may."""
    if prompt.side in {"left", "right"} and candidate.side not in {None, prompt.side}:
        return False
    if prompt.slice_range is None:
        return True
    start, stop = prompt.slice_range
    return candidate.box.slice_start < stop and start < candidate.box.slice_stop


def asks_for_candidates(command: Command, concepts: ConceptTable) -> bool:
    """Tell whether a command to show something names what candidates can be listed for."""
    if not isinstance(command, ShowCommand):
        return False
    concept = concepts.find(command.concept)
    return concept is not None and concept.route == _LISTED_ROUTE


def unheeded(command: Command) -> str | None:
    """Return what was said of a command's place or size and could not be heeded, or None."""
    if not isinstance(command, SegmentCommand | ShowCommand):
        return None
    said = [
        text
        for text in (command.location, command.which.value if command.which else None)
        if text is not None
    ]
    if not said:
        return None
    return (
        f"{' and '.join(repr(text) for text in said)} could not be heeded: lobes are not told "
        "apart, and candidates are ranked by shape; choose by looking"
    )
