"""Chests as functions of place: one patient on any lattice, moved, turned, breathing."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from dicom_node.series_writer import SeriesIdentity, write_series
from domain.codes import HOUNSFIELD_UNIT
from domain.grid import Grid
from domain.volume import Volume
from tests.phantoms import UIDS, affine

LUNGS_MM = ((-52.0, 0.0, 0.0), (52.0, 0.0, 0.0))
LUNG_RADII_MM = (40.0, 58.0, 70.0)
AIR_HU, TISSUE_HU, LUNG_HU, SOLID_HU = -1000.0, 40.0, -850.0, 60.0
_EDGE_MM = 1.0


@dataclass(frozen=True, kw_only=True)
class Nodule:
    """A ball in LPS millimetres of the patient."""

    centre: tuple[float, float, float]
    volume_ml: float

    @property
    def radius_mm(self) -> float:
        return float(np.cbrt(1000.0 * self.volume_ml * 3.0 / (4.0 * np.pi)))


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How the patient lies on the table: turned about the middle, then moved."""

    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Patient's millimetres to the scanner's, (4, 4)."""
        made = np.eye(4)
        made[:3, :3] = Rotation.from_euler("xyz", self.turn_deg, degrees=True).as_matrix()
        made[:3, 3] = self.shift_mm
        return made

    def placed(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        return positions @ self.matrix[:3, :3].T + self.matrix[:3, 3]


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Body, lungs, a spine, ribs and vessels that are this patient's own (by seed)."""

    seed: int = 1
    nodules: tuple[Nodule, ...] = field(default=())
    breath_mm: float = 0.0

    def seen(
        self,
        pose: Pose | None = None,
        spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
        noise_hu: float = 15.0,
        z_mm: tuple[float, float] = (-80.0, 80.0),
        frame: str = "1.2.3",
    ) -> Volume:
        """Return a CT of the patient in a pose; ``z_mm`` is what the scanner covers."""
        pose = pose or Pose()
        middle = np.array(pose.shift_mm)
        size = (z_mm[1] - z_mm[0], 160.0, 250.0)
        shape = tuple(round(length / mm) for length, mm in zip(size, spacing_mm, strict=True))
        origin = middle + np.array((-125.0 + spacing_mm[2] / 2, -80.0 + spacing_mm[1] / 2, z_mm[0]))
        on = Grid(
            affine=affine(spacing_mm=spacing_mm, origin=tuple(origin)),
            shape=shape,
            frame_of_reference_uid=frame,
        )
        index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
        at = on.to_lps_mm(index.reshape(-1, 3))
        at = (at - pose.matrix[:3, 3]) @ pose.matrix[:3, :3]
        voxels = self._hu(self._breathed(at)).reshape(shape)
        noise = np.random.default_rng(self.seed + round(middle.sum())).normal(0, noise_hu, shape)
        return Volume(
            voxels=np.clip(voxels + noise, -1024, 3000).astype(np.int16),
            grid=on,
            modality="CT",
            unit=HOUNSFIELD_UNIT,
        )

    def _breathed(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return which tissue is at these places: pulled down, most at the base of the lungs."""
        inside = np.exp(-((at[:, 0] / 95) ** 4) - (at[:, 1] / 65) ** 4)
        low = np.clip((60.0 - at[:, 2]) / 120.0, 0.0, 1.0)
        moved = at.copy()
        moved[:, 2] += self.breath_mm * inside * low
        return moved

    def _hu(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y, z = at.T
        hu = np.where((x / 118) ** 2 + (y / 72) ** 2 <= 1, TISSUE_HU, AIR_HU)
        for centre in LUNGS_MM:
            inside = sum(
                ((one - c) / r) ** 2
                for one, c, r in zip((x, y, z), centre, LUNG_RADII_MM, strict=True)
            )
            hu = np.where(inside <= 1, LUNG_HU, hu)
        hu = np.where((x / 14) ** 2 + ((y - 52) / 14) ** 2 <= 1, 300.0, hu)
        ribs = ((np.hypot(x / 108, y / 64) - 1) * 90) ** 2 + (((z + 0.15 * y) % 24.0) - 12.0) ** 2
        hu = np.where(ribs <= 20.0, 400.0, hu)
        order = np.argsort(x)
        balls = [(centre, radius, TISSUE_HU) for centre, radius in self._vessels()]
        balls += [(np.array(each.centre), each.radius_mm, SOLID_HU) for each in self.nodules]
        for centre, radius, level in balls:
            reach = radius + 2 * _EDGE_MM
            start, stop = np.searchsorted(x, (centre[0] - reach, centre[0] + reach), sorter=order)
            near = order[start:stop]
            near = near[(np.abs(at[near, 1:] - centre[1:]) < reach).all(axis=1)]
            depth = radius - np.linalg.norm(at[near] - centre, axis=1)
            share = np.clip(0.5 + depth / _EDGE_MM, 0.0, 1.0)
            hu[near] = np.maximum(hu[near], share * level + (1 - share) * hu[near])
        return hu

    def _vessels(self) -> list[tuple[NDArray[np.float64], float]]:
        """Return beads along a few branches of each lung, clear of where nodules are put."""
        random = np.random.default_rng(self.seed)
        beads = []
        for side in LUNGS_MM:
            for _ in range(7):
                stop = np.array(side) + random.uniform(-0.75, 0.75, 3) * LUNG_RADII_MM
                start = np.array(side) * (0.35, 1.0, 1.0)
                for part in np.linspace(0.15, 1.0, 14):
                    place = start + part * (stop - start) + random.normal(0, 1.0, 3)
                    near = any(
                        np.linalg.norm(place - nodule.centre) < nodule.radius_mm + 12
                        for nodule in self.nodules
                    )
                    if not near:
                        beads.append((place, 4.5 - 3.0 * part))
        return beads


def studied(folder: Path, volume: Volume, date: str, patient: str = "RC-1") -> tuple[Path, ...]:
    """Write a volume as a study of a phantom patient at a date, and return its files."""
    identity = SeriesIdentity(
        patient_name="PHANTOM^TEST",
        patient_id=patient,
        study_instance_uid=UIDS.new_uid(),
        series_instance_uid=UIDS.new_uid(),
        frame_of_reference_uid=UIDS.new_uid(),
        study_date=date,
        study_description="phantom",
        series_description="phantom",
    )
    return write_series(volume, identity, UIDS, folder)
