"""What stands between a report and its signature."""

from dataclasses import dataclass

from copilot.reports.fields import OWN_SECTIONS, Field, Fields, Mark


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
    if not any(field.text for field in found.fields if field.section in OWN_SECTIONS):
        obstacles.append(
            Obstacle(kind="empty", says="neither findings nor impression say anything")
        )
    return obstacles


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
