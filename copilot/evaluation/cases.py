"""The list of cases: a TOML file in which a misspelt key stops the start with its name."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import InputError

Gesture = Literal["box", "box3d", "point", "line", "scribble", "text"]
Index = Annotated[int, Field(ge=0)]

_OWN_CHECK: Final = "Value error, "


class CaseEntry(BaseModel):
    """One ``[[case]]``: an image, its reference mask, and what a person would say and point at.

    Attributes
    ----------
    images, reference
        Absolute, once read: in the file they are relative to it.
    files
        The DICOM files of the series, where ``images`` is not a folder of them alone.
    label
        Value of the reference in a NIfTI or NRRD file that holds several.
    segment
        Number or label of the reference in a DICOM SEG that holds several.
    modality
        Of a NIfTI or NRRD image, which does not say it.
    gesture
        Made from the reference; None when box or point is given.
    box
        (slice, first row, first column, row stop, column stop), half-open.
    slices
        Half-open range; in place of the reference's own.
    point
        (slice, row, column).
    patient
        Whose images they are, where DICOM does not say it: for a split by patient.
    resample
        Whether a reference on another grid is brought to the image's by nearest neighbour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    images: Path
    reference: Path
    files: tuple[Path, ...] = ()
    series: str | None = None
    label: int | None = None
    segment: int | str | None = None
    concept: Annotated[str, Field(min_length=1)] | None = None
    side: Literal["left", "right", "both"] | None = None
    modality: Annotated[str, Field(min_length=1)] | None = None
    gesture: Gesture | None = None
    box: tuple[Index, Index, Index, Index, Index] | None = None
    slices: tuple[Index, Index] | None = None
    point: tuple[Index, Index, Index] | None = None
    patient: Annotated[str, Field(min_length=1)] | None = None
    resample: bool = False

    @model_validator(mode="after")
    def _checked(self) -> Self:
        pointed = self.box is not None or self.point is not None
        if pointed and self.gesture is not None:
            raise ValueError("a box or point is given and a gesture as well: leave one out")
        if self.gesture == "text" and self.concept is None:
            raise ValueError("gesture 'text' asks by name alone: give the concept")
        if self.label is not None and self.segment is not None:
            raise ValueError("label is for NIfTI and NRRD, segment for DICOM SEG: leave one out")
        return self

    def beside(self, folder: Path) -> "CaseEntry":
        """Return the entry with its paths taken from a folder."""
        return self.model_copy(
            update={
                "images": folder / self.images,
                "reference": folder / self.reference,
                "files": tuple(folder / file for file in self.files),
            }
        )


def load_cases(path: Path) -> tuple[CaseEntry, ...]:
    """Return the cases of a TOML file.

    Raises
    ------
    InputError
        For a file that cannot be read, an unknown key, a wrong value or a name used twice, naming
        the file, the case and the key.
    """
    document = _document(path)
    unknown = set(document) - {"case"}
    if unknown:
        raise InputError(f"{path}: unknown key {min(unknown)!r}: only [[case]] belongs there")
    listed = document.get("case", [])
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path}: holds no [[case]]: add at least one")
    folder = path.resolve().parent
    cases: list[CaseEntry] = []
    for number, values in enumerate(listed, start=1):
        case = _case(values, f"{path}: [[case]] {number}").beside(folder)
        if case.name in {other.name for other in cases}:
            raise InputError(f"{path}: two cases are called {case.name!r}: name each one its own")
        cases.append(case)
    return tuple(cases)


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist: give a TOML file with a [[case]] for each image"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _case(values: object, place: str) -> CaseEntry:
    if isinstance(values, dict) and isinstance(values.get("name"), str):
        place = f"{place} ({values['name']})"
    try:
        return CaseEntry.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(CaseEntry.model_fields)
            raise InputError(f"{place}: unknown key {key!r}: use one of {known}") from error
        if first["type"] == "missing" and len(first["loc"]) > 1:
            raise InputError(f"{place}: {first['loc'][0]} has too few numbers: add them") from error
        if first["type"] == "missing":
            raise InputError(f"{place}: lacks {key!r}: add it") from error
        says = first["msg"].removeprefix(_OWN_CHECK)
        raise InputError(
            f"{place}: {key} = {first.get('input')!r}: {says.lower()}"
            if key
            else f"{place}: {says}"
        ) from error
