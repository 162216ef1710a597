"""Whether a polished text says what the original says: no fact more, less, other or elsewhere.

A text is read as facts (reporting.facts) in clauses, and clauses in groups, one for each thing that
is spoken of. Groups keep their order. Within a group facts may change places only where it
can't matter: where there is one of each kind, or where whole quantities ("volume 5 mL") move.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from reporting.facts import Break, Fact, Kind, Lexicon, facts_of

_MOST_TIMES_LONGER: Final = 3
_SPARE: Final = 60
_SCOPED: Final = frozenset({Kind.NEGATION, Kind.HEDGE})


@dataclass
class _Group:
    """What is said of one thing: the clause that names it, and its quantities."""

    head: list[Fact] = field(default_factory=list)
    quantities: list[list[Fact]] = field(default_factory=list)

    def flat(self) -> list[Fact]:
        return self.head + [fact for each in self.quantities for fact in each]


def changed_facts(original: str, polished: str, known: Lexicon) -> tuple[str, ...]:
    """Return what a polished text changes, each in words; empty where it may stand.

    The words name what changed and hold the report's own text: they are shown, never logged.
    """
    if not polished.strip():
        return ("nothing is left",)
    if len(polished) > _MOST_TIMES_LONGER * len(original) + _SPARE:
        return ("it is three times as long",)
    changes = _changes(facts_of(original, known), facts_of(polished, known))
    if changes and not _changes(
        facts_of(original, known, places=True), facts_of(polished, known, places=True)
    ):
        return ()
    return changes


def _changes(before: Sequence[Fact | Break], after: Sequence[Fact | Break]) -> tuple[str, ...]:
    counts, now = _counted(before), _counted(after)
    changes = [f"lost: {fact}" for fact in (counts - now).elements()]
    changes += [f"added: {fact}" for fact in (now - counts).elements()]
    if changes:
        return tuple(changes)
    changes = [
        f"{kind.value} reaches over other words"
        for kind in (Kind.NEGATION, Kind.HEDGE)
        if _scopes(before, kind) != _scopes(after, kind)
    ]
    groups, moved = _groups(before), _groups(after)
    if len(groups) != len(moved):
        changes.append("facts were divided otherwise among what is spoken of")
    else:
        changes += [
            f"order or place of facts: {_told(one)}"
            for one, other in zip(groups, moved, strict=True)
            if not _says_the_same(one, other)
        ]
    return tuple(dict.fromkeys(changes))


def _counted(found: Sequence[Fact | Break]) -> Counter[Fact]:
    return Counter(each for each in found if isinstance(each, Fact))


def _told(group: _Group) -> str:
    return ", ".join(fact.text for fact in group.flat()) or "nothing"


def _groups(found: Sequence[Fact | Break]) -> list[_Group]:
    groups: list[_Group] = []
    for clause in _clauses(found):
        kinds = {fact.kind for fact in clause}
        if Kind.NOUN in kinds or not groups:
            has_only_quantities = Kind.ATTRIBUTE in kinds and Kind.NOUN not in kinds
            groups.append(_Group() if has_only_quantities else _Group(head=list(clause)))
            if has_only_quantities:
                groups[-1].quantities.append(list(clause))
        elif Kind.ATTRIBUTE in kinds:
            groups[-1].quantities.append(list(clause))
        elif groups[-1].quantities:
            groups[-1].quantities[-1].extend(clause)
        else:
            groups[-1].head.extend(clause)
    return groups


def _clauses(found: Sequence[Fact | Break]) -> list[list[Fact]]:
    clauses: list[list[Fact]] = [[]]
    begins_sentence = True
    for each in found:
        clause = clauses[-1]
        kinds = [fact.kind for fact in clause]
        speaks = bool({Kind.NOUN, Kind.ATTRIBUTE, Kind.NUMBER} & set(kinds))
        if isinstance(each, Break):
            waits = not speaks and (each is Break.JOIN or begins_sentence)
            if clause and (each is Break.HARD or not waits):
                clauses.append([])
                begins_sentence = each is Break.HARD
            continue
        number_waits = bool(kinds) and kinds[-1] is Kind.NUMBER and Kind.ATTRIBUTE not in kinds
        if each.kind is Kind.ATTRIBUTE and speaks and not number_waits:
            clauses.append([])
            begins_sentence = False
        clauses[-1].append(each)
    return [clause for clause in clauses if clause]


def _says_the_same(one: _Group, other: _Group) -> bool:
    before, after = one.flat(), other.flat()
    if before == after:
        return True
    if Counter(before) != Counter(after):
        return False
    if _one_of_each(before):
        return True
    if not (one.head == other.head or (_one_of_each(one.head) and
            Counter(one.head) == Counter(other.head))):  # fmt: skip
        return False
    names = [fact for each in one.quantities for fact in each if fact.kind is Kind.ATTRIBUTE]
    if len(set(names)) < len(names):
        return False
    return Counter(map(_settled, one.quantities)) == Counter(map(_settled, other.quantities))


def _one_of_each(facts: Sequence[Fact]) -> bool:
    kinds = Counter(fact.kind for fact in facts)
    return all(count == 1 for count in kinds.values())


def _settled(quantity: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return a quantity in one order, where it has one name and one number: "5 mL in volume"."""
    if _one_of_each(quantity):
        return tuple(sorted(quantity, key=lambda fact: fact.kind.value))
    return tuple(quantity)


def _scopes(found: Sequence[Fact | Break], kind: Kind) -> list[tuple[frozenset[Fact], ...]]:
    """Return what each negation or hedge reaches over: to the next comma, and to the full stop.

    Where nothing stands behind it, it reaches back: "a nodule is not seen".
    """
    scopes = []
    for place, each in enumerate(found):
        if not isinstance(each, Fact) or each.kind is not kind:
            continue
        behind, before = found[place + 1 :], found[place - 1 :: -1] if place else ()
        near = _until(behind, soft=True) or _until(before, soft=True)
        far = _until(behind, soft=False) or _until(before, soft=False)
        scopes.append((frozenset(near), frozenset(far)))
    return sorted(scopes, key=str)


def _until(found: Sequence[Fact | Break], *, soft: bool) -> list[Fact]:
    reached: list[Fact] = []
    near = next((each for each in found if isinstance(each, Fact)), None)
    for each in found:
        if isinstance(each, Break):
            if each is Break.HARD or (soft and reached):
                break
            continue
        is_aside = each.kind is Kind.PLACE and each is not near  # "not in the lung" means the lung
        if each.kind not in _SCOPED and not is_aside:
            reached.append(each)
    return reached
