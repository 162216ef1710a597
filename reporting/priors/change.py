"""The verdict on one lesion: larger, smaller or stable, and by which lines."""

from dataclasses import replace

from domain.comparison import Answer, Change, Lesion, ToldPair, Verdict
from reporting.priors.doubling import doubling_time
from reporting.priors.limits import limits

_OTHER_TOOL = (
    "the prior's outline is by {}, the current one by {}: two tools outline differently, and that "
    "difference is in the change"
)


def changed(current: Lesion, prior: Lesion, modality: str, days: int | None) -> Change:
    """Return what became of a lesion seen on both studies.

    A reported lesion that another tool or engine outlined is compared with a warning.

    Parameters
    ----------
    days
        Between the studies; None gives no doubling time.
    """
    if current.volume_ml is None or prior.volume_ml is None:
        which = "the current study" if current.volume_ml is None else "the prior"
        return Change(
            verdict=Verdict.NOT_COMPARED,
            current=current,
            prior=prior,
            reasons=(f"no volume is known on {which}: nothing is compared",),
        )
    allowed = limits(current, prior, modality)
    percent = 100.0 * (current.volume_ml / prior.volume_ml - 1.0)
    low, high = allowed.percent
    if percent > high:
        verdict = Verdict.LARGER
    elif percent < low:
        verdict = Verdict.SMALLER
    else:
        verdict = Verdict.STABLE
    beyond = "beyond" if verdict is not Verdict.STABLE else "within"
    warnings: tuple[str, ...] = ()
    if prior.reported_by is not None and prior.outlined_by != current.outlined_by:
        tools = (each.outlined_by or "another tool" for each in (prior, current))
        warnings = (_OTHER_TOOL.format(*tools),)
    line = (
        f"volume {prior.volume_ml:.2f} mL then {current.volume_ml:.2f} mL, {percent:+.0f} %, "
        f"{beyond} the limits {low:+.0f} % to {high:+.0f} %"
    )
    doubling = None
    if days is not None and verdict is not Verdict.SMALLER:
        doubling = doubling_time(prior.volume_ml, current.volume_ml, days, allowed.half_width)
    return Change(
        verdict=verdict,
        current=current,
        prior=prior,
        percent=percent,
        limit_percent=(low, high),
        doubling=doubling,
        reasons=(
            line,
            allowed.source,
        ),
        warnings=warnings,
    )


def asked(change: Change, question: str, answers: tuple[Answer, ...] = ()) -> Change:
    """Return a change whose pair a person must confirm: the numbers stay, the verdict is open."""
    return replace(change, verdict=Verdict.AMBIGUOUS, question=question, answers=answers)


def as_told(change: Change, told: ToldPair, warning: str | None = None) -> Change:
    """Return a change of a pair that a person told, which is among its reasons."""
    warnings = change.warnings if warning is None else (*change.warnings, warning)
    return replace(change, told=told, reasons=(*change.reasons, told.in_words()), warnings=warnings)
