from datetime import date

import pytest
from pydicom.dataset import Dataset

from dicom_node.priors import Match, PriorRules, StudyFound, choose_priors
from dicom_node.queries import dicom_date, study_found
from domain.errors import InputError


def study(uid, on="2024-06-01", modalities="CT", body_parts="CHEST", **named):
    return StudyFound(
        study_instance_uid=uid,
        patient_id=named.pop("patient_id", "P1"),
        study_date=date.fromisoformat(on) if on else None,
        modalities=frozenset(modalities.split()),
        body_parts=frozenset(body_parts.split()),
        **named,
    )


CURRENT = study("1", "2025-01-01", issuer="A", birth_date="19500101")


def chosen(*found, rules=None, current=CURRENT):
    choices = choose_priors(current, found, rules or PriorRules(most=9))
    return [each.study.study_instance_uid for each in choices if each.chosen]


def why(found, current=CURRENT, **rules):
    [choice] = choose_priors(current, [found], PriorRules(**rules))
    return choice.says


def test_those_that_share_more_come_first_and_then_the_newer():
    assert chosen(
        study("2", "2023-01-01", "CT", "ABDOMEN"),
        study("3", "2022-01-01", "CT", "CHEST"),
        study("4", "2024-01-01", "CR", "CHEST"),
        study("5", "2021-01-01", "CT", "CHEST"),
    ) == ["3", "5", "4", "2"]


def test_no_more_than_asked_for_and_the_rest_says_so():
    choices = choose_priors(
        CURRENT, [study("2", "2024-01-01"), study("3", "2023-01-01")], PriorRules(most=1)
    )
    assert [(each.study.study_instance_uid, each.chosen) for each in choices] == [
        ("2", True),
        ("3", False),
    ]
    assert choices[1].says == "beyond the first 1"


@pytest.mark.parametrize(
    "other",
    [
        {"patient_id": "P2"},
        {"patient_id": "p1"},
        {"patient_id": ""},
        {"patient_id": "P*"},
        {"issuer": "B"},
        {"birth_date": "19510101"},
    ],
)
def test_another_patient_is_never_chosen(other):
    assert why(study("2", **other)) == "another patient"


def test_what_the_archive_does_not_give_does_not_tell_patients_apart():
    assert chosen(study("2", issuer="", birth_date="")) == ["2"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (study("1"), "the current study itself"),
        (study("2", "2025-01-02"), "later than the current study"),
        (study("2", "2019-12-31"), "more than 5 years earlier"),
        (study("2", None), "no study date"),
        (study("2", modalities="SR SEG"), "no images"),
        (study("2", modalities="MR", body_parts="KNEE"), "shares too little: nothing"),
        (study("2", modalities="MR", body_parts=""), "shares too little: nothing"),
    ],
)
def test_what_is_no_prior_says_why(found, reason):
    assert why(found) == reason


def test_a_study_of_the_same_day_is_a_prior():
    assert chosen(study("2", "2025-01-01")) == ["2"]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match.EITHER, ["both", "modality", "part"]),
        (Match.MODALITY, ["both", "modality"]),
        (Match.BODY_PART, ["both", "part"]),
        (Match.BOTH, ["both"]),
    ],
)
def test_what_must_be_shared_is_a_setting(match, expected):
    found = (
        study("part", "2023-01-01", "MR", "CHEST"),
        study("modality", "2024-01-01", "CT", "KNEE"),
        study("both", "2022-01-01"),
    )
    assert chosen(*found, rules=PriorRules(most=9, match=match)) == expected


def test_a_derived_object_in_both_is_not_a_shared_modality():
    current = study("1", "2025-01-01", "CT SR", "CHEST")
    assert why(study("2", modalities="MR SR", body_parts="KNEE"), current).startswith("shares too")


def test_asked_by_patient_alone_the_newest_come():
    anyone = study("", "2025-01-01", "", "")
    found = (study("2", "2022-01-01", "MR", "KNEE"), study("3", "2024-01-01", "CR", ""))
    assert chosen(*found, current=anyone) == ["3", "2"]


@pytest.mark.parametrize("broken", [study("1", patient_id=""), study("1", None)])
def test_a_current_study_without_identity_or_date_has_no_priors(broken):
    with pytest.raises(InputError):
        choose_priors(broken, [], PriorRules())


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20240601", date(2024, 6, 1)),
        ("2024.06.01", date(2024, 6, 1)),
        ("", None),
        ("20241301", None),
        ("2024", None),
        ("20240101-20241231", None),
    ],
)
def test_dates_of_both_forms_are_read_and_others_are_none(text, day):
    assert dicom_date(text) == day


def test_an_answer_becomes_plain_data_with_the_body_parts_of_its_series():
    answer, one, two = Dataset(), Dataset(), Dataset()
    answer.StudyInstanceUID, answer.PatientID, answer.StudyDate = "1.2", "P1 ", "20240601"
    answer.ModalitiesInStudy = ["CT", "SR"]
    one.BodyPartExamined, one.Modality = "CHEST", "CT"
    two.BodyPartExamined, two.Modality = "", "PT"
    found = study_found(answer, (one, two))
    assert (found.study_date, found.patient_id) == (date(2024, 6, 1), "P1")
    assert found.modalities == {"CT", "SR", "PT"}
    assert found.body_parts == {"CHEST"}
    assert "P1" not in repr(found)
