"""Volumes with known answers, and segmenters that answer without weights."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.codes import sct
from domain.concepts import Concept, ConceptTable
from domain.grid import Grid
from domain.ports import Capabilities, Progress
from domain.prompt import Prompt
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Mask, Volume
from segmentation.answers import CheckedSession, not_taken
from segmentation.medsam3.asking import LEAST_SCORE, Instance, Question, SliceAnswer
from segmentation.medsam3.tracker import Key, Tracked
from segmentation.slicewise.slices import Embedding, SliceHint
from segmentation.slicewise.targets import box_of, ellipsoid, target_of

LUNG_HU = -850.0
TISSUE_HU = 40.0
AIR_HU = -1000.0

_STRUCTURE = sct("91723000", "Anatomical Structure")
_ABNORMAL = sct("49755003", "Morphologically Abnormal Structure")


def small_table() -> ConceptTable:
    """Return one concept of each route."""
    return ConceptTable.of(
        (
            Concept(
                phrase="lung",
                category=_STRUCTURE,
                code=sct("39607008", "Lung"),
                paired=True,
                route="lungs",
                smallest_ml=300,
                largest_ml=9000,
            ),
            Concept(
                phrase="body",
                category=_STRUCTURE,
                code=sct("38266002", "Entire body"),
                route="body",
            ),
            Concept(
                phrase="lung lesion",
                category=_ABNORMAL,
                code=sct("52988006", "Lesion"),
                route="solid-lung-lesion",
                largest_ml=2000,
            ),
            Concept(
                phrase="lung nodule",
                category=_ABNORMAL,
                code=sct("27925004", "Nodule"),
                route="lung-nodules",
            ),
            Concept(
                phrase="pancreas",
                category=_STRUCTURE,
                code=sct("15776009", "Pancreas"),
                smallest_ml=20,
                largest_ml=250,
            ),
        )
    )


def axial_grid(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float] = (2.0, 1.0, 1.0)
) -> Grid:
    """Return a grid as a supine axial CT has it: slices to the head, columns to the left."""
    affine = np.eye(4)
    affine[:3, 0] = (0, 0, spacing_mm[0])
    affine[:3, 1] = (0, spacing_mm[1], 0)
    affine[:3, 2] = (spacing_mm[2], 0, 0)
    affine[:3, 3] = (-100, -80, -300)
    return Grid(affine=affine, shape=shape)


def ball(grid: Grid, centre: tuple[float, float, float], radius_mm: float) -> NDArray[np.float64]:
    """Return how much of each voxel lies in a ball, 0 to 1, about one voxel wide at the edge."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    apart = np.linalg.norm(grid.to_lps_mm(indices) - grid.to_lps_mm(centre), axis=-1)
    edge_mm = float(np.mean(grid.spacing_mm))
    return np.clip((radius_mm - apart) / edge_mm + 0.5, 0, 1)


def chest(lesion_radius_mm: float = 9.0) -> Volume:
    """Return a CT chest of 24 slices: body, two lungs, a lesion in the patient's left lung."""
    grid = axial_grid((24, 96, 128), (5.0, 2.5, 2.5))
    rows, columns = np.mgrid[:96, :128]
    voxels = np.full(grid.shape, AIR_HU)
    voxels[:, ((rows - 48) / 40) ** 2 + ((columns - 64) / 58) ** 2 <= 1] = TISSUE_HU
    for column in (38, 90):
        voxels[2:22, ((rows - 46) / 28) ** 2 + ((columns - column) / 20) ** 2 <= 1] = LUNG_HU
    inside = ball(grid, LESION_CENTRE, lesion_radius_mm)
    voxels = voxels * (1 - inside) + TISSUE_HU * inside
    return Volume(voxels=voxels.astype(np.float32), grid=grid, modality="CT")


LESION_CENTRE = (11.0, 46.0, 90.0)
RIGHT_LUNG_COLUMN = 38
LEFT_LUNG_COLUMN = 90


def bright_ball(radius_mm: float = 12.0, noise: float = 5.0) -> tuple[Volume, Mask]:
    """Return an MR of 20 slices with one bright ball, and the ball."""
    grid = axial_grid((20, 64, 72))
    share = ball(grid, (10.0, 30.0, 36.0), radius_mm)
    random = np.random.default_rng(3)
    voxels = 100 + 300 * share + random.normal(0, noise, grid.shape)
    volume = Volume(voxels=voxels.astype(np.float32), grid=grid, modality="MR")
    return volume, Mask(voxels=share >= 0.5, grid=grid)


class BrightNetwork:
    """Stands for a slice network: what is bright and inside the box, or joined to the click."""

    name = "bright"
    version = "1.0.0"
    weights_sha256 = None
    input_px = 256

    def __init__(self, threshold: float = 128.0) -> None:
        self._threshold = threshold
        self.encoder_runs = 0
        self.decoder_runs = 0

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Keep the image as its own embedding, and count."""
        self.encoder_runs += 1
        half = image.astype(np.float16)
        return Embedding(features=half, image_shape=(image.shape[0], image.shape[1]))

    def decode(self, embedding: Embedding, hints: Sequence[SliceHint]) -> NDArray[np.float32]:
        """Return the distance from the threshold, far below it outside each box; and count."""
        self.decoder_runs += 1
        logits = np.empty((len(hints), *embedding.image_shape), dtype=np.float32)
        for index, hint in enumerate(hints):
            logits[index] = (embedding.features.astype(np.float32) - self._threshold) / 10
            if hint.box is not None:
                outside = np.ones(embedding.image_shape, dtype=np.bool_)
                box = hint.box
                outside[
                    int(box.row_start) : int(np.ceil(box.row_stop)),
                    int(box.column_start) : int(np.ceil(box.column_stop)),
                ] = False
                logits[index][outside] = -10
        return logits


class BrightWords:
    """Stands for a network that knows words: for any phrase, each bright thing on the slice.

    Of a phrase in ``unknown`` it finds nothing; with boxes it finds what they overlap.
    """

    name = "bright-words"
    version = "1.0.0"
    weights_sha256 = None
    is_random = False
    input_px = 256

    def __init__(self, threshold: float = 128.0, unknown: tuple[str, ...] = ()) -> None:
        self._threshold = threshold
        self._unknown = unknown
        self.encoder_runs = 0

    def missing(self) -> str | None:
        """Nothing is."""
        return None

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Keep the image as its own embedding, and count."""
        self.encoder_runs += 1
        half = image.astype(np.float16)
        return Embedding(features=half, image_shape=(image.shape[0], image.shape[1]))

    def answers(
        self,
        embedding: Embedding,
        questions: Sequence[Question],
        least_score: float = LEAST_SCORE,
    ) -> tuple[SliceAnswer, ...]:
        """Return the bright things of each question, scored by how bright they are."""
        return tuple(self._answer(embedding, each, least_score) for each in questions)

    def _answer(self, embedding: Embedding, question: Question, least: float) -> SliceAnswer:
        image = embedding.features.astype(np.float32)
        labels, count = ndimage.label(image > self._threshold)
        instances = []
        for number in range(1, count + 1) if question.phrase not in self._unknown else ():
            inside = labels == number
            box, score = box_of(inside), float(image[inside].max() / 255)
            wanted = not question.boxes or any(box.overlap(each) > 0 for each in question.boxes)
            if wanted and score >= least:
                logits = np.where(inside, image - self._threshold, -50).astype(np.float32) / 10
                instances.append(Instance(logits=logits, box=box, score=score))
        instances.sort(key=lambda each: -each.score)
        presence = max((each.score for each in instances), default=0.1)
        return SliceAnswer(presence=presence, instances=tuple(instances))


class BrightTracker:
    """Stands for a tracker: what is bright and overlaps with the image before, scored by light."""

    weights_sha256 = "cd" * 32

    def __init__(self, threshold: float = 128.0) -> None:
        self._threshold = threshold
        self.seen: list[int] = []

    def missing(self) -> str | None:
        """Nothing is."""
        return None

    def track(
        self,
        key: Key,
        order: Sequence[int],
        count: int,
        embedded: Callable[[int], Embedding],
    ) -> Iterator[Tracked]:
        """Yield what overlaps with the last image on which anything did."""
        assert max(order) < count
        before = key.inside
        for index in order:
            self.seen.append(index)
            image = embedded(index).features.astype(np.float32)
            labels, _ = ndimage.label(image > self._threshold)
            touched = np.setdiff1d(np.unique(labels[before]), 0)
            inside = np.isin(labels, touched)
            logits = np.where(inside, image - self._threshold, -50.0).astype(np.float32) / 10
            yield Tracked(index=index, logits=logits, score=0.9 if inside.any() else 0.1)
            before = inside if inside.any() else before


class EllipsoidSegmenter:
    """Answers every box with its ellipsoid: an engine for tests of what comes after one."""

    @property
    def capabilities(self) -> Capabilities:
        """Boxes on anything."""
        return Capabilities(name="ellipsoid", version="1.0.0", prompts=frozenset({"box"}))

    def supports(self, volume: Volume, prompt: Prompt) -> str | None:  # noqa: ARG002 - the port's
        """Return None when there is a positive box."""
        unknown = not_taken("the ellipsoid", self.capabilities.prompts, prompt)
        if unknown is not None or any(box.positive for box in prompt.boxes):
            return unknown
        return "I need a box on one slice"

    def open(self, volume: Volume) -> CheckedSession:
        """Prepare to answer prompts."""
        return CheckedSession(self, volume, self._answer)

    def _answer(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Segment]:
        progress(0.5, "drawing")
        target = target_of(prompt, volume.grid)
        voxels = np.array(ellipsoid(target, volume.grid).voxels)
        target.exclude(voxels)
        yield Segment(
            mask=Mask(voxels=voxels, grid=volume.grid),
            concept=prompt.concept,
            provenance=Provenance(
                engine="ellipsoid",
                version="1.0.0",
                algorithm_type=AlgorithmType.SEMIAUTOMATIC,
                prompt=target.in_words(),
            ),
            absent_reason=None if voxels.any() else "the box was excluded",
            is_proposal=not target.is_range_given,
        )
