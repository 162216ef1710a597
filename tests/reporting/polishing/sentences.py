"""Good sentences in both languages, and every way we know to spoil one."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from domain.comparison import Change, Lesion, Verdict
from domain.measurement import Finding
from reporting.language import Language
from reporting.priors.wording import said
from reporting.wording import described, summarised
from tests.reporting.made import TABLE, finding, sized

Rng = np.random.Generator
Spoil = Callable[["Draft", Rng], str | None]
FREE = {
    "en": (
        "No focal lesion of the liver.",
        "Possible metastasis in the right lung, 5 mm.",
        "The nodule in the left lung is stable at 6 mm.",
        "Probable cyst of the left kidney, no hydronephrosis.",
        "No pleural effusion, no pneumothorax.",
        "The mass has increased from 12 mm to 17 mm.",
        "Two nodules in the right lung, 3 to 4 mm.",
        "Left renal cyst of 2.4 cm, unchanged since 2025-03-01.",
        "New lymph node of 11 x 8 mm on the right.",
        "The spleen is not enlarged, 10.5 cm.",
    ),
    "de": (
        "Keine fokale Läsion der Leber.",
        "Mögliche Metastase in der rechten Lunge, 5 mm.",
        "Der Knoten in der linken Lunge ist stabil mit 6 mm.",
        "Wahrscheinliche Zyste der linken Niere, kein Harnstau.",
        "Kein Pleuraerguss, kein Pneumothorax.",
        "Die Raumforderung ist von 12 mm auf 17 mm gewachsen.",
        "Zwei Knoten in der rechten Lunge, 3 bis 4 mm.",
        "Nierenzyste links von 2,4 cm, unverändert seit 01.03.2025.",
        "Neuer Lymphknoten von 11 x 8 mm rechts.",
        "Die Milz ist nicht vergrößert, 10,5 cm.",
    ),
}
VERDICTS = {
    "en": {"larger": "smaller", "stable": "larger", "smaller": "stable", "unchanged": "larger",
           "new": "stable", "increased": "decreased"},
    "de": {"größer": "kleiner", "stabil": "größer", "kleiner": "stabil", "neuer": "stabiler",
           "unverändert": "größer", "gewachsen": "geschrumpft"},
}  # fmt: skip
SIDES = {
    "en": {"right": "left", "left": "right"},
    "de": {"rechts": "links", "links": "rechts", "rechte": "linke", "linke": "rechte",
           "rechter": "linker", "linker": "rechter", "rechtes": "linkes", "linkes": "rechtes",
           "rechten": "linken", "linken": "rechten"},
}  # fmt: skip
NEGATIONS = {"en": ("no", "not"), "de": ("kein", "keine", "nicht")}
HEDGES = {"en": ("possible", "probable"), "de": ("mögliche", "wahrscheinliche")}
UNITS = {"mm": "cm", "cm": "mm", "mL": "L", "ml": "l", "%": "mm"}
NUMBER = re.compile(r"\d+(?:[.,]\d+)?")


@dataclass(frozen=True)
class Draft:
    """A good text, and what it tells of."""

    text: str
    words: Language
    nouns: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        return self.words.code


def drafts(words: Language, rng: Rng) -> Iterator[Draft]:
    """Yield good texts without end: findings, comparisons and free sentences, one or two."""
    while True:
        one, other = (_one(words, rng) for _ in range(2))
        if rng.random() < 0.5:
            yield one
        else:
            yield Draft(f"{one.text} {other.text}", words, one.nouns + other.nouns)


def _one(words: Language, rng: Rng) -> Draft:
    kind = rng.integers(4)
    if kind == 0:
        return Draft(str(rng.choice(FREE[words.code])), words)
    if kind == 1:
        return Draft(said(_change(rng), date(2026, 1, 2), date(2026, 7, 3), words), words)
    found = _finding(rng)
    text, _ = (described if kind == 2 else summarised)(found, words)
    return Draft(text, words, (words.called(found.concept, None),))


def _finding(rng: Rng) -> Finding:
    concept = TABLE.concepts[rng.integers(len(TABLE.concepts))]
    side = rng.choice(["left", "right", ""]) if concept.paired else ""
    return finding(
        concept.phrase,
        str(side) or None,
        label=f"Finding {rng.integers(1, 9)}",
        measurements=sized(*(float(each) for each in rng.uniform(0.2, 80.0, 3)),
                           image=int(rng.integers(1, 300))),
    )  # fmt: skip


def _change(rng: Rng) -> Change:
    volumes = [float(each) for each in rng.uniform(0.2, 40.0, 2)]
    lesions = [
        Lesion(label="Lesion 1", centre_lps_mm=(0.0, 0.0, 0.0), volume_ml=each, uncertainty_ml=0.1)
        for each in volumes
    ]
    verdicts = [Verdict.LARGER, Verdict.STABLE, Verdict.SMALLER]
    return Change(
        verdict=verdicts[rng.integers(3)],
        prior=lesions[0],
        current=lesions[1],
        reasons=("by its limits",),
        percent=100.0 * (volumes[1] / volumes[0] - 1.0),
        limit_percent=(-25.0, 25.0),
    )


def _replaced(draft: Draft, rng: Rng, words: dict[str, str]) -> str | None:
    """Return the text with one of these words as another, in its own case."""
    found = [
        match for match in re.finditer(r"[^\W\d_]+", draft.text) if match.group().lower() in words
    ]
    if not found:
        return None
    match = found[rng.integers(len(found))]
    new = words[match.group().lower()]
    new = new.capitalize() if match.group()[0].isupper() else new
    return (draft.text[: match.start()] + new + draft.text[match.end() :]).strip()


def _numbers(draft: Draft, rng: Rng) -> list[re.Match[str]]:
    found = list(NUMBER.finditer(draft.text))
    rng.shuffle(found)
    return found


def digit(draft: Draft, rng: Rng) -> str | None:
    places = [n for n, letter in enumerate(draft.text) if letter.isdigit()]
    if not places:
        return None
    place = places[rng.integers(len(places))]
    new = (int(draft.text[place]) + int(rng.integers(1, 10))) % 10
    return f"{draft.text[:place]}{new}{draft.text[place + 1 :]}"


def decimal_shift(draft: Draft, rng: Rng) -> str | None:
    for match in _numbers(draft, rng):
        number = match.group()
        if draft.words.decimal in number:
            left, right = number.split(draft.words.decimal)
            new = f"{left}{right[0]}{draft.words.decimal + right[1:] if right[1:] else ''}"
            return draft.text[: match.start()] + new + draft.text[match.end() :]
    return None


def decimal_lost(draft: Draft, rng: Rng) -> str | None:
    for match in _numbers(draft, rng):
        if draft.words.decimal in match.group():
            new = match.group().replace(draft.words.decimal, "")
            return draft.text[: match.start()] + new + draft.text[match.end() :]
    return None


def unit(draft: Draft, rng: Rng) -> str | None:
    found = list(re.finditer(r"(?<=\d )(mm|cm|mL|ml|%)", draft.text))
    if not found:
        return None
    match = found[rng.integers(len(found))]
    return draft.text[: match.start()] + UNITS[match.group()] + draft.text[match.end() :]


def unit_lost(draft: Draft, rng: Rng) -> str | None:
    found = [m for m in re.finditer(r"(?<=\d) (mm|cm|mL|ml|%)(?! x)(?! bis)", draft.text)
             if not re.match(r" (x|to|bis) ", draft.text[m.end():])]  # fmt: skip
    if not found:
        return None
    match = found[rng.integers(len(found))]
    return draft.text[: match.start()] + draft.text[match.end() :]


def side_swapped(draft: Draft, rng: Rng) -> str | None:
    return _replaced(draft, rng, SIDES[draft.code])


def side_lost(draft: Draft, rng: Rng) -> str | None:
    return _replaced(draft, rng, dict.fromkeys(SIDES[draft.code], ""))


def sides_of_two_swapped(draft: Draft, rng: Rng) -> str | None:
    words = SIDES[draft.code]
    found = [m for m in re.finditer(r"[^\W\d_]+", draft.text) if m.group().lower() in words]
    sides = {m.group().lower()[0] for m in found}
    if len(sides) < 2:
        return None
    return re.sub(r"[^\W\d_]+", lambda m: words.get(m.group().lower(), m.group()), draft.text)


def negation_lost(draft: Draft, rng: Rng) -> str | None:
    return _replaced(draft, rng, dict.fromkeys(NEGATIONS[draft.code], ""))


def negation_added(draft: Draft, rng: Rng) -> str | None:
    places = [m.start() for m in re.finditer(r"(?<= )[^\W\d_]{3,}", draft.text)]
    if not places:
        return None
    place = places[rng.integers(len(places))]
    word = NEGATIONS[draft.code][rng.integers(len(NEGATIONS[draft.code]))]
    return f"{draft.text[:place]}{word} {draft.text[place:]}"


def noun_replaced(draft: Draft, rng: Rng) -> str | None:
    if not draft.nouns:
        return None
    noun = draft.nouns[rng.integers(len(draft.nouns))]
    other = draft.words.called(TABLE.concepts[rng.integers(len(TABLE.concepts))].phrase, None)
    match = re.search(re.escape(noun), draft.text, re.IGNORECASE)
    if match is None or other == noun:
        return None
    return draft.text[: match.start()] + other + draft.text[match.end() :]


def noun_lost(draft: Draft, rng: Rng) -> str | None:
    if not draft.nouns:
        return None
    noun = draft.nouns[rng.integers(len(draft.nouns))]
    return re.sub(re.escape(noun), "", draft.text, count=1, flags=re.IGNORECASE)


def nouns_swapped(draft: Draft, rng: Rng) -> str | None:
    if len(set(draft.nouns)) < 2:
        return None
    one, other = draft.nouns[:2]
    if one.lower() in other.lower() or other.lower() in one.lower():
        return None
    both = re.compile(f"{re.escape(one)}|{re.escape(other)}", re.IGNORECASE)
    return both.sub(lambda m: other if m.group().lower() == one.lower() else one, draft.text)


def numbers_swapped(draft: Draft, rng: Rng) -> str | None:
    found = list(NUMBER.finditer(draft.text))
    pairs = [(a, b) for n, a in enumerate(found) for b in found[n + 1 :] if a.group() != b.group()]
    if not pairs:
        return None
    first, second = pairs[rng.integers(len(pairs))]
    text = draft.text
    return (
        f"{text[: first.start()]}{second.group()}{text[first.end() : second.start()]}"
        f"{first.group()}{text[second.end() :]}"
    )


def spread_lost(draft: Draft, rng: Rng) -> str | None:
    text = re.sub(r" \(±[\d.,]+\)", "", draft.text, count=1)
    return None if text == draft.text else text


def sign_lost(draft: Draft, rng: Rng) -> str | None:
    found = list(re.finditer(r"[±+]|(?<=[ (])-(?=\d)", draft.text))
    if not found:
        return None
    match = found[rng.integers(len(found))]
    return draft.text[: match.start()] + draft.text[match.end() :]


def sign_turned(draft: Draft, rng: Rng) -> str | None:
    if "+" not in draft.text:
        return None
    return draft.text.replace("+", "-", 1)


def verdict_turned(draft: Draft, rng: Rng) -> str | None:
    return _replaced(draft, rng, VERDICTS[draft.code])


def verdict_lost(draft: Draft, rng: Rng) -> str | None:
    return _replaced(draft, rng, dict.fromkeys(VERDICTS[draft.code], ""))


def hedge_lost(draft: Draft, rng: Rng) -> str | None:
    return _replaced(draft, rng, dict.fromkeys(HEDGES[draft.code], ""))


def hedge_added(draft: Draft, rng: Rng) -> str | None:
    if not draft.nouns:
        return None
    word = HEDGES[draft.code][rng.integers(2)]
    noun = re.escape(draft.nouns[0])
    return re.sub(f"({noun})", rf"{word} \1", draft.text, count=1, flags=re.IGNORECASE)


def sentence_lost(draft: Draft, rng: Rng) -> str | None:
    first, dot, rest = draft.text.partition(". ")
    return (rest if rng.random() < 0.5 else first + dot).strip() if dot else None


def sentence_added(draft: Draft, rng: Rng) -> str | None:
    return f"{draft.text} {FREE[draft.code][rng.integers(len(FREE[draft.code]))]}"


def word_added(draft: Draft, rng: Rng) -> str | None:
    words = {"en": ("malignant", "benign", "small", "calcified"),
             "de": ("maligne", "benigne", "kleine", "verkalkte")}[draft.code]  # fmt: skip
    return f"{words[rng.integers(4)].capitalize()} {draft.text[0].lower()}{draft.text[1:]}"


def sentences_swapped_numbers(draft: Draft, rng: Rng) -> str | None:
    """Give the numbers of one sentence to the other, where both have as many."""
    first, dot, rest = draft.text.partition(". ")
    one, other = NUMBER.findall(first), NUMBER.findall(rest)
    if not dot or len(one) != len(other) or one == other or not one:
        return None
    numbers = iter([*other, *one])
    return NUMBER.sub(lambda _: next(numbers), draft.text)


SPOILS: tuple[Spoil, ...] = (
    digit, decimal_shift, decimal_lost, unit, unit_lost, side_swapped, side_lost,
    sides_of_two_swapped, negation_lost, negation_added, noun_replaced, noun_lost, nouns_swapped,
    numbers_swapped, spread_lost, sign_lost, sign_turned, verdict_turned, verdict_lost, hedge_lost,
    hedge_added, sentence_lost, sentence_added, word_added, sentences_swapped_numbers,
)  # fmt: skip
