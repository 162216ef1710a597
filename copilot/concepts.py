"""The concept table read from ``configs/concepts.toml``."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from domain.codes import Code, sct
from domain.concepts import Concept, ConceptTable, Window
from domain.errors import InputError, SettingsError

_KEYS: Final = frozenset(
    {"phrase", "synonyms", "category", "code", "site", "paired", "modalities", "window", "route",
     "plausible_ml", "plausible_hu"}
)  # fmt: skip
_NEEDED: Final = ("phrase", "category", "code", "route")
_ROUTES: Final = frozenset(
    {"lungs", "body", "fat", "air", "liver", "spleen", "kidneys", "solid-lung-lesion",
     "lung-nodules", "box"}
)  # fmt: skip
_PAIR: Final = 2


def load_concepts(path: Path | None = None) -> ConceptTable:
    """Return the table in a file, or the one shipped with the package.

    Raises
    ------
    SettingsError
        For a file that cannot be read, an unknown key, a wrong value or a wording that means two
        concepts, naming the file and the key.
    """
    source: Path | Traversable = path or resources.files("configs") / "concepts.toml"
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{source}: {error}: give a readable TOML file") from error
    unknown = set(document) - {"concept"}
    if unknown:
        raise SettingsError(f"{source}: unknown key {min(unknown)!r}: only [[concept]]")
    entries = document.get("concept", [])
    if not isinstance(entries, list) or not entries:
        raise SettingsError(f"{source}: holds no [[concept]]: add at least one")
    concepts = [_concept(entry, f"{source}: [[concept]] {place}") for place, entry in
                enumerate(entries, start=1)]  # fmt: skip
    try:
        return ConceptTable.of(concepts)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error


def _concept(entry: Mapping[str, Any], place: str) -> Concept:
    place = f"{place} ({entry.get('phrase', 'without a phrase')})"
    unknown = set(entry) - _KEYS
    if unknown:
        raise SettingsError(
            f"{place}: unknown key {min(unknown)!r}: use one of {', '.join(sorted(_KEYS))}"
        )
    for key in _NEEDED:
        if key not in entry:
            raise SettingsError(f"{place}: lacks {key!r}: add it")
    if entry["route"] not in _ROUTES:
        raise SettingsError(
            f"{place}: route {entry['route']!r} is none of {', '.join(sorted(_ROUTES))}"
        )
    smallest_ml, largest_ml = _two_numbers(entry, "plausible_ml", place) or (None, None)
    window = _two_numbers(entry, "window", place)
    try:
        return Concept(
            phrase=_text(entry, "phrase", place),
            synonyms=_texts(entry, "synonyms", place),
            category=_code(entry, "category", place),
            code=_code(entry, "code", place),
            site=_code(entry, "site", place) if "site" in entry else None,
            paired=_flag(entry, "paired", place),
            modalities=_texts(entry, "modalities", place),
            window=Window(center=window[0], width=window[1]) if window else None,
            route=entry["route"],
            smallest_ml=smallest_ml,
            largest_ml=largest_ml,
            mean_hu=_two_numbers(entry, "plausible_hu", place),
        )
    except InputError as error:
        raise SettingsError(f"{place}: {str(error).removeprefix(f'{place}: ')}") from error


def _text(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = entry[key]
    if not isinstance(value, str):
        raise SettingsError(f"{place}: {key} {value!r} must be text")
    return value


def _texts(entry: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SettingsError(f"{place}: {key} {value!r} must be a list of texts")
    return tuple(value)


def _flag(entry: Mapping[str, Any], key: str, place: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise SettingsError(f"{place}: {key} {value!r} must be true or false")
    return value


def _code(entry: Mapping[str, Any], key: str, place: str) -> Code:
    value = _texts(entry, key, place)
    if len(value) != _PAIR:
        raise SettingsError(f"{place}: {key} {list(value)!r} must be [SNOMED CT code, meaning]")
    return sct(*value)


def _two_numbers(entry: Mapping[str, Any], key: str, place: str) -> tuple[float, float] | None:
    if key not in entry:
        return None
    value = entry[key]
    if (
        not isinstance(value, list)
        or len(value) != _PAIR
        or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    ):
        raise SettingsError(f"{place}: {key} {value!r} must be two numbers")
    return float(value[0]), float(value[1])
