"""What the prior's report describes is found again on its images, or asked about; never guessed."""

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from copilot.candidates import Listed
from copilot.cli.main import run
from copilot.comparing.described import Described, described_in, found_again
from copilot.concepts import load_concepts
from copilot.intent.deixis import Context, resolved
from copilot.intent.grammar import SpokenGrammar
from copilot.settings import load_settings
from copilot.wiring.house import House
from dicom_node.files import dicom_files, headers
from dicom_node.volumes import load_series
from domain.command import QuestionCommand, ReportedCommand, Side, as_json
from domain.errors import CannotDoError
from domain.ports import no_progress
from reporting.reading.parser import read_text
from tests.bodies import Nodule, Patient, Pose, studied

TABLE = load_concepts()
GRAMMAR = SpokenGrammar(TABLE)
LEFT = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=8.2)
RIGHT = Nodule(centre=(-55.0, 5.0, -12.0), volume_ml=4.0)
ALSO_RIGHT = Nodule(centre=(-50.0, -20.0, 30.0), volume_ml=4.1)
MOVED = Pose(turn_deg=(1.0, 2.0, 4.0), shift_mm=(14.0, -22.0, 231.0))
SENTENCE = "measure the nodule described last year"


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A patient with one nodule in the left lung and two in the right; the left one doubles."""
    folder = tmp_path_factory.mktemp("described")
    then = Patient(seed=6, nodules=(LEFT, RIGHT, ALSO_RIGHT))
    now = Patient(seed=6, nodules=(replace(LEFT, volume_ml=16.4), RIGHT, ALSO_RIGHT))
    studied(folder / "prior", then.seen(spacing_mm=(2.5, 1.2, 1.2)), "20230101")
    studied(folder / "current", now.seen(MOVED, spacing_mm=(2.5, 1.2, 1.2)), "20230720")
    return folder


@pytest.fixture(scope="module")
def prior(studies):
    files = dicom_files(studies / "prior")
    return load_series(files), headers(files)


@pytest.fixture(scope="module")
def candidates():
    """Each side is looked through once."""
    home, seen = House(load_settings()), {}

    def found(volume, prompt):
        if prompt.side not in seen:
            seen[prompt.side] = home.analyst.candidates(volume, prompt, no_progress)
        return seen[prompt.side]

    return found


def image_of(prior, nodule):
    """Return the Instance Number of the image through a nodule's middle."""
    volume, found = prior
    index = round(float(volume.grid.to_index(np.array(nodule.centre))[0]))
    uid = volume.source.frames[index].sop_instance_uid
    (number,) = [int(each.InstanceNumber) for each in found if uid == each.SOPInstanceUID]
    return number


def place(volume, point):
    return volume.grid.to_lps_mm(np.array([point.slice_index, point.row, point.column]))


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        (SENTENCE, ("nodule", None)),
        ("measure the right lung nodule mentioned in the prior report", ("lung nodule", "right")),
        ("segment the left renal cyst reported previously", ("renal cyst", "left")),
        ("how big is the nodule described in the last report", ("nodule", None)),
        ("outline the liver lesion that was described last month", ("liver lesion", None)),
    ],
)
def test_sentences_that_mean_what_a_report_describes(sentence, command):
    found = GRAMMAR.parse(sentence)
    assert isinstance(found, ReportedCommand)
    assert (found.concept, found.side and found.side.value) == command
    assert as_json(found)["action"] == "reported"


def test_the_page_says_that_it_reads_no_reports():
    meant = resolved(GRAMMAR.parse(SENTENCE), SENTENCE, Context(), GRAMMAR)
    assert isinstance(meant.command, QuestionCommand)
    assert "--prior-report" in meant.command.text


@pytest.mark.parametrize(
    "sentence", ["measure the nodule", "compare with the prior study", "segment the left kidney"]
)
def test_other_sentences_mean_what_they_meant(sentence):
    assert not isinstance(GRAMMAR.parse(sentence), ReportedCommand)


def asked(text, **command):
    wanted = ReportedCommand(**{"concept": "nodule"} | command)
    return described_in(read_text(text, TABLE), wanted, TABLE)


def test_findings_and_impression_that_speak_of_one_nodule_are_one():
    found = asked(
        "FINDINGS: A 12 x 9 mm nodule in the right upper lobe (image 45).\n"
        "IMPRESSION: 12 mm nodule in the right upper lobe."
    )
    assert found.images[0].image == 45


def test_several_that_fit_are_asked_about_and_none_is_said():
    text = "A 12 mm nodule in the right upper lobe. An 8 mm nodule in the left lower lobe."
    question = asked(text)
    assert isinstance(question, QuestionCommand)
    assert len(question.choices) == 2
    assert asked(text, side=Side.LEFT).side == "left"
    with pytest.raises(CannotDoError, match="tells of no"):
        asked("No nodule. Left renal cyst, 3 cm.")


def sought(text, prior, candidates):
    volume, found = prior
    return found_again(asked(text), volume, found, candidates, TABLE)


def test_one_candidate_on_the_side_and_of_the_size_is_the_one(prior, candidates):
    found = sought("Nodule in the left lower lobe, 25 mm.", prior, candidates)
    assert isinstance(found, Described)
    (point,) = found.hints.points
    assert np.linalg.norm(place(prior[0], point) - np.array(LEFT.centre)) < 5
    assert "left lower lobe, 25 mm" in found.says


def test_an_image_number_tells_two_of_one_side_apart(prior, candidates):
    for nodule in (RIGHT, ALSO_RIGHT):
        text = f"Nodule in the right lung (image {image_of(prior, nodule)}), 20 mm."
        found = sought(text, prior, candidates)
        assert isinstance(found, Described)
        (point,) = found.hints.points
        assert np.linalg.norm(place(prior[0], point) - np.array(nodule.centre)) < 5


def test_two_on_the_side_are_asked_about(prior, candidates):
    question = sought("Nodule in the right lung, 20 mm.", prior, candidates)
    assert isinstance(question, QuestionCommand)
    assert len(question.choices) == 2
    assert all("--prior-point" in each for each in question.choices)
    assert "Nodule in the right lung, 20 mm." in question.text


def test_one_of_another_size_or_without_any_is_asked_about(prior, candidates):
    for text in ("Nodule in the left lung, 90 mm.", "Nodule in the left lung."):
        assert isinstance(sought(text, prior, candidates), QuestionCommand)


def test_what_is_not_on_its_image_is_said(prior, candidates):
    image = image_of(prior, RIGHT)
    text = f"Nodule in the left lung (image {image}), 20 mm."
    with pytest.raises(CannotDoError, match=r"no candidate .*--prior-point"):
        sought(text, prior, lambda *_: Listed(candidates=(), notes=()))
    volume, found = prior
    cyst = asked("Left renal cyst, 3 cm.", concept="renal cyst")
    with pytest.raises(CannotDoError, match="only nodules"):
        found_again(cyst, volume, found, candidates, TABLE)


def test_ask_follows_it_to_the_new_study_and_tells_the_quote(studies, tmp_path, capsys):
    report = tmp_path / "report.txt"
    report.write_text("FINDINGS: Nodule in the left lower lobe, 25 mm. No effusion.\n")
    status = run(
        [
            "ask", str(studies / "current"), SENTENCE, "--prior", str(studies / "prior"),
            "--prior-report", str(report), "--output", str(tmp_path), "--json",
        ]
    )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert status == 0
    (lesion,) = document["comparison"]["lesions"]
    assert lesion["verdict"] == "larger"
    assert '"Nodule in the left lower lobe, 25 mm."' in document["comparison"]["notes"][0]
    assert (tmp_path / "sr.dcm").is_file()
    assert pydicom.dcmread(tmp_path / "sr.dcm").Modality == "SR"


def test_ask_asks_where_several_fit(studies, tmp_path, capsys):
    report = tmp_path / "report.txt"
    report.write_text("FINDINGS: Nodule in the right lung, 20 mm.\n")
    arguments = ["ask", str(studies / "current"), SENTENCE, "--prior", str(studies / "prior")]
    arguments += ["--prior-report", str(report), "--output", str(tmp_path)]
    assert run([*arguments, "--json"]) == 0
    command = json.loads(capsys.readouterr().out)["command"]
    assert command["action"] == "question"
    assert len(command["choices"]) == 2
    assert not (tmp_path / "sr.dcm").exists()


def test_without_a_prior_or_its_report_the_remedy_is_said(studies, tmp_path, capsys):
    ask = ["ask", str(studies / "current"), SENTENCE, "--output", str(tmp_path)]
    assert run(ask) == 2
    assert "--prior" in capsys.readouterr().err
    assert run([*ask, "--prior", str(studies / "prior")]) == 2
    assert "--prior-report" in capsys.readouterr().err
