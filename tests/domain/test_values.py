import pytest
from pydicom.sr._concepts_dict import concepts

from domain import codes
from domain.codes import Code
from domain.command import (
    DeleteCommand,
    GotoCommand,
    Measure,
    MeasureCommand,
    SegmentCommand,
    Side,
    UndoCommand,
    as_json,
)
from domain.concepts import Concept, ConceptTable, Window
from domain.errors import InputError, PromptError, SettingsError
from domain.measurement import Measurement
from domain.prompt import Box, Point, Prompt
from domain.uids import checked_uid


def known_codes():
    found = {value for value in vars(codes).values() if isinstance(value, Code)}
    return sorted(found - {codes.MILLILITRE}, key=lambda code: code.meaning)  # not in pydicom's


@pytest.mark.parametrize("code", known_codes(), ids=lambda code: code.meaning)
def test_every_code_has_the_value_and_meaning_that_pydicom_prints(code):
    meanings = [
        entry[code.value][0] for entry in concepts[code.scheme].values() if code.value in entry
    ]
    assert code.meaning in meanings


def test_codes_are_equal_by_value_and_scheme_not_by_meaning():
    assert Code(value="1", scheme="SCT", meaning="a") == Code(value="1", scheme="SCT", meaning="b")
    assert Code(value="1", scheme="SCT", meaning="a") != Code(value="1", scheme="DCM", meaning="a")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_that_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="not a number"):
        Measurement(concept=codes.VOLUME, value=value, unit=codes.MILLILITRE)


def test_a_command_prints_its_action_and_the_keys_that_apply():
    command = SegmentCommand(concept=("kidney",), side=Side.LEFT, measures=(Measure.VOLUME,))
    assert as_json(command) == {
        "action": "segment",
        "concept": "kidney",
        "side": "left",
        "measures": ["volume"],
    }
    assert as_json(SegmentCommand(concept=("spleen", "pancreas"))) == {
        "action": "segment",
        "concept": ["spleen", "pancreas"],
        "measures": [],
    }
    assert as_json(MeasureCommand())["measures"] == ["diameter", "volume"]
    assert as_json(UndoCommand()) == {"action": "undo"}


def test_numbers_that_do_not_exist_are_refused():
    with pytest.raises(InputError):
        DeleteCommand(ordinal=0)
    with pytest.raises(InputError):
        GotoCommand(slice=-1)


@pytest.mark.parametrize(
    ("rows", "columns"), [((5, 5), (1, 3)), ((6, 5), (1, 3)), ((-1, 5), (1, 3))]
)
def test_a_box_that_encloses_nothing_is_refused(rows, columns):
    with pytest.raises(PromptError, match="encloses nothing"):
        Box.on_slice(3, rows, columns)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(boxes=(Box.on_slice(8, (1, 2), (1, 2)),)),
        Prompt(boxes=(Box.on_slice(1, (1, 25), (1, 2)),)),
        Prompt(points=(Point(slice_index=1, row=1, column=20),)),
        Prompt(slice_range=(2, 9)),
    ],
)
def test_hints_outside_the_volume_are_refused_with_its_size(prompt):
    with pytest.raises(PromptError, match="8 slices of 24 x 20"):
        prompt.check_inside((8, 24, 20))


@pytest.mark.parametrize("uid", ["", "1.2.a", "../etc/passwd", "1" * 65, "1..2", ".1"])
def test_what_is_no_uid_never_becomes_a_file_name(uid):
    with pytest.raises(InputError):
        checked_uid(uid, "SOP Instance UID")


def test_one_wording_cannot_mean_two_concepts():
    def concept(phrase, *synonyms):
        return Concept(
            phrase=phrase,
            synonyms=synonyms,
            category=codes.MORPHOLOGICALLY_ABNORMAL,
            code=codes.LESION,
        )

    with pytest.raises(SettingsError, match="mass"):
        ConceptTable.of([concept("renal mass", "mass"), concept("lung mass", "mass")])
    table = ConceptTable.of([concept("lung lesion", "pulmonary lesion")])
    assert table.find("Pulmonary lesion ").phrase == "lung lesion"
    assert table.find("lesion") is None


def test_a_window_has_a_width():
    with pytest.raises(SettingsError):
        Window(center=40, width=0)
    assert (Window(center=40, width=400).low, Window(center=40, width=400).high) == (-160, 240)
