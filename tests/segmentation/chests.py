"""CT chests with balls for nodules and tubes for vessels, averaged over each slice as a scanner."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.volume import Volume
from tests.contracts.segmenters import AIR_HU, LUNG_HU, TISSUE_HU, axial_grid

SIZE_MM = (150.0, 170.0, 240.0)
LUNG_CENTRES_MM = ((75.0, 82.0, 68.0), (75.0, 82.0, 172.0))
LUNG_RADII_MM = (65.0, 62.0, 42.0)
NOISE_HU = 20.0
_PARTS = 4


@dataclass(frozen=True, kw_only=True)
class Ball:
    """A nodule: centre in mm along slices, rows and columns from the first voxel's corner."""

    centre_mm: tuple[float, float, float]
    radius_mm: float

    @property
    def volume_ml(self) -> float:
        return float(4 / 3 * np.pi * self.radius_mm**3 / 1000)


@dataclass(frozen=True, kw_only=True)
class Tube:
    """A vessel between two places."""

    start_mm: tuple[float, float, float]
    stop_mm: tuple[float, float, float]
    radius_mm: float


def chest_with(
    balls: tuple[Ball, ...] = (),
    tubes: tuple[Tube, ...] = (),
    spacing_mm: tuple[float, float, float] = (2.5, 1.5, 1.5),
    noise_hu: float = NOISE_HU,
) -> Volume:
    """Return body and lungs with these in them; the edges are as wide as a voxel."""
    counts = [round(size / mm) for size, mm in zip(SIZE_MM, spacing_mm, strict=True)]
    grid = axial_grid((counts[0], counts[1], counts[2]), spacing_mm)
    rows, columns = (
        (np.arange(n) + 0.5) * mm for n, mm in zip(counts[1:], spacing_mm[1:], strict=True)
    )
    voxels = np.zeros(grid.shape)
    for part in range(_PARTS):
        slices = (np.arange(counts[0]) + (part + 0.5) / _PARTS) * spacing_mm[0]
        places = (slices[:, None, None], rows[None, :, None], columns[None, None, :])
        voxels += _painted(places, balls, tubes, spacing_mm[1]) / _PARTS
    noise = np.random.default_rng(11).normal(0, noise_hu, grid.shape)
    return Volume(
        voxels=np.clip(voxels + noise, -1024, 3071).astype(np.float32), grid=grid, modality="CT"
    )


def index_of(volume: Volume, centre_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return the voxel a place in mm lies in."""
    at = [int(mm / step) for mm, step in zip(centre_mm, volume.grid.spacing_mm, strict=True)]
    return at[0], at[1], at[2]


def _painted(
    places: tuple[NDArray[np.float64], ...],
    balls: tuple[Ball, ...],
    tubes: tuple[Tube, ...],
    edge_mm: float,
) -> NDArray[np.float64]:
    _, rows, columns = places
    body = ((rows - 85) / 80) ** 2 + ((columns - 120) / 115) ** 2 <= 1
    lung = np.zeros(np.broadcast_shapes(*(each.shape for each in places)), dtype=np.bool_)
    for centre in LUNG_CENTRES_MM:
        lung |= (
            sum(
                ((place - at) / radius) ** 2
                for place, at, radius in zip(places, centre, LUNG_RADII_MM, strict=True)
            )
            <= 1
        )
    values = np.where(lung, LUNG_HU, np.where(body, TISSUE_HU, AIR_HU))
    for ball in balls:
        apart = np.sqrt(
            sum((place - at) ** 2 for place, at in zip(places, ball.centre_mm, strict=True))
        )
        values = _mixed(values, apart, ball.radius_mm, edge_mm)
    for tube in tubes:
        values = _mixed(values, _apart_from_axis(places, tube), tube.radius_mm, edge_mm)
    return values


def _apart_from_axis(places: tuple[NDArray[np.float64], ...], tube: Tube) -> NDArray[np.float64]:
    axis = np.subtract(tube.stop_mm, tube.start_mm)
    length = float(np.linalg.norm(axis))
    from_start = [place - at for place, at in zip(places, tube.start_mm, strict=True)]
    along = sum(part * step / length for part, step in zip(from_start, axis, strict=True))
    along = np.clip(along, 0, length)
    return np.sqrt(
        sum(
            (part - along * step / length) ** 2 for part, step in zip(from_start, axis, strict=True)
        )
    )


def _mixed(
    values: NDArray[np.float64], apart_mm: NDArray[np.float64], radius_mm: float, edge_mm: float
) -> NDArray[np.float64]:
    share = np.clip((radius_mm - apart_mm) / edge_mm + 0.5, 0, 1)
    return np.where(values < TISSUE_HU, values * (1 - share) + TISSUE_HU * share, values)
