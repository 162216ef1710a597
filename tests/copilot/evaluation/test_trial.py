"""Cases answered, absent, refused and failed: none is lost, and the means say what they count."""

import csv

import numpy as np
import pytest
import SimpleITK

from copilot.concepts import load_concepts
from copilot.evaluation.agreement import Agreement
from copilot.evaluation.cases import CaseEntry
from copilot.evaluation.chart import write_chart
from copilot.evaluation.records import write_csv
from copilot.evaluation.summary import summarised
from copilot.evaluation.table import table_lines
from copilot.evaluation.trial import CaseResult, Hands, Run, Status, evaluated
from domain.errors import ModelMissingError
from domain.ports import Capabilities, EngineContext
from segmentation.plugins import default
from tests.phantoms import ct, ellipsoid, grid, series

CONCEPTS = load_concepts()


@pytest.fixture
def engine(tmp_path):
    """The default engine without its network: half-maximum and rules need no weights."""
    return default(EngineContext(models_folder=tmp_path / "none", concepts=CONCEPTS))


@pytest.fixture
def chest(tmp_path):
    """A solid ball in air, its series and its mask in a file; and a way to make cases of it."""
    on = grid(shape=(12, 64, 64), spacing_mm=(2.0, 1.0, 1.0))
    ball = ellipsoid(on, (8.0, 9.0, 10.0))
    files = series(tmp_path / "chest", ct(on, ball, hu=50.0, background=-850.0))
    image = SimpleITK.GetImageFromArray(ball.voxels.astype(np.uint8))
    image.SetSpacing((1.0, 1.0, 2.0))
    image.SetOrigin(on.affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(tmp_path / "ball.nrrd"))

    def case(name, **named):
        values = {"images": files[0].parent, "reference": tmp_path / "ball.nrrd"}
        return CaseEntry(name=name, **(values | {"concept": "lung lesion"} | named))

    return case


def test_one_bad_case_does_not_lose_the_others(engine, chest, tmp_path):
    cases = [
        chest("good"),
        chest("by name", gesture="text"),
        chest("gone", images=tmp_path / "nowhere"),
        chest("outside", box=[40, 1, 1, 5, 5]),
        chest("good too"),
    ]
    results = evaluated(cases, engine, CONCEPTS, Hands())
    assert [(r.name, r.status) for r in results] == [
        ("good", Status.OUTLINED),
        ("by name", Status.REFUSED),
        ("gone", Status.FAILED),
        ("outside", Status.FAILED),
        ("good too", Status.OUTLINED),
    ]
    assert results[0].runs[0].agreement.dice > 0.9
    assert results[0].runs[0].reference_ml == pytest.approx(results[0].runs[0].mask_ml, rel=0.15)
    assert "draw a box" in results[1].reason
    assert "do not exist" in results[2].reason
    assert "outside" in results[3].reason or "12 slices" in results[3].reason
    summary = summarised(results, seed=0)
    assert summary.counts == {
        Status.OUTLINED: 2,
        Status.ABSENT: 0,
        Status.REFUSED: 1,
        Status.FAILED: 2,
    }
    assert summary.means["dice"].cases == 2
    assert summary.means["dice"].interval is None


def test_an_absence_counts_as_nothing_found(engine, chest):
    (result,) = evaluated(
        [chest("no lungs here", concept="lung", gesture="text")], engine, CONCEPTS, Hands()
    )
    assert result.status is Status.ABSENT
    assert result.reason
    (run,) = result.runs
    assert (run.agreement.dice, run.agreement.volume_error) == (0, -1)
    assert run.plain is None


def test_jitters_are_seeded_and_each_case_counts_once(engine, chest):
    cases = [chest("good")]
    once, again = (evaluated(cases, engine, CONCEPTS, Hands(jitters=3, seed=4)) for _ in range(2))
    other = evaluated(cases, engine, CONCEPTS, Hands(jitters=3, seed=5))
    plain = [[run.plain.dice for run in results[0].runs] for results in (once, again, other)]
    assert len(plain[0]) == 3
    assert plain[0] == plain[1]
    assert plain[0] != plain[2]
    assert summarised(once, seed=0).means["dice"].cases == 1


def test_missing_weights_end_the_evaluation_since_no_case_could_be_answered(engine, chest):
    with pytest.raises(ModelMissingError):
        evaluated([chest("liver", concept="liver")], engine, CONCEPTS, Hands())


class BrokenEngine:
    """An engine of someone else that breaks down on every image."""

    capabilities = Capabilities(name="broken", version="1", prompts=frozenset())

    def supports(self, _volume, _prompt):
        return None

    def open(self, _volume):
        raise ZeroDivisionError("by a fault of its own")


def test_an_engine_that_breaks_down_fails_its_case_with_its_own_words(chest):
    results = evaluated([chest("one"), chest("two")], BrokenEngine(), CONCEPTS, Hands())
    assert {result.status for result in results} == {Status.FAILED}
    assert "ZeroDivisionError: by a fault of its own" in results[0].reason


def test_a_concept_that_is_not_in_the_table_is_noted(engine, chest):
    (result,) = evaluated(
        [chest("typo", concept="livr", gesture="text")], engine, CONCEPTS, Hands()
    )
    assert result.status is Status.REFUSED
    (result,) = evaluated([chest("other name", concept="ball")], engine, CONCEPTS, Hands())
    assert any("'ball' is not in the concept table" in note for note in result.notes)


def made(name, dice, plain=0.5, volume_error=0.1):
    ours, other = (
        Agreement(dice=value, surface_dice=value, hd95_mm=2.0, volume_error=volume_error)
        for value in (dice, plain)
    )
    run = Run(agreement=ours, plain=other, cpu_s=1.0, wall_s=1.0, engine="made 1")
    return CaseResult(name=name, status=Status.OUTLINED, runs=(run,))


def test_the_interval_holds_the_mean_and_is_the_same_every_time():
    results = [made(str(n), 0.6 + 0.05 * n) for n in range(6)]
    one, again = (summarised(results, seed=3).means["dice"] for _ in range(2))
    assert one == again
    assert one.value == pytest.approx(0.725)
    assert one.interval[0] < one.value < one.interval[1]
    # the standard error of six cases is 0.0349 (population), so 95 % is about 0.068 either side
    assert one.interval[1] - one.interval[0] == pytest.approx(2 * 1.96 * 0.0349, rel=0.08)


def test_equal_cases_have_an_interval_of_no_width():
    results = [made(str(n), 0.8) for n in range(5)]
    assert summarised(results, seed=0).means["dice"].interval == pytest.approx((0.8, 0.8))
    assert summarised(results, seed=0).dice_gain.value == pytest.approx(0.3)


def test_volume_errors_to_both_sides_do_not_cancel():
    results = [made("a", 0.8, volume_error=0.2), made("b", 0.8, volume_error=-0.2)]
    assert summarised(results, seed=0).means["absolute_volume_error"].value == pytest.approx(0.2)


def test_below_five_cases_the_table_says_so():
    results = [made(str(n), 0.8) for n in range(4)]
    lines = "\n".join(table_lines(results, summarised(results, seed=0)))
    assert "too few cases" in lines
    assert " to " not in lines.split("mean over cases")[1].split("Intervals")[0]


def test_the_file_has_a_line_for_each_run_and_for_each_case_without_one(tmp_path):
    failed = CaseResult(name="bad, worse", status=Status.FAILED, reason='a "reason"')
    path = write_csv([made("good", 0.8125), failed], tmp_path / "new" / "cases.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["status"], row["dice"]) for row in rows] == [
        ("good", "outlined", "0.8125"),
        ("bad, worse", "failed", ""),
    ]
    assert rows[0]["volume_error_percent"] == "10.0"
    assert rows[1]["reason"] == 'a "reason"'


def test_the_chart_has_a_row_for_each_case_whatever_its_name(tmp_path):
    results = [made("a $dollar_{ case", 0.8), CaseResult(name="bad", status=Status.FAILED)]
    few = write_chart(results, "default", tmp_path / "few.png")
    many = write_chart(results * 20, "default", tmp_path / "many.png")
    heights = [SimpleITK.ReadImage(str(path)).GetSize()[1] for path in (few, many)]
    assert heights[1] > heights[0] + 38 * 20
