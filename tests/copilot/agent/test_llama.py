"""The agent with a small model of its own machine, served by llama.cpp, where one is given.

``RADCOPILOT_TEST_LLAMA`` is the base address of a running server; ``make test-llama`` makes one.
"""

import pytest

from copilot.agent.agent import Language
from copilot.agent.endpoint import Endpoint
from copilot.agent.loop import Limits
from copilot.agent.record import Records
from copilot.settings import environment
from domain.ports import no_progress
from domain.prompt import Prompt
from tests.copilot.agent.abdomens import abdomen, agent, only_record, words_engine


@pytest.fixture
def language():
    url = environment().get("RADCOPILOT_TEST_LLAMA")
    if not url:
        pytest.skip("no llama.cpp server is given (RADCOPILOT_TEST_LLAMA): make test-llama")
    endpoint = Endpoint(url=url, model="local", request_timeout_s=120)
    return Language(endpoint=endpoint, limits=Limits(time_s=400))


@pytest.mark.timeout(600)
def test_whatever_a_small_model_says_the_side_is_right_and_it_plays_again(tmp_path, language):
    prompt = Prompt(concept="kidney", side="left")
    found = agent(tmp_path, language).work(words_engine(), abdomen(), prompt, no_progress)
    assert {each.side for each in found.segments} <= {"left"}
    assert found.segments or found.absence or found.question
    record = Records(tmp_path / "agent").get(only_record(tmp_path))
    model = record.turns[0]
    assert model["mind"].startswith("model local")
    assert model["rounds"], f"the model was not heard: {model['stopped']}"
    assert model["rounds"][0]["reply"]["tokens_in"] > 0
    assert agent(tmp_path).replay(record, words_engine(), abdomen(), no_progress) == ()
