"""The parameters of a search (QIDO-RS, PS3.18 section 10.6) read, each unknown one named."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicom_node.dicomweb.matching import KEYS, condition, keys_at
from dicom_node.dicomweb.refusal import bad_request
from dicom_node.index_search import Condition, Level, OneOf, Search
from domain.uids import SeriesUID, StudyUID

MOST_RESULTS: Final = 10_000
NOT_FUZZY: Final = (
    "The fuzzymatching parameter is not supported. Only literal matching has been performed."
)
ALL: Final = "all"
_TAG_LENGTH: Final = 8


@dataclass(frozen=True, kw_only=True)
class Query:
    """A search, what its answer shows, and what is to be said with it."""

    search: Search
    include: tuple[int, ...] = ()
    include_all: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a search stands: everywhere, in a study, or in one of its series."""

    level: Level
    study: StudyUID | None = None
    series: SeriesUID | None = None


def query(scope: Scope, parameters: Iterable[tuple[str, str]]) -> Query:
    """Return the search that these parameters of a URL ask for.

    Raises
    ------
    RequestRefusedError
        Naming the first parameter that is not known at this level, or whose value is none.
    """
    conditions: list[Condition] = []
    include: list[int] = []
    include_all = False
    warnings: list[str] = []
    limit, offset = MOST_RESULTS, 0
    for name, value in parameters:
        if "\0" in name + value:
            raise bad_request(f"parameter {name!r} holds a null character")
        match name:
            case "limit":
                limit = min(MOST_RESULTS, _count(name, value))
            case "offset":
                offset = _count(name, value)
            case "fuzzymatching":
                warnings += [NOT_FUZZY] if _truth(name, value) else []
            case "includefield":
                fields = [field.strip() for field in value.split(",") if field.strip()]
                include_all = include_all or ALL in fields
                include += [_tag(field) for field in fields if field != ALL]
            case "accept" | "charset":  # read where media types are
                continue
            case _:
                conditions += _conditions(name, value, scope.level)
    return Query(
        search=Search(
            level=scope.level,
            conditions=(*_within(scope), *conditions),
            limit=limit,
            offset=offset,
        ),
        include=tuple(include),
        include_all=include_all,
        warnings=tuple(warnings),
    )


def _within(scope: Scope) -> list[Condition]:
    given = (("study_instance_uid", scope.study), ("series_instance_uid", scope.series))
    return [OneOf(column=column, values=(uid,)) for column, uid in given if uid is not None]


def _conditions(name: str, value: str, level: Level) -> list[Condition]:
    keyword = _keyword(name)
    if keyword not in KEYS or KEYS[keyword].level > level:
        raise bad_request(
            f"parameter {name!r} is not known for {_plural(level)}: there are limit, offset, "
            f"includefield, fuzzymatching, {', '.join(keys_at(level))}"
        )
    made = condition(keyword, value)
    return [] if made is None else [made]


def _plural(level: Level) -> str:
    return {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}[level]


def _keyword(name: str) -> str:
    """Return the keyword of an attribute given by keyword or by tag."""
    tag = _number(name)
    return name if tag is None else keyword_for_tag(tag)


def _tag(field: str) -> int:
    tag = _number(field)
    if tag is None:
        tag = tag_for_keyword(field.rsplit(".", maxsplit=1)[0])
    if tag is None:
        raise bad_request(
            f"includefield={field!r} names no attribute: give a keyword (PatientAge), a tag "
            "(00101010) or all"
        )
    return tag


def _number(name: str) -> int | None:
    if len(name) != _TAG_LENGTH:
        return None
    try:
        return int(name, 16)
    except ValueError:
        return None


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 10**9:
        raise bad_request(f"{name}={value!r} is no whole number from 0")
    return int(value)


def _truth(name: str, value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise bad_request(f"{name}={value!r} is neither true nor false")
    return value.lower() == "true"
