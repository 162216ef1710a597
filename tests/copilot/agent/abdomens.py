"""An abdomen with known bright organs, and an engine for words that sees what is bright."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from copilot.agent.agent import Agent, Language, When
from copilot.agent.record import Records
from copilot.concepts import load_concepts
from copilot.system import SystemClock
from domain.codes import HOUNSFIELD_UNIT
from domain.grid import Grid
from domain.volume import Volume
from segmentation.medsam3.segmenter import MedSam3Segmenter
from tests.contracts.segmenters import BrightWords

SPACING_MM = 2.5
SHAPE = (24, 96, 128)
LEFT_COLUMN = 90  # columns run to the patient's left
RIGHT_COLUMN = 38
RADIUS_MM = 25.0


def abdomen(
    *, left: bool = True, right: bool = True, radius_mm: float = RADIUS_MM, hu: float = 200.0
) -> Volume:
    """Return a CT 300 mm wide with up to two bright balls, one at each side of the middle."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * SPACING_MM
    grid = Grid(affine=affine, shape=SHAPE, frame_of_reference_uid="1.2.3.4")
    rows, columns = np.mgrid[:96, :128]
    voxels = np.full(SHAPE, -1000.0)
    voxels[:, ((rows - 48) / 40) ** 2 + ((columns - 64) / 60) ** 2 <= 1] = -20.0
    slices = np.arange(SHAPE[0])[:, None, None]
    for shown, column in ((left, LEFT_COLUMN), (right, RIGHT_COLUMN)):
        apart_mm = SPACING_MM * np.sqrt(
            (slices - 11.5) ** 2 + (rows - 48) ** 2 + (columns - column) ** 2
        )
        if shown:
            voxels[apart_mm <= radius_mm] = hu
    return Volume(voxels=voxels.astype(np.float32), grid=grid, modality="CT", unit=HOUNSFIELD_UNIT)


def words_engine(unknown: tuple[str, ...] = ()) -> MedSam3Segmenter:
    """Return an engine for words that marks what is bright, for any phrase but the unknown."""
    return MedSam3Segmenter(BrightWords(unknown=unknown), load_concepts())


def agent(folder: Path, language: Language | None = None, when: When = When.WORDS) -> Agent:
    return Agent(
        concepts=load_concepts(),
        records=Records(folder / "agent"),
        clock=SystemClock(),
        when=when,
        language=language,
    )


def only_record(folder: Path) -> str:
    ids: Sequence[str] = Records(folder / "agent").ids()
    assert len(ids) == 1
    return ids[0]
