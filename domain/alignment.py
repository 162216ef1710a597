"""Where a place of one study lies in another study of the same patient."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import GeometryError, InputError
from domain.grid import Grid

_AXES: Final = 3
_INVERSE_STEPS: Final = 30
_INVERSE_MM: Final = 1e-3
_RIGID: Final = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Displacement:
    """How far each place moves, before the rigid part is applied.

    Attributes
    ----------
    vectors_mm
        (slices, rows, columns, 3) LPS millimetres on ``grid``; beyond its edge nothing moves.
    """

    vectors_mm: NDArray[np.float32] = field(repr=False)
    grid: Grid

    def __post_init__(self) -> None:
        if self.vectors_mm.shape != (*self.grid.shape, _AXES):
            raise GeometryError(
                f"displacements {self.vectors_mm.shape} do not fill the grid {self.grid.shape}"
            )
        if not np.isfinite(self.vectors_mm).all():
            raise GeometryError("displacements hold NaN or infinity: align again")

    def at(self, positions_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the displacement (n, 3) at positions (n, 3), linear between voxels."""
        index = self.grid.to_index(positions_lps_mm)
        last = np.array(self.grid.shape) - 1
        inside = ((index >= 0) & (index <= last)).all(axis=1)
        index = np.clip(index, 0, last)
        low = np.minimum(index.astype(np.intp), np.maximum(last - 1, 0))
        share = index - low
        found = np.zeros((len(index), _AXES))
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, share, 1.0 - share), axis=1)
            place = np.minimum(low + corner, last)
            found += weight[:, None] * self.vectors_mm[place[:, 0], place[:, 1], place[:, 2]]
        found[~inside] = 0.0
        return found


@dataclass(frozen=True, kw_only=True)
class AlignmentQuality:
    """Numbers that say whether two studies lie on one another.

    Attributes
    ----------
    overlap
        Part of the smaller body that lies in the other, 0 to 1.
    outline
        Dice of both bodies within the field that both studies see, 0 to 1.
    structure, structure_before
        Correlation of the images within 8 mm, weighted by how much there is to see there; after
        alignment, and as the files have them (None where they do not meet).
    inverse_error_mm
        How far a place is off that goes to the prior and comes back by an alignment made the other
        way round; the median over the body.
    refusal
        Why the alignment may not be used; None where it may.
    """

    overlap: float
    outline: float
    structure: float
    inverse_error_mm: float
    structure_before: float | None = None
    refusal: str | None = None

    def __post_init__(self) -> None:
        for name in ("overlap", "outline"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{name} {value} is not between 0 and 1")
        if not -1.0 <= self.structure <= 1.0:
            raise InputError(f"structure {self.structure} is not between -1 and 1")

    @property
    def is_good(self) -> bool:
        """Whether the alignment may be used."""
        return self.refusal is None

    def in_words(self) -> str:
        """Say the numbers in one line."""
        before = "" if self.structure_before is None else f", {self.structure_before:.2f} before"
        return (
            f"structure {self.structure:.2f}{before}, overlap {self.overlap:.2f}, "
            f"outline {self.outline:.2f}, "
            f"there and back {self.inverse_error_mm:.1f} mm"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """From a place of the current study to the same place of the prior.

    A position is moved by ``displacement`` (where there is one), then by ``matrix``.

    Attributes
    ----------
    matrix
        (4, 4) float64, rigid, LPS millimetres of the current study to those of the prior.
    """

    matrix: NDArray[np.float64]
    quality: AlignmentQuality
    displacement: Displacement | None = None

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.array_equal(matrix[3], (0, 0, 0, 1)):
            raise GeometryError(f"an alignment is a 4 x 4 matrix, got shape {matrix.shape}")
        turn = matrix[:3, :3]
        if not np.allclose(turn @ turn.T, np.eye(3), atol=_RIGID) or np.linalg.det(turn) < 0:
            raise GeometryError("an alignment's matrix must be a rotation: it may not scale")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    def to_prior(self, positions_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Return where positions (..., 3) of the current study lie in the prior."""
        given = np.asarray(positions_lps_mm, dtype=np.float64)
        points = given.reshape(-1, 3)
        if self.displacement is not None:
            points = points + self.displacement.at(points)
        moved = points @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return np.asarray(moved.reshape(given.shape), dtype=np.float64)

    def to_current(self, positions_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Return where positions (..., 3) of the prior lie in the current study.

        The displacement is undone by fixed-point iteration, to a thousandth of a millimetre where
        it does not fold.
        """
        given = np.asarray(positions_lps_mm, dtype=np.float64)
        rigid = (given.reshape(-1, 3) - self.matrix[:3, 3]) @ self.matrix[:3, :3]
        points = rigid
        for _ in range(_INVERSE_STEPS if self.displacement is not None else 0):
            assert self.displacement is not None
            moved = rigid - self.displacement.at(points)
            apart = float(np.abs(moved - points).max(initial=0.0))
            points = moved
            if apart < _INVERSE_MM:
                break
        return np.asarray(points.reshape(given.shape), dtype=np.float64)
