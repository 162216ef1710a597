"""The command line as a user meets it: one JSON document, one line of error, the right status."""

import json
import socket
import subprocess
import time
import wave
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest

from copilot.demo.orthanc import free_port
from copilot.evaluation.agreement import dice
from copilot.evaluation.gestures import range_of, tight_box
from dicom_node.seg_reader import read_segmentation
from dicom_node.volumes import load_series
from tests.phantoms import ct, ellipsoid, grid, series
from tests.reporting.exports.readers import csv_numbers, fhir_numbers, hl7_numbers, pdf_pages


@pytest.fixture
def chest(tmp_path):
    """A solid ball in air, as a CT series, and the box a reader would draw."""
    on = grid(shape=(12, 64, 64), spacing_mm=(2.0, 1.0, 1.0))
    ball = ellipsoid(on, (8.0, 9.0, 10.0))
    files = series(tmp_path / "chest", ct(on, ball, hu=50.0, background=-850.0))
    box, slices = tight_box(ball), range_of(ball)
    options = [
        "--box",
        f"{box.slice_start},{box.row_start},{box.column_start},{box.row_stop},{box.column_stop}",
        "--slices",
        f"{slices[0]}:{slices[1]}",
    ]
    return files, ball, options


def one_line(run, status):
    assert run.returncode == status, run.stderr
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("radcopilot: ")
    return lines[0]


def test_ask_writes_seg_sr_and_draft_and_prints_one_document(radcopilot, chest, tmp_path):
    files, ball, options = chest
    run = radcopilot(
        "ask",
        files[0].parent,
        "segment the lung lesion and measure its volume",
        *options,
        "--output",
        "out",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["command"] == {
        "action": "segment",
        "concept": "lung lesion",
        "measures": ["volume"],
    }
    assert set(document["files"]) == {"seg", "sr", "draft_md", "draft_html", "outline_1"}
    volume = load_series(files)
    found = read_segmentation(tmp_path / "out" / "seg.dcm", volume.grid).segments[0].mask
    assert dice(found, ball.on(volume.grid)) > 0.9
    [mask] = document["masks"]
    assert mask["voxels"] == found.voxel_count
    by_name = {each["name"]: each for each in document["measurements"]}
    assert by_name["volume"]["value"] == pytest.approx(found.voxel_count * 2.0 / 1000)
    assert by_name["volume"]["unit"] == "ml"
    confidence = mask["confidence"]
    assert confidence["agreement"] > 0.9
    assert confidence["jitter_stability"] > 0.9
    assert confidence["window_stability"] is None
    assert confidence["main_slice"] in range(*mask["slices"])
    assert confidence["words"]
    assert {"load", "segment", "measure", "write"} <= set(document["timings_s"])
    assert "DRAFT" in (tmp_path / "out" / "draft.md").read_text()
    sr = pydicom.dcmread(tmp_path / "out" / "sr.dcm")
    assert str(pydicom.dcmread(tmp_path / "out" / "seg.dcm").SOPInstanceUID) in str(sr)


def test_ask_writes_a_fhir_bundle_of_its_numbers_where_it_is_wanted(radcopilot, chest, tmp_path):
    files, _, options = chest
    run = radcopilot(
        "ask",
        files[0].parent,
        "segment the left lung lesion and measure its volume",
        *options,
        "--fhir",
        "--output",
        "out",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["files"]["fhir"] == str(tmp_path / "out" / "report.fhir.json")
    bundle = json.loads((tmp_path / "out" / "report.fhir.json").read_text())
    quantities = [
        each["resource"]["valueQuantity"]
        for each in bundle["entry"]
        if "valueQuantity" in each["resource"]
    ]
    assert [(each["value"], each["code"]) for each in quantities] == [
        (each["value"], each["unit"]) for each in document["measurements"]
    ]


def test_ask_writes_its_report_in_every_format_with_the_same_numbers(radcopilot, chest, tmp_path):
    files, _, options = chest
    formats = ("text", "markdown", "html", "pdf", "csv", "hl7", "fhir")
    run = radcopilot(
        "ask",
        files[0].parent,
        "segment the left lung lesion and measure its volume",
        *options,
        *(part for name in formats for part in ("--export", name)),
        "--output",
        "out",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    made = {name: Path(document["files"][name]).read_bytes() for name in formats}
    assert {Path(document["files"][name]).name for name in formats} == {
        *(f"report.{ending}" for ending in ("txt", "md", "html", "pdf", "csv", "hl7")),
        "report.fhir.json",
    }
    wanted = [(each["value"], each["unit"]) for each in document["measurements"]]
    for read, name in ((csv_numbers, "csv"), (hl7_numbers, "hl7"), (fhir_numbers, "fhir")):
        assert [(value, unit) for *_, value, unit in read(made[name])] == wanted, name
        assert {side for _, side, *_ in read(made[name])} == {"left"}, name
    assert all("DRAFT" in page for page in pdf_pages(made["pdf"]))
    assert all(made[name].count(b"DRAFT") >= 2 for name in ("text", "markdown", "html", "hl7"))
    assert b"data:image/png" in made["html"]


def test_a_format_that_is_not_there_is_named_before_any_work(radcopilot, chest, tmp_path):
    files, _, _ = chest
    run = radcopilot("ask", files[0].parent, "segment the liver", "--export", "docx")
    assert "no format 'docx': it has text, markdown, html, pdf, csv, hl7, fhir" in one_line(run, 2)


def test_a_refusal_is_an_answer_with_what_would_help(radcopilot, chest):
    files, _, _ = chest
    run = radcopilot("ask", files[0].parent, "segment the pancreas", "--output", "o", "--json")
    line = one_line(run, 2)
    assert "pancreas" in line
    assert "box" in line
    document = json.loads(run.stdout)
    assert document["masks"] == []
    assert document["refusals"]
    assert document["files"] == {}


def test_what_is_not_understood_comes_back_as_a_question(radcopilot, chest):
    files, _, _ = chest
    run = radcopilot("ask", files[0].parent, "make me a sandwich", "--json")
    document = json.loads(run.stdout)
    assert run.returncode == 0
    assert document["command"]["action"] == "question"
    assert document["masks"] == []


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--box", "1,2,3", "SLICE,ROW0,COL0,ROW1,COL1"),
        ("--box", "99,1,1,5,5", "12 slices"),
        ("--box", "2,9,1,5,5", "encloses nothing"),
        ("--slices", "5", "A:B"),
        ("--point", "1,2,x", "SLICE,ROW,COL"),
        ("--engine", "magic", "no engine is called 'magic'"),
    ],
)
def test_a_wrong_hint_is_named_with_the_right_form(radcopilot, chest, option, value, named):
    files, _, _ = chest
    run = radcopilot("ask", files[0].parent, "measure this lesion", option, value, "--json")
    assert named in one_line(run, 2)
    assert run.stdout == ""


def test_garbage_among_the_images_is_named(radcopilot, chest):
    files, _, options = chest
    (files[0].parent / "note.dcm").write_text("not an image")
    run = radcopilot("ask", files[0].parent, "measure this lesion", *options)
    assert "note.dcm" in one_line(run, 2)


def test_a_truncated_image_is_named_and_left_alone(radcopilot, chest):
    files, _, options = chest
    files[4].write_bytes(files[4].read_bytes()[:-300])
    kept = files[4].read_bytes()
    run = radcopilot("ask", files[0].parent, "measure this lesion", *options)
    assert files[4].name in one_line(run, 2)
    assert files[4].read_bytes() == kept


def test_a_single_slice_has_diameters_but_no_volume(radcopilot, chest, tmp_path):
    files, _, options = chest
    run = radcopilot(
        "ask",
        files[5],
        "measure this lesion",
        "--box",
        f"0,{options[1].split(',', 1)[1]}",
        "--output",
        "single",
        "--json",
    )
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    names = {each["name"] for each in document["measurements"]}
    assert "volume" not in names
    assert {"long_axis", "short_axis"} <= names
    assert any("no volume" in warning for warning in document["warnings"])


def test_measure_prints_a_seg_of_another_tool(radcopilot, shared_data):
    folder = shared_data / "zoo" / "dcmqi_liver"
    for source in ([], ["--source", folder / "ct"]):
        run = radcopilot("measure", folder / "seg_liver.dcm", *source, "--json")
        assert run.returncode == 0, run.stderr
        [segment] = json.loads(run.stdout)["segments"]
        assert segment["volume_ml"] == pytest.approx(70.3619, abs=1e-3)


def test_measure_and_ask_give_the_same_numbers(radcopilot, chest, tmp_path):
    files, _, options = chest
    folder = files[0].parent
    run = radcopilot("ask", folder, "measure this lesion", *options, "--output", "out", "--json")
    assert run.returncode == 0, run.stderr
    asked = json.loads(run.stdout)
    seg = tmp_path / "out" / "seg.dcm"
    run = radcopilot("measure", seg, "--source", folder, "--json")
    assert run.returncode == 0, run.stderr
    [segment] = json.loads(run.stdout)["segments"]
    shown = [{key: each[key] for key in each if key != "text"} for each in segment["measurements"]]
    assert shown == asked["measurements"]
    [mask] = asked["masks"]
    assert segment["statistics"] == mask["statistics"]
    assert segment["not_measured"] == mask["not_measured"]
    by_name = {each["name"]: each for each in shown}
    assert {"volume", "maximum_3d_diameter", "surface_area", "sphericity"} <= set(by_name)
    assert by_name["volume"]["uncertainty_95"] > 0
    run = radcopilot("measure", seg, "--json")
    [alone] = json.loads(run.stdout)["segments"]
    names = {each["name"] for each in alone["measurements"]}
    assert names == {name for name in by_name if "attenuation" not in name}


def test_measure_gives_one_marked_slice_an_area_and_says_why_no_volume(radcopilot, chest, tmp_path):
    files, _, options = chest
    folder = files[0].parent
    one = options[1].split(",", 1)
    flat = ("--box", options[1], "--slices", f"{one[0]}:{int(one[0]) + 1}")
    run = radcopilot("ask", folder, "measure this lesion", *flat, "--output", "out", "--json")
    assert run.returncode == 0, run.stderr
    run = radcopilot("measure", tmp_path / "out" / "seg.dcm", "--source", folder, "--json")
    [segment] = json.loads(run.stdout)["segments"]
    names = {each["name"] for each in segment["measurements"]}
    assert "area" in names
    assert "volume" not in names
    assert segment["volume_ml"] is None
    assert any("no volume" in warning for warning in segment["warnings"])


def test_measuring_without_a_selection_says_what_to_do(radcopilot, chest):
    files, _, _ = chest
    run = radcopilot("ask", files[0].parent, "measure this lesion", "--json")
    assert "draw a box" in one_line(run, 2)


def wav(path, samples, rate=16000):
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes((np.asarray(samples) * 32000).astype("<i2").tobytes())
    return path


def test_a_recording_without_speech_is_named(radcopilot, models_folder, tmp_path):
    silence = wav(tmp_path / "silence.wav", np.zeros(16000 * 2))
    run = radcopilot("transcribe", silence, "--json")
    line = one_line(run, 2)
    assert "no speech" in line
    assert run.stdout == ""


def test_what_is_no_recording_is_named(radcopilot, tmp_path):
    (tmp_path / "words.wav").write_text("not a recording")
    assert "words.wav" in one_line(radcopilot("transcribe", tmp_path / "words.wav"), 2)


def test_a_recording_at_8_khz_is_understood(radcopilot, models_folder, pytestconfig, tmp_path):
    source = pytestconfig.rootpath / "copilot/demo/recordings/measure_this_lesion.wav"
    with wave.open(str(source)) as stream:
        samples = np.frombuffer(stream.readframes(stream.getnframes()), "<i2") / 32768
    slow = wav(tmp_path / "slow.wav", samples[::2], rate=8000)
    run = radcopilot("transcribe", slow, "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["command"]["action"] == "measure"


def test_an_unknown_key_in_the_settings_is_named(radcopilot, tmp_path):
    (tmp_path / "site.toml").write_text("[node]\nprot = 104\n")
    assert "node.prot" in one_line(radcopilot("check", "--config", "site.toml"), 2)


def test_a_busy_port_is_named_with_its_remedy(radcopilot, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "site.toml").write_text(f"[node]\nport = {port}\n")
        run = radcopilot("serve", "--config", "site.toml")
    line = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1
    assert str(port) in line
    assert "[node] port" in line


def test_check_says_what_is_missing_and_how_to_mend_it(radcopilot, tmp_path):
    (tmp_path / "site.toml").write_text(
        '[storage]\nmodels_folder = "nothing"\n[node]\nport = 0\n[web]\nport = 0\n'
        '[[peers]]\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 9\n'
    )
    run = radcopilot("check", "--config", "site.toml")
    assert run.returncode == 1
    assert "FAIL model litemedsam: litemedsam is not installed: run" in run.stdout
    assert "FAIL peer PACS" in run.stdout
    assert "ok   storage" in run.stdout


def test_missing_weights_are_named_with_the_command_that_brings_them(radcopilot, tmp_path, chest):
    files, _, options = chest
    (tmp_path / "site.toml").write_text('[storage]\nmodels_folder = "nothing"\n')
    run = radcopilot(
        "ask", files[0].parent, "segment the liver lesion", *options, "--config", "site.toml"
    )
    assert "radcopilot models install" in one_line(run, 1)


def test_help_and_wrong_commands(radcopilot):
    assert "transcribe" in radcopilot("--help").stdout
    assert "No such command" in one_line(radcopilot("frobnicate"), 2)
    assert "path" in one_line(radcopilot("ask"), 2).lower()


def test_the_server_answers_and_ends_cleanly_when_told_to(tmp_path, tool):
    settings = '[storage]\nfolder = "site"\n[node]\nport = 0\n[web]\nport = '
    port = free_port()
    (tmp_path / "site.toml").write_text(f"{settings}{port}\n")
    server = subprocess.Popen(
        [tool("radcopilot"), "serve", "--config", "site.toml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        with httpx.Client(trust_env=False, transport=httpx.HTTPTransport(retries=0)) as client:
            for _ in range(300):
                try:
                    health = client.get(f"http://127.0.0.1:{port}/health").json()
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
        assert health["node"]["ae_title"] == "RADCOPILOT"
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert server.returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--base sam3.pt"),
        (("--base", "sam3.pt"), "--lora"),
        (("--base", "a", "--lora", "b", "--tiny-random"), "--tiny-random alone"),
    ],
    ids=["nothing", "half", "too much"],
)
def test_medsam3_is_installed_from_both_files_or_as_random_numbers(
    radcopilot, tmp_path, options, says
):
    (tmp_path / "site.toml").write_text('[storage]\nmodels_folder = "models"\n')
    run = radcopilot("models", "install", "medsam3", *options, "--config", "site.toml")
    assert says in one_line(run, 2)
