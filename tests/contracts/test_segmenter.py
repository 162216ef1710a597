"""What every segmenter promises, run over all of them, fakes included."""

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest

from copilot.concepts import load_concepts
from domain.errors import Cancelled, CannotDoError, PromptError
from domain.ports import Segmenter, no_progress
from domain.prompt import Box, Line, Point, Prompt, Scribble
from domain.volume import Volume
from segmentation.lung.half_maximum import HalfMaximumSegmenter
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.organs.anatomy import Anatomy
from segmentation.organs.growing import Absent, Found
from segmentation.organs.segmenter import FoundOrganSegmenter
from segmentation.routing import Engines, Router
from segmentation.rules.lungs_and_body import body_rule, lungs_rule
from segmentation.rules.tissues import air_rule, fat_rule
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from tests.contracts.segmenters import (
    AIR_HU,
    TISSUE_HU,
    BrightNetwork,
    BrightTracker,
    BrightWords,
    EllipsoidSegmenter,
    chest,
    small_table,
)

BY_NAME = load_concepts()

LESION_BOX = Box.on_slice(11, (42, 51), (86, 95))


def _router() -> Router:
    concepts = small_table()
    return Router(
        "default",
        "1.0.0",
        concepts,
        Engines(
            by_route={"lungs": lungs_rule(concepts), "body": body_rule(concepts)},
            solid_lung_lesion=HalfMaximumSegmenter(),
            boxed=SlicewiseSegmenter(BrightNetwork(), concepts),
        ),
    )


def _lesion_finder(anatomy: Anatomy, side: str | None) -> dict[str | None, Found | Absent]:
    """Find what is dense among the lung."""
    near = (anatomy.front_mm > 40) & (anatomy.front_mm < 90)
    near &= (anatomy.left_mm > 40) & (anatomy.left_mm < 90)
    near[:9] = near[14:] = False
    return {None: Found(voxels=near & (anatomy.values > -400), level_hu=TISSUE_HU)}


@dataclass(frozen=True, kw_only=True)
class Example:
    engine: Segmenter
    supported: Prompt
    refused: Prompt


KINDS = {"text", "box", "point", "line", "scribble", "mask"}
LINE = Line(slice_index=11, start=(46.0, 86.0), stop=(46.0, 94.0))
SCRIBBLE = Scribble(slice_index=11, path=((44.0, 88.0), (48.0, 92.0)))

BOXED = Prompt(concept="lung lesion", boxes=(LESION_BOX,), slice_range=(9, 14))
LINED = Prompt(concept="lung lesion", lines=(LINE,), slice_range=(9, 14))
SCRIBBLED = Prompt(concept="lung lesion", scribbles=(SCRIBBLE,), slice_range=(9, 14))
CLICKED = Prompt(points=(Point(slice_index=11, row=46, column=90),), slice_range=(9, 14))
PANCREAS = Prompt(concept="pancreas")
EXAMPLES = {
    "ellipsoid": Example(engine=EllipsoidSegmenter(), supported=BOXED, refused=PANCREAS),
    "half-maximum": Example(engine=HalfMaximumSegmenter(), supported=BOXED, refused=PANCREAS),
    "half-maximum, clicked": Example(
        engine=HalfMaximumSegmenter(), supported=CLICKED, refused=PANCREAS
    ),
    "half-maximum, a line": Example(
        engine=HalfMaximumSegmenter(), supported=LINED, refused=PANCREAS
    ),
    "slicewise, a line": Example(
        engine=SlicewiseSegmenter(BrightNetwork(), small_table()),
        supported=LINED,
        refused=PANCREAS,
    ),
    "slicewise, scribbled": Example(
        engine=SlicewiseSegmenter(BrightNetwork(), small_table()),
        supported=SCRIBBLED,
        refused=PANCREAS,
    ),
    "router, a line": Example(engine=_router(), supported=LINED, refused=PANCREAS),
    "router, scribbled": Example(engine=_router(), supported=SCRIBBLED, refused=PANCREAS),
    "router, clicked": Example(engine=_router(), supported=CLICKED, refused=PANCREAS),
    "slicewise": Example(
        engine=SlicewiseSegmenter(BrightNetwork(), small_table()),
        supported=BOXED,
        refused=PANCREAS,
    ),
    "slicewise, clicked": Example(
        engine=SlicewiseSegmenter(BrightNetwork(), small_table()),
        supported=CLICKED,
        refused=PANCREAS,
    ),
    "lungs": Example(
        engine=lungs_rule(small_table()), supported=Prompt(concept="lung"), refused=PANCREAS
    ),
    "fat": Example(engine=fat_rule(BY_NAME), supported=Prompt(concept="fat"), refused=PANCREAS),
    "air": Example(engine=air_rule(BY_NAME), supported=Prompt(concept="air"), refused=PANCREAS),
    "found organ": Example(
        engine=FoundOrganSegmenter(
            "solid-lung-lesion",
            small_table(),
            _lesion_finder,
            SlicewiseSegmenter(BrightNetwork(), small_table()),
        ),
        supported=Prompt(concept="lung lesion"),
        refused=PANCREAS,
    ),
    "body": Example(
        engine=body_rule(small_table()), supported=Prompt(concept="body"), refused=PANCREAS
    ),
    "words": Example(
        engine=MedSam3Segmenter(BrightWords(100.0), small_table()),
        supported=Prompt(concept="lung lesion"),
        refused=Prompt(concept="lung", side="left"),
    ),
    "words, boxed": Example(
        engine=MedSam3Segmenter(BrightWords(100.0), small_table()),
        supported=BOXED,
        refused=Prompt(concept="lung", side="left"),
    ),
    "words, clicked": Example(
        engine=MedSam3Segmenter(BrightWords(100.0), small_table()),
        supported=replace(CLICKED, concept="lung lesion"),
        refused=CLICKED,
    ),
    "words, followed": Example(
        engine=MedSam3Segmenter(BrightWords(100.0), small_table(), tracker=BrightTracker(100.0)),
        supported=replace(BOXED, slice_range=None),
        refused=Prompt(concept="lung", side="left"),
    ),
    "router, boxed": Example(engine=_router(), supported=BOXED, refused=PANCREAS),
    "router, named": Example(engine=_router(), supported=Prompt(concept="lung"), refused=PANCREAS),
}


@pytest.fixture(params=EXAMPLES.values(), ids=EXAMPLES.keys())
def example(request: pytest.FixtureRequest) -> Example:
    return request.param


@pytest.fixture(scope="module")
def volume() -> Volume:
    """The chest, with a spine, fat under its skin and gas in the middle."""
    plain = chest()
    voxels = np.array(plain.voxels)
    voxels[:, 66:80, 58:70] = 400.0
    voxels[:, 86:88, 56:72] = -100.0
    voxels[8:14, 40:50, 60:66] = AIR_HU
    return replace(plain, voxels=voxels)


def _segments(example: Example, volume: Volume, prompt: Prompt):
    with example.engine.open(volume) as session:
        return list(session.segment([prompt], no_progress))


def test_it_is_a_segmenter_with_a_name(example):
    assert isinstance(example.engine, Segmenter)
    assert example.engine.capabilities.name
    assert example.engine.capabilities.prompts <= KINDS


def test_a_supported_prompt_is_answered_on_the_volumes_grid(example, volume):
    assert example.engine.supports(volume, example.supported) is None
    segments = _segments(example, volume, example.supported)
    assert segments
    for segment in segments:
        assert segment.mask.grid.matches(volume.grid)
        assert not segment.mask.is_empty
        assert segment.concept == example.supported.concept
        assert segment.provenance.engine
        assert segment.provenance.prompt


def test_signals_speak_of_slices_of_the_mask_and_of_hints_that_were_given(example, volume):
    for segment in _segments(example, volume, example.supported):
        told = segment.confidence
        if told is None:
            continue
        marked = set(segment.mask.slice_indices())
        assert set(told.weak_slices) <= marked
        assert told.main_slice is None or told.main_slice in marked
        if example.supported.is_text_only:
            assert told.jitter_stability is None
        if not example.supported.boxes:
            assert told.expected is None


def test_a_refusal_is_a_reason_that_says_what_would_help(example, volume):
    reason = example.engine.supports(volume, example.refused)
    assert reason is not None
    assert "box" in reason


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        ("line", Prompt(lines=(LINE,), slice_range=(9, 14))),
        ("scribble", Prompt(scribbles=(SCRIBBLE,), slice_range=(9, 14))),
    ],
)
def test_a_gesture_is_taken_or_refused_by_name(example, volume, kind, prompt):
    engine = example.engine
    takes = kind in engine.capabilities.prompts
    prompt = replace(prompt, concept=None if takes else example.supported.concept)
    if not takes:
        prompt = replace(prompt, boxes=example.supported.boxes, points=example.supported.points)
    reason = engine.supports(volume, prompt)
    if takes:
        assert reason is None
        (segment,) = _segments(example, volume, prompt)
        assert segment.mask.voxels[11, 46, 90]
    else:
        assert f"takes no {kind}" in reason
        assert "box" in reason


def test_what_is_not_supported_is_refused_before_any_work(example, volume):
    with example.engine.open(volume) as session, pytest.raises(CannotDoError):
        session.segment([example.supported, example.refused], no_progress)


@pytest.mark.parametrize(
    "outside",
    [
        {"boxes": (Box.on_slice(24, (0, 4), (0, 4)),)},
        {"boxes": (Box.on_slice(3, (90, 97), (0, 4)),)},
        {"points": (Point(slice_index=0, row=0, column=128),)},
        {"slice_range": (20, 25)},
        {"lines": (Line(slice_index=11, start=(46, 86), stop=(46, 127.6)),)},
        {"scribbles": (Scribble(slice_index=24, path=((4, 4),)),)},
    ],
    ids=[
        "box beyond the slices",
        "box beyond the rows",
        "click beside",
        "range beyond",
        "line beyond the columns",
        "scribble beyond the slices",
    ],
)
def test_a_hint_outside_the_volume_is_a_prompt_error(example, volume, outside):
    prompt = replace(example.supported, **outside)
    with example.engine.open(volume) as session, pytest.raises(PromptError):
        list(session.segment([prompt], no_progress))


def test_nothing_is_marked_outside_the_slice_range(example, volume):
    prompt = replace(example.supported, slice_range=(10, 13))
    for segment in _segments(example, volume, prompt):
        assert set(segment.mask.slice_indices()) <= {10, 11, 12}


def test_progress_is_told_in_order_up_to_the_end(example, volume):
    told: list[float] = []

    def progress(fraction: float, stage: str) -> None:
        assert stage
        told.append(fraction)

    with example.engine.open(volume) as session:
        list(session.segment([example.supported, example.supported], progress))
    assert told[0] < 0.5
    assert told[-1] == pytest.approx(1.0)
    assert told == sorted(told)


def test_cancelling_stops_the_work(example, volume):
    calls = 0

    def progress(fraction: float, stage: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Cancelled

    with example.engine.open(volume) as session, pytest.raises(Cancelled):
        list(session.segment([example.supported], progress))
    assert calls == 2


def test_the_same_prompt_gives_the_same_mask_and_leaves_the_image_alone(example, volume):
    before = volume.voxels.copy()
    first = _segments(example, volume, example.supported)
    second = _segments(example, volume, copy.deepcopy(example.supported))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.mask.voxels, other.mask.voxels)
    assert np.array_equal(volume.voxels, before)


def test_no_prompts_are_no_segments(example, volume):
    with example.engine.open(volume) as session:
        assert list(session.segment([], no_progress)) == []
