"""The concept table: what the copilot has words, codes and windows for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from domain.codes import Code
from domain.errors import InputError, SettingsError


@dataclass(frozen=True, kw_only=True)
class Window:
    """Grey levels shown: centre and full width, in the volume's unit (PS3.3 C.11.2)."""

    center: float
    width: float

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise SettingsError(f"window width {self.width} must be above zero")

    @property
    def low(self) -> float:
        """Lowest value that is not black."""
        return self.center - self.width / 2

    @property
    def high(self) -> float:
        """Value from which all is white."""
        return self.center + self.width / 2


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One thing a radiologist names.

    Attributes
    ----------
    phrase
        Canonical, lower-case, without side, size or location.
    synonyms
        Other wordings that mean exactly this.
    category
        Segmented property category (PS3.16 CID 7150): anatomical structure, abnormal structure...
    code
        Segmented property type.
    site
        Anatomic region, for a lesion of an organ.
    paired
        Whether the patient has a left and a right one.
    modalities
        Where it is looked for; empty means anywhere.
    window
        Grey levels for a CT engine; None means the modality's own.
    route
        "lungs", "body", "fat", "air", "liver", "spleen", "kidneys", "solid-lung-lesion",
        "lung-nodules" or "box": which kind of engine is honest for it.
    smallest_ml, largest_ml
        Outside these a volume is reported with a warning.
    mean_hu
        Lowest and highest mean density on CT, enhanced or not; outside a mask has a warning.
    """

    phrase: str
    category: Code
    code: Code
    synonyms: tuple[str, ...] = ()
    site: Code | None = None
    paired: bool = False
    modalities: tuple[str, ...] = ()
    window: Window | None = None
    route: str = "box"
    smallest_ml: float | None = None
    largest_ml: float | None = None
    mean_hu: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.phrase != self.phrase.strip().lower() or not self.phrase:
            raise InputError(f"concept {self.phrase!r} must be lower-case and not empty")


@dataclass(frozen=True, kw_only=True)
class ConceptTable:
    """Concepts by phrase and synonym."""

    concepts: tuple[Concept, ...]
    _by_wording: dict[str, Concept] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_wording: dict[str, Concept] = {}
        for concept in self.concepts:
            for wording in (concept.phrase, *concept.synonyms):
                if wording in by_wording:
                    raise SettingsError(
                        f"{wording!r} means both {by_wording[wording].phrase!r} and "
                        f"{concept.phrase!r}: remove it from one"
                    )
                by_wording[wording] = concept
        object.__setattr__(self, "_by_wording", by_wording)

    @classmethod
    def of(cls, concepts: Iterable[Concept]) -> "ConceptTable":
        """Return a table of these concepts."""
        return cls(concepts=tuple(concepts))

    def find(self, wording: str) -> Concept | None:
        """Return the concept that a phrase or synonym means, or None."""
        return self._by_wording.get(wording.strip().lower())

    def wordings(self) -> Iterator[tuple[str, Concept]]:
        """Yield every phrase and synonym with its concept."""
        yield from self._by_wording.items()
