"""What a person is asked where a pairing is open, in words."""

from collections.abc import Sequence

from domain.comparison import Change, Lesion, ToldPair


def which(current: Lesion, prior: Lesion, here: Sequence[Lesion], there: Sequence[Lesion]) -> str:
    """Ask of a matched pair that others, of either study, would fit nearly as well."""
    others = ", ".join([*(each.label for each in here), *(each.as_prior for each in there)])
    return f"is {current.label} the same as {prior.as_prior}? Nearly as likely: {others}"


def gone_or(prior: Lesion, current: Lesion) -> str:
    """Ask of a prior lesion that nothing else lies in the place of, beside an open pair."""
    return f"is {prior.as_prior} gone, or is it {current.label}?"


def new_or(current: Lesion, prior: Lesion) -> str:
    """Ask of a current lesion that the prior shows nothing else in the place of."""
    return f"is {current.label} new, or is it {prior.as_prior}?"


def divided(current: Lesion, other: Lesion) -> str:
    """Ask of two current lesions in the place of one."""
    return (
        f"{current.label} and {other.label} lie where the prior shows one lesion: did it divide, "
        "or is one of them new?"
    )


def grown_together(prior: Lesion, current: Lesion) -> str:
    """Ask of a prior lesion in the place of a current one that has its own partner."""
    return f"{prior.as_prior} lies where {current.label} is: did two lesions grow together?"


def new_beside(current: Lesion, prior: Lesion, told: ToldPair) -> str:
    """Ask of a current lesion in the place of a prior one that is told already."""
    return (
        f"{current.label} lies where the prior shows {prior.label}, which was {told.in_words()}: "
        f"is {current.label} new?"
    )


def gone_beside(prior: Lesion, current: Lesion, told: ToldPair) -> str:
    """Ask of a prior lesion in the place of a current one that is told already."""
    return (
        f"{prior.as_prior} lies where {current.label} is, which was {told.in_words()}: did two "
        "lesions grow together, or is that of the prior gone?"
    )


def is_there(change: Change) -> str:
    """Ask of a lesion of one study that the engine does not outline on the other."""
    lesion = change.current or change.prior
    assert lesion is not None
    other = "the prior" if change.current is not None else "the current study"
    return f"is {lesion.label} on {other}? Mark it there, or say that it is not"
