"""A comparison in words: both dates, both values."""

import math
from datetime import date

from domain.alignment import Alignment
from domain.codes import MILLILITRE, MILLIMETRE
from domain.comparison import Change, DoublingTime, Lesion, Origin, Verdict
from reporting.language import Language, language
from reporting.phrasebook import Phrasebook, phrasebook
from reporting.priors.recist import Assessment
from reporting.wording import capitalised

_TINY_ML = 0.1


def compared_with(prior: date | None, alignment: Alignment | None) -> str:
    """Say what the study was compared with, and how well the two lie on one another."""
    when = "a prior without a date" if prior is None else f"the study of {prior.isoformat()}"
    if alignment is None:
        return f"Compared with {when}: the two could not be aligned."
    kind = "rigid" if alignment.displacement is None else "rigid, then deformable"
    return f"Compared with {when}; aligned ({kind}): {alignment.quality.in_words()}."


def said(
    change: Change, prior: date | None, current: date | None, words: Language | None = None
) -> str:
    """Return a sentence with dates, values and the line that led to the verdict."""
    words = words or language()
    patterns = words.changes
    lesion = change.current or change.prior
    assert lesion is not None
    book = phrasebook(words.code)
    parts = [f"{capitalised(words.labelled(lesion.label))}: {patterns[change.verdict.value]}"]
    sizes = [
        patterns["sizes"].format(size=_size(each, words), day=words.on(when)) + _origin(each, book)
        for each, when in ((change.prior, prior), (change.current, current))
        if each is not None
    ]
    parts.append(patterns["then"].join(sizes))
    if change.percent is not None and change.limit_percent is not None:
        low, high = (f"{each:+.0f}" for each in change.limit_percent)
        parts.append(
            patterns["limits"].format(percent=f"{change.percent:+.0f}", low=low, high=high)
        )
    if change.doubling is not None:
        parts.append(patterns["doubling"].format(_doubling(change.doubling, words)))
    if change.percent is None:
        parts.append(book.said(change.reasons[0]))
    if change.question is not None:
        parts.append(patterns["question"].format(book.said(change.question)))
    text = "; ".join(parts)
    return text if text.endswith("?") else f"{text}."


def summary(change: Change, words: Language | None = None) -> str:
    """Return a short sentence for the impression."""
    words = words or language()
    lesion = change.current or change.prior
    assert lesion is not None
    percent, rate = "", ""
    if change.percent is not None:
        percent = words.changes["percent"].format(percent=f"{change.percent:+.0f}")
    if change.verdict is Verdict.LARGER and change.doubling is not None:
        rate = words.changes["doubling_in_short"].format(_doubling(change.doubling, words))
    verdict = words.changes[change.verdict.value]
    return f"{capitalised(words.labelled(lesion.label))}: {verdict}{percent}{rate}."


def assessed_in_words(found: Assessment, words: Language | None = None) -> tuple[str, ...]:
    """Return RECIST's targets, their sum and the response, a sentence each."""
    words = words or language()
    patterns = words.changes
    said = [
        patterns["target"].format(
            label=words.labelled(each.label),
            organ=words.called(each.organ, None),
            now=patterns["target_gone"] if each.current_mm is None else _mm(each.current_mm, words),
            prior=_mm(each.prior_mm, words),
        )
        for each in found.targets
    ]
    sums = {"prior": _mm(sum(each.prior_mm for each in found.targets), words)}
    sums["nadir"] = _mm(found.nadir_mm, words)
    if found.current_mm is None:
        said.append(patterns["sum_unknown"].format(**sums))
    else:
        said.append(patterns["sum"].format(now=_mm(found.current_mm, words), **sums))
    response = patterns[found.response.value]
    said.append(patterns["response"].format(edition=found.edition, response=response))
    return tuple(said)


def _size(lesion: Lesion, words: Language) -> str:
    if lesion.volume_ml is None:
        axis = lesion.long_axis_mm
        return words.changes["no_size"] if axis is None else _mm(axis, words)
    digits = 3 if lesion.volume_ml < _TINY_ML else 2
    volume = words.quantity(f"{lesion.volume_ml:.{digits}f}", MILLILITRE.value)
    if lesion.uncertainty_ml is None:
        return volume
    return f"{volume} (±{words.digits(f'{lesion.uncertainty_ml:.{digits}f}')})"


def _mm(value: float, words: Language) -> str:
    return words.quantity(f"{value:.1f}", MILLIMETRE.value)


def _doubling(time: DoublingTime, words: Language) -> str:
    """Say what DoublingTime.in_words says, in any language."""
    patterns = words.changes
    if time.days is None or time.longest_days is None:
        if math.isinf(time.shortest_days):
            return patterns["no_growth"]
        return patterns["more_than_days"].format(days=f"{time.shortest_days:.0f}")
    sign = -1.0 if time.days < 0 else 1.0
    days, low, high = (
        f"{sign * each:.0f}" for each in (time.days, time.shortest_days, time.longest_days)
    )
    return patterns["halving_days" if time.days < 0 else "doubling_days"].format(
        days=days, low=low, high=high
    )


def _origin(lesion: Lesion, book: Phrasebook) -> str:
    if lesion.origin in {Origin.REPORTED, Origin.REPORTED_OUTLINE}:
        return f" ({book.said(f'{lesion.origin.value}, {lesion.reported_by}')})"
    if lesion.origin is Origin.REMEASURED:
        return f" ({book.said(lesion.origin.value)})"
    return ""
