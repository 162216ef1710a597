"""What a report shows, as a version keeps it and as a signature is given for it."""

import hashlib
import json
from dataclasses import asdict

from copilot.access.roles import How, Person, Right, holders
from copilot.reports.fields import Field, Fields, Mark
from copilot.reports.left_out import left_out_of
from copilot.reports.versions import Line, Standing
from domain.errors import InputError
from domain.uids import StudyUID


def check_signer(person: Person) -> None:
    """Refuse who may not sign, or has no name.

    Raises
    ------
    InputError
        Naming what would help.
    """
    if not person.may(Right.SIGN):
        raise InputError(f"{person.name} may not sign: that is for a {holders(Right.SIGN)}")
    if person.how is not How.SESSION:
        raise InputError(
            "nobody is logged in, and a signature needs a name: make an account with "
            "radcopilot users add NAME --role radiologist, and log in"
        )


def lines_of(found: Fields) -> tuple[Line, ...]:
    """Return the fields with words in them."""
    return tuple(
        Line(
            id=each.id,
            text=each.text,
            label=each.label,
            unit=each.unit,
            result=each.result,
            segment=each.segment,
            slice_index=each.slice_index,
        )
        for each in found.fields
        if each.text
    )


def frozen(line: Line) -> Field:
    """Return a line of a signed version as a field."""
    return Field(**asdict(line), made=line.text, mark=Mark.MACHINE)


def digest_of(study: StudyUID, standing: Standing, found: Fields) -> str:
    """Return what stands for the words that are shown, and the findings that they tell of."""
    left_out = [asdict(each) for each in left_out_of(found)]
    shown = [study, standing.version, [asdict(each) for each in lines_of(found)], left_out]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()
