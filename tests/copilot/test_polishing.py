import json

import pytest

from copilot.agent.endpoint import Endpoint
from copilot.polishing import Polisher, polisher_of
from copilot.settings import load_settings
from domain.errors import SettingsError
from domain.report import StudyContext
from reporting.language import language
from reporting.wording import described, summarised
from tests.copilot.agent.chat_server import Answer, chat_server, completion, failure
from tests.reporting.made import TABLE, finding

CONTEXT = StudyContext(patient_name="MILLER^ANNA", patient_id="PID77", accession_number="ACC9")
SAID = "Right kidney: volume 150.0 mL; long axis 112.0 mm."
BETTER = "The right kidney has a volume of 150.0 mL and a long axis of 112.0 mm."


def words(text):
    return completion({"role": "assistant", "content": text})


def polisher(endpoint: Endpoint, code: str = "en", timeout_s: float = 20.0) -> Polisher:
    return Polisher(endpoint=endpoint, words=language(code), table=TABLE, timeout_s=timeout_s)


def test_a_good_rewording_is_taken():
    with chat_server(words(BETTER)) as served:
        found = polisher(served.endpoint()).polished(SAID, CONTEXT)
    assert (found.text, found.refusal) == (BETTER, None)
    assert served.requests[0]["messages"][1] == {"role": "user", "content": SAID}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (BETTER.replace("150.0", "105.0"), "lost: number '150.0 ml'"),
        (BETTER.replace("right", "left"), "lost: side 'right'"),
        (BETTER.replace("kidney", "spleen"), "lost: finding or anatomy 'kidney'"),
        ("The right kidney has a volume of 150.0 mm and a long axis of 112.0 mL.", "mL|ml"),
        (f"{BETTER} No stone.", "added: negation 'no'"),
        ("I can't help with that.", "lost"),
    ],
)
def test_a_rewording_that_changes_a_fact_is_refused_with_the_fact(wrong, why):
    with chat_server(words(wrong)) as served:
        found = polisher(served.endpoint()).polished(SAID, CONTEXT)
    assert found.text == SAID
    assert any(part in (found.refusal or "") for part in why.split("|"))
    assert found.proposed == wrong


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (failure(500), "status 500"),
        (failure(401), "status 401"),
        (Answer(body=b"<html>no</html>"), "no chat completion"),
        (Answer(body=b'{"choices": []}'), "holds no choice"),
        (completion({"role": "assistant", "content": ""}), "refused, or said nothing"),
        (completion({"role": "assistant", "content": None, "refusal": "no"}), "refused"),
        (Answer(body=json.dumps({"choices": [], "x": "y" * 70_000}).encode()), "too long"),
    ],
)
def test_the_original_stands_when_the_endpoint_fails(answer, why):
    with chat_server(answer) as served:
        found = polisher(served.endpoint()).polished(SAID, CONTEXT)
    assert found.text == SAID
    assert why in (found.refusal or "")
    assert len(served.requests) == 1


def test_the_original_stands_when_no_answer_comes_in_time():
    with chat_server(Answer(body=words(BETTER).body, delay_s=1.5)) as served:
        found = polisher(served.endpoint(), timeout_s=0.2).polished(SAID, CONTEXT)
    assert (found.text, found.refusal) == (SAID, "the endpoint did not answer in time")


def test_the_original_stands_when_nobody_is_there():
    with chat_server() as served:
        gone = served.endpoint()
    found = polisher(gone).polished(SAID, CONTEXT)
    assert (found.text, found.refusal) == (SAID, "the endpoint can't be reached")


@pytest.mark.parametrize(
    "text",
    [
        "Mrs Miller has a liver cyst.",
        "Liver cyst, seen by Dr Okonkwo.",
        "Liver cyst since 2025-03-01.",
        "Liver cyst since 01.03.2025.",
        "Liver cyst, number 12345678.",
        "Anna: liver cyst.",
        "Liver cyst 77.",
        "",
        "No cyst. " * 200,
    ],
)
def test_no_text_that_may_hold_a_person_leaves(text):
    with chat_server(words(text)) as served:
        found = polisher(served.endpoint()).polished(text, CONTEXT)
    assert found.text == text
    assert found.refusal is not None
    assert "Okonkwo" not in found.refusal
    assert served.requests == []


def test_nothing_of_the_header_is_sent():
    with chat_server(words(BETTER)) as served:
        polisher(served.endpoint()).polished(SAID, CONTEXT)
    for part in ("miller", "anna", "pid77", "acc9"):
        assert part not in served.said().lower()


def test_our_own_sentences_may_leave_in_both_languages():
    with chat_server(words("x")) as served:
        for code in ("en", "de"):
            for each in TABLE.concepts:
                found = finding(each.phrase, "left" if each.paired else None)
                for say in (described, summarised):
                    text, _ = say(found, language(code))
                    answer = polisher(served.endpoint(), code)._why_it_stays(text, CONTEXT)
                    assert answer is None, text


def test_it_is_off_by_default_and_wants_an_endpoint(tmp_path):
    assert polisher_of(load_settings(), TABLE) is None
    site = tmp_path / "site.toml"
    site.write_text("[reporting]\npolish = true\n")
    with pytest.raises(SettingsError, match=r"agent\.endpoint is empty: name the endpoint"):
        polisher_of(load_settings(site), TABLE)
    site.write_text(
        '[reporting]\npolish = true\nlanguage = "de"\n[agent]\nendpoint = "http://127.0.0.1:1/v1"\n'
        'model = "m"\n'
    )
    assert polisher_of(load_settings(site), TABLE) is not None
