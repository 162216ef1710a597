"""Ellipsoids in any attitude on any lattice, with their true volume, diameter and surface."""

from itertools import product

import numpy as np
from scipy.spatial.transform import Rotation

from domain.grid import Grid
from domain.volume import Mask
from tests.phantoms import affine


def solid(radii_mm, spacing_mm, turn=None, offset=(0.0, 0.0, 0.0), *, parts=1, turn_deg=(0, 0, 0)):
    """Return an ellipsoid whose middle stands ``offset`` voxels beside that of the lattice.

    ``turn`` is its attitude against the lattice, ``turn_deg`` that of the lattice in the patient.
    With ``parts`` a voxel belongs to it when half of its parts do, as after partial volume; else
    when its centre does.
    """
    spacing = np.array(spacing_mm, dtype=float)
    reach = np.ceil(max(radii_mm) / spacing).astype(int) + 1
    axes = [(np.arange(-n, n + 1) - o) * s for n, o, s in zip(reach, offset, spacing, strict=True)]
    directions = np.eye(3) if turn is None else Rotation.from_rotvec(turn).as_matrix()
    steps = [(np.arange(n) + 0.5) / n - 0.5 for n in np.broadcast_to(parts, 3)]
    inside = sum(
        _inside(axes, np.array(step) * spacing, directions, radii_mm) for step in product(*steps)
    )
    voxels = 2 * inside >= np.prod(np.broadcast_to(parts, 3))
    on = Grid(affine=affine(spacing_mm=tuple(spacing), turn_deg=turn_deg), shape=voxels.shape)
    return Mask(voxels=voxels, grid=on)


def _inside(axes, step, directions, radii_mm):
    z, y, x = np.meshgrid(*[a + s for a, s in zip(axes, step, strict=True)], indexing="ij")
    along = np.stack([z, y, x], axis=-1) @ directions
    return ((along / np.array(radii_mm)) ** 2).sum(axis=-1) <= 1.0


def volume_of(radii_mm):
    return 4.0 / 3.0 * np.pi * float(np.prod(radii_mm)) / 1000.0


def surface_of(radii_mm, steps=300):
    """Return the surface of an ellipsoid by integration, in mm2."""
    a, b, c = radii_mm
    middles = (np.arange(steps) + 0.5) / steps
    t, p = np.meshgrid(np.pi * middles, 2 * np.pi * middles)
    scaled = np.sqrt(
        (b * c * np.sin(t) * np.cos(p)) ** 2
        + (a * c * np.sin(t) * np.sin(p)) ** 2
        + (a * b * np.cos(t)) ** 2
    )
    return float((np.sin(t) * scaled).mean() * 2 * np.pi**2)
