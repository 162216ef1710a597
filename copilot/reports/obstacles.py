"""What stands between a report and its signature."""

from collections.abc import Iterator
from dataclasses import dataclass

from copilot.reports.fields import OWN_SECTIONS, Field, Fields, Mark
from copilot.reports.left_out import disagreements_in, is_decided
from reporting.language import language
from reporting.wording import number


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """What stands between a report and its signature, and where it is mended."""

    kind: str
    says: str
    field: str | None = None
    result: str | None = None


def obstacles_of(found: Fields) -> list[Obstacle]:
    """Return what nobody has decided, looked at or brought up to date."""
    obstacles = [
        Obstacle(
            kind="undecided",
            says=f"“{each.document.get('text', '')}” waits for a yes or no",
            result=each.id,
        )
        for each in found.waiting
    ]
    obstacles += [
        Obstacle(
            kind="running",
            says=f"“{each.document.get('text', '')}” is still being worked on",
            result=each.id,
        )
        for each in found.running
    ]
    obstacles += [each for field in found.fields if (each := _in_the_way(field)) is not None]
    obstacles += _other_numbers(found)
    if not any(field.text for field in found.fields if field.section in OWN_SECTIONS):
        obstacles.append(
            Obstacle(kind="empty", says="neither findings nor impression say anything")
        )
    return obstacles


def _other_numbers(found: Fields) -> Iterator[Obstacle]:
    """Yield sentences whose numbers were not measured, until a person has decided."""
    words = language(found.form.template.language)
    for each in disagreements_in(found):
        measured = ", ".join(
            f"{measurement.concept.meaning} {number(measurement, words)}"
            for measurement in each.measured
        )
        if not is_decided(each, found):
            yield Obstacle(
                kind="numbers",
                says=f"“{each.field.text}” says {', '.join(each.said)}, but measured was "
                f"{measured}: correct the sentence, or leave the measured numbers out",
                field=each.field.id,
            )
            continue
        for other in found.form.fields:
            if other.finding == each.finding and set(other.measurements) & set(each.measured):
                yield Obstacle(
                    kind="still_told",
                    says=f"“{other.text}” still says what was left out ({measured}): correct it "
                    "too",
                    field=other.id,
                )


def _in_the_way(field: Field) -> Obstacle | None:
    words = field.text or field.made
    kind = says = ""
    if field.mark is Mark.STALE:
        kind, says = "stale", f"out of date: “{words}”"
        if field.reason:
            says = f"{says} ({field.reason})"
    elif field.is_unseen and field.result is not None:
        kind, says = "unseen", f"accepted by a rule, and nobody has looked: “{words}”"
    elif field.is_unseen:
        kind, says = "unseen", f"the template says it, and nobody has looked: “{words}”"
    elif field.required and not field.text.strip():
        kind, says = "missing", f"“{field.label}” is not filled in"
    if not kind:
        return None
    return Obstacle(kind=kind, says=says, field=field.id, result=field.result)
