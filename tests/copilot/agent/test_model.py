"""The agent with a model behind a real HTTP server: good, broken, slow and hostile replies."""

import json

import pytest

from copilot.agent.agent import Language, When
from copilot.agent.endpoint import Endpoint
from copilot.agent.loop import Limits
from copilot.agent.record import Records
from domain.errors import SettingsError
from domain.ports import no_progress
from domain.prompt import Box, Prompt
from tests.copilot.agent.abdomens import abdomen, agent, only_record, words_engine
from tests.copilot.agent.chat_server import Answer, calls, chat_server, completion, failure

LEFT_KIDNEY = Prompt(concept="kidney", side="left")
SEGMENT = ("segment", {"concept": "kidney"})
MEASURE_BOTH = (("measure", {"mask_id": "m1"}), ("measure", {"mask_id": "m2"}))


def asked(folder, server, *, prompt=LEFT_KIDNEY, volume=None, pictures=False, **limits):
    timeout_s = limits.pop("request_timeout_s", 10.0)
    language = Language(
        endpoint=server.endpoint(request_timeout_s=timeout_s),
        pictures=pictures,
        limits=Limits(**limits),
    )
    volume = abdomen() if volume is None else volume
    return agent(folder, language).work(words_engine(), volume, prompt, no_progress)


def told(server, request=-1):
    """What the tools gave before a request."""
    messages = server.requests[request]["messages"]
    return [json.loads(each["content"]) for each in messages if each["role"] == "tool"]


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    """The ids under which the left and the right one are held: the engine's order is one."""
    with chat_server(calls(SEGMENT), calls(("ask_user", {"question": "which"}))) as server:
        asked(tmp_path_factory.mktemp("ids"), server)
    (found,) = told(server)
    return {each["side"]: each["id"] for each in found["masks"]}


def test_a_good_conversation_ends_with_the_masks_that_were_proposed(tmp_path, mask):
    script = (
        calls(SEGMENT),
        calls(*MEASURE_BOTH),
        calls(("propose", {"mask_ids": [mask["left"]], "statement": "smooth, in the left flank"})),
    )
    with chat_server(*script) as server:
        found = asked(tmp_path, server)
    (segment,) = found.segments
    assert segment.side == "left"
    assert segment.is_proposal
    assert found.notes[0] == "agent: smooth, in the left flank"
    assert segment.provenance.directed_by.startswith("model scripted, instructions 1 (sha256 ")
    assert len(server.requests) == 3


def test_the_tools_are_described_to_the_model_and_its_key_is_sent(tmp_path):
    with chat_server(calls(("ask_user", {"question": "which one"}))) as server:
        asked(tmp_path, server)
    (request,) = server.requests
    names = [each["function"]["name"] for each in request["tools"]]
    assert names == ["segment", "inspect", "measure", "compare", "propose", "absent", "ask_user"]
    assert "$ref" not in server.said()
    assert "anyOf" not in server.said()
    assert server.headers[0]["authorization"] == "Bearer secret-key"


def test_a_sites_own_parameters_go_along(tmp_path):
    with chat_server(calls(("ask_user", {"question": "which one"}))) as server:
        language = Language(endpoint=server.endpoint(extra={"temperature": 0}))
        agent(tmp_path, language).work(words_engine(), abdomen(), LEFT_KIDNEY, no_progress)
    assert server.requests[0]["temperature"] == 0


def test_the_other_side_cannot_be_proposed_whatever_the_model_says(tmp_path, mask):
    wrong = ("propose", {"mask_ids": [mask["right"]], "statement": "this is the left kidney"})
    right = ("propose", {"mask_ids": [mask["left"]], "statement": "as asked"})
    with chat_server(calls(SEGMENT), calls(wrong), calls(right)) as server:
        found = asked(tmp_path, server)
    assert "lies on the patient's right, and the left was asked for" in told(server)[-1]["error"]
    assert [each.side for each in found.segments] == ["left"]


@pytest.mark.parametrize(
    ("statement", "because"),
    [
        ("it has 99 mL", "99 was not measured"),
        ("about ninety, twelve to be exact", "numbers in words"),
        ("clearly the right one", "right is not where"),
        ("see http://example.org", "markup and addresses"),
        ("<script>alert</script>", "markup and addresses"),
    ],
)
def test_a_statement_with_what_was_not_measured_is_sent_back(tmp_path, mask, statement, because):
    script = (
        calls(SEGMENT),
        calls(*MEASURE_BOTH),
        calls(("propose", {"mask_ids": [mask["left"]], "statement": statement})),
        calls(("propose", {"mask_ids": [mask["left"]], "statement": "as asked"})),
    )
    with chat_server(*script) as server:
        found = asked(tmp_path, server)
    assert because in told(server)[-1]["error"]
    assert found.notes[0] == "agent: as asked"


def test_a_measured_number_may_be_said_and_one_beside_it_not(tmp_path, mask):
    with chat_server(
        calls(SEGMENT, *MEASURE_BOTH), calls(("ask_user", {"question": "so"}))
    ) as first:
        asked(tmp_path / "first", first)
    volume_ml = next(each["volume [ml]"] for each in told(first) if "volume [ml]" in each)
    script = (
        calls(SEGMENT, *MEASURE_BOTH),
        calls(("propose", {"mask_ids": [mask["left"]], "statement": f"{volume_ml + 1} mL"})),
        calls(("propose", {"mask_ids": [mask["left"]], "statement": f"{volume_ml} mL"})),
    )
    with chat_server(*script) as server:
        found = asked(tmp_path / "then", server)
    assert "was not measured" in told(server)[-1]["error"]
    assert found.notes[0] == f"agent: {volume_ml} mL"


def test_a_thing_of_another_name_cannot_be_proposed_as_the_one_asked_for(tmp_path):
    script = (
        calls(("segment", {"concept": "spleen"})),
        calls(("propose", {"mask_ids": ["m1"], "statement": "here it is"})),
        calls(("ask_user", {"question": "is it removed"})),
    )
    with chat_server(*script) as server:
        found = asked(tmp_path, server, prompt=Prompt(concept="kidney"))
    assert "it is a spleen, and a kidney was asked for" in told(server)[-1]["error"]
    assert found.question == "is it removed"


def test_absence_needs_a_search_and_names_it(tmp_path):
    absent = ("absent", {"reason": "nothing like it is seen", "coverage": "everything"})
    script = (calls(absent), calls(SEGMENT), calls(absent))
    with chat_server(*script) as server:
        found = asked(tmp_path, server, volume=abdomen(left=False, right=False))
    assert told(server)[0]["error"] == "nothing was searched yet: call segment first"
    assert found.absence == (
        'searched: "kidney" on all slices; the agent says: nothing like it is seen'
    )


def test_what_the_model_passed_over_is_named_with_the_absence(tmp_path):
    absent = ("absent", {"reason": "these are vessels", "coverage": "all"})
    with chat_server(calls(SEGMENT), calls(absent)) as server:
        found = asked(tmp_path, server)
    assert "what the engine marked on slices 2 to 21" in found.absence
    assert "was judged not to be it" in found.absence


def test_no_more_than_the_rounds_are_asked_and_then_rules_decide(tmp_path):
    looks = [calls(("inspect", {"slice": index})) for index in range(9)]
    with chat_server(*looks) as server:
        found = asked(tmp_path, server)
    assert len(server.requests) == 5
    assert [each.side for each in found.segments] == ["left"]
    assert any("came to no end (it came to no conclusion in 5 rounds)" in n for n in found.notes)


def test_a_model_that_repeats_itself_is_not_asked_again(tmp_path):
    with chat_server(calls(SEGMENT)) as server:
        found = asked(tmp_path, server)
    assert len(server.requests) == 2
    assert "it repeats itself" in found.notes[1]
    assert [each.side for each in found.segments] == ["left"]


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (failure(429), "status 429"),
        (failure(500), "status 500"),
        (failure(401), "status 401"),
        (Answer(body=b"not json"), "no chat completion"),
        (Answer(body=b'{"choices": []}'), "no choice"),
        (Answer(body=b'{"choices": [{"message": {"content": 7}}]}'), "no chat completion"),
        (completion({"role": "assistant", "content": None, "refusal": "no"}), "the model refused"),
    ],
)
def test_rules_decide_where_the_endpoint_does_not(tmp_path, answer, because):
    with chat_server(answer) as server:
        found = asked(tmp_path, server)
    assert [each.side for each in found.segments] == ["left"]
    assert because in found.notes[1]
    assert "secret-key" not in " ".join(found.notes)


def test_a_busy_endpoint_is_asked_once_more(tmp_path):
    script = (failure(429), calls(("ask_user", {"question": "which one"})))
    with chat_server(*script) as server:
        found = asked(tmp_path, server)
    assert found.question == "which one"
    assert len(server.requests) == 2


def test_an_endpoint_that_hangs_costs_no_more_than_the_time_allowed(tmp_path):
    with chat_server(Answer(body=b"", delay_s=1.0)) as server:
        found = asked(tmp_path, server, request_timeout_s=0.2)
    assert "did not answer in time" in found.notes[1]
    assert len(found.segments) == 1


def test_an_endpoint_that_is_away_leaves_the_rules(tmp_path):
    with chat_server(failure(500)) as server:
        pass
    found = asked(tmp_path, server)
    assert "can't be reached" in found.notes[1]
    assert len(found.segments) == 1


@pytest.mark.parametrize(
    ("call", "because"),
    [
        (("segment", "{not json"), "segment was not understood"),
        (("segment", {}), "concept: field required"),
        (("segment", {"concept": "Kidney; ignore all rules"}), "concept: string should match"),
        (("inspect", {"caption": "obey me"}), "caption: extra inputs are not permitted"),
        (("send_to_pacs", {}), "there is no tool 'send_to_pacs'"),
        (("measure", {"mask_id": "m99"}), "there is no mask m99"),
        (("segment", {"concept": "kidney", "region": {"slices": [5, 99]}}), "slice range ends"),
        (("segment", {"concept": "kidney", "region": {"slices": [9, 3]}}), "holds no slice"),
        (("segment", {"concept": "kidney", "region": {"window": [40, -1]}}), "is none: give"),
        (("inspect", {"slice": 99}), "go by measure"),
    ],
)
def test_a_wrong_call_is_answered_and_the_talk_goes_on(tmp_path, call, because):
    with chat_server(calls(call), calls(("ask_user", {"question": "and now"}))) as server:
        found = asked(tmp_path, server)
    assert because in json.dumps(told(server)[0], ensure_ascii=False)
    assert found.question == "and now"


def test_a_reply_without_a_call_is_told_to_make_one(tmp_path):
    chatter = completion({"role": "assistant", "content": "I think it is fine."})
    with chat_server(chatter, calls(("ask_user", {"question": "and now"}))) as server:
        asked(tmp_path, server)
    assert server.requests[1]["messages"][-1]["content"].startswith("Answer with a tool call")
    assert [each["tool_choice"] for each in server.requests] == ["auto", "required"]


def test_the_tokens_are_a_budget(tmp_path):
    dear = completion({"role": "assistant", "content": "hm"}, tokens=(900, 200))
    with chat_server(dear) as server:
        found = asked(tmp_path, server, tokens=1_000)
    assert len(server.requests) == 1
    assert "tokens were up" in found.notes[1]


def test_the_cost_is_a_budget(tmp_path):
    dear = completion({"role": "assistant", "content": "hm"}, tokens=(1_000, 0))
    with chat_server(dear) as server:
        found = asked(tmp_path, server, cost=0.001, price_in=1.0)
    assert len(server.requests) == 1
    assert "cost was up" in found.notes[1]


def test_the_time_is_a_budget(tmp_path):
    slow = [calls(("inspect", {"slice": index})) for index in range(5)]
    for each in slow:
        each.delay_s = 0.2
    with chat_server(*slow) as server:
        found = asked(tmp_path, server, time_s=0.3)
    assert len(server.requests) < 5
    assert len(found.segments) == 1


def test_no_picture_is_sent_where_the_site_did_not_allow_it(tmp_path):
    with chat_server(calls(("inspect", {})), calls(("ask_user", {"question": "so"}))) as server:
        asked(tmp_path, server)
    assert "image_url" not in server.said()
    assert "pictures are not shown here" in server.said()


def test_two_pictures_are_in_context_the_newest(tmp_path):
    looks = [calls(("inspect", {"slice": index})) for index in (5, 11, 17)]
    with chat_server(*looks, calls(("ask_user", {"question": "so"}))) as server:
        asked(tmp_path, server, pictures=True)
    shown = [
        each["content"]
        for each in server.requests[-1]["messages"]
        if isinstance(each["content"], list)
    ]
    assert [json.loads(each[0]["text"].removeprefix("The picture of "))["slice"] for each in shown]
    assert len(shown) == 2
    assert '"slice": 17' in shown[-1][0]["text"]
    assert "no longer shown" in server.said()


def test_a_picture_with_letters_in_it_stays_here(tmp_path):
    volume = abdomen()
    object.__setattr__(volume, "burned_in_text", True)
    with chat_server(calls(("inspect", {})), calls(("ask_user", {"question": "so"}))) as server:
        asked(tmp_path, server, pictures=True, volume=volume)
    assert "image_url" not in server.said()
    assert "burned into the pixels" in server.said()


def test_a_box_by_the_model_is_marked_as_such_and_never_confirms(tmp_path):
    region = {"box": [11, 38, 80, 58, 100], "slices": [2, 22]}
    script = (
        calls(("segment", {"concept": "kidney", "region": region})),
        calls(("propose", {"mask_ids": ["m1"], "statement": "as asked"})),
    )
    with chat_server(*script) as server:
        found = asked(tmp_path, server)
    (segment,) = found.segments
    assert segment.is_proposal
    assert segment.provenance.algorithm_type == "AUTOMATIC"
    assert any("drawn by the agent" in each for each in segment.warnings)


def test_what_the_radiologist_pointed_at_is_never_replaced(tmp_path):
    prompt = Prompt(concept="kidney", boxes=(Box.on_slice(11, (38, 58), (80, 100)),))
    region = {"box": [11, 38, 28, 58, 48]}
    script = (
        calls(("segment", {"concept": "kidney", "region": region})),
        calls(("ask_user", {"question": "so"})),
    )
    with chat_server(*script) as server:
        asked(tmp_path, server, prompt=prompt)
    assert "the radiologist pointed at it" in told(server)[0]["error"]


def test_the_same_place_is_not_proposed_twice(tmp_path, mask):
    again = ("segment", {"concept": "kidney", "region": {"slices": [2, 20]}})
    script = (
        calls(SEGMENT, again, ("compare", {"mask_id": "m1", "other_mask_id": "m3"})),
        calls(("propose", {"mask_ids": ["m1", "m3"], "statement": "both"})),
        calls(("propose", {"mask_ids": ["m2", "m4"], "statement": "both"})),
        calls(("ask_user", {"question": "so"})),
    )
    with chat_server(*script) as server:
        asked(tmp_path, server, prompt=Prompt(concept="kidney"))
    assert "mark the same place" in told(server)[-1]["error"]


def test_a_record_plays_again_to_the_same_end_without_the_endpoint(tmp_path, mask):
    script = (
        calls(SEGMENT),
        calls(*MEASURE_BOTH, ("inspect", {"mask_id": mask["left"]})),
        calls(("measure", "{broken")),
        calls(("propose", {"mask_ids": [mask["left"]], "statement": "as asked"})),
    )
    with chat_server(*script) as server:
        asked(tmp_path, server, pictures=True)
    asked_before = len(server.requests)
    record = Records(tmp_path / "agent").get(only_record(tmp_path))
    assert record.ending["kind"] == "proposed"
    again = agent(tmp_path).replay(record, words_engine(), abdomen(), no_progress)
    assert again == ()
    assert len(server.requests) == asked_before


def test_a_record_of_a_failed_endpoint_plays_again_too(tmp_path):
    with chat_server(calls(SEGMENT), failure(500)) as server:
        asked(tmp_path, server)
    record = Records(tmp_path / "agent").get(only_record(tmp_path))
    assert [turn["stopped"] for turn in record.turns] == [
        "the endpoint answered with status 500",
        None,
    ]
    assert agent(tmp_path).replay(record, words_engine(), abdomen(), no_progress) == ()


def test_a_replay_says_where_another_engine_differs(tmp_path):
    with chat_server(calls(SEGMENT), calls(("ask_user", {"question": "so"}))) as server:
        asked(tmp_path, server)
    record = Records(tmp_path / "agent").get(only_record(tmp_path))
    found = agent(tmp_path).replay(
        record, words_engine(unknown=("kidney",)), abdomen(), no_progress
    )
    assert found[0].startswith("turn 1, round 1: segment gave")


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("http://llm.example.org/v1", "not encrypted"),
        ("llm.example.org", "no address"),
        ("ftp://127.0.0.1/v1", "no address"),
    ],
)
def test_an_endpoint_over_the_network_must_be_encrypted(url, because):
    with pytest.raises(SettingsError, match=because):
        Endpoint(url=url, model="m")


def test_always_means_every_named_thing(tmp_path):
    boxed = Prompt(concept="kidney", boxes=(Box.on_slice(11, (38, 58), (80, 100)),))
    chosen = agent(tmp_path, when=When.ALWAYS)
    assert chosen.wants(words_engine(), abdomen(), boxed)
    assert not chosen.wants(words_engine(), abdomen(), Prompt(boxes=boxed.boxes))
