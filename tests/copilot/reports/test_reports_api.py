"""The report by the API: templates are chosen, sentences reworded, and nothing is lost."""

import pytest

from copilot.serving import application
from tests.chest import stored_chest
from tests.clients import here
from tests.copilot.access_site import site as house_of
from tests.copilot.agent.chat_server import chat_server, completion

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:starlette")

SAID = "Right kidney: volume 150.0 mL; long axis 112.0 mm."
BETTER = "The right kidney has a volume of 150.0 mL and a long axis of 112.0 mm."
WORSE = BETTER.replace("right", "left")


def words(text):
    return completion({"role": "assistant", "content": text})


@pytest.fixture
def opened(tmp_path):
    """A way to a client and the address of a stored study's report."""
    houses = []

    def make(**tables):
        house = house_of(tmp_path, **tables)
        houses.append(house)
        stored_chest(house.store, tmp_path)
        return here(application(house))

    yield make
    for house in houses:
        house.store.close()
        house.close()


def report_of(client):
    (study,) = client.get("/api/studies").json()
    return f"/api/studies/{study['study_instance_uid']}/report"


def test_a_sentence_is_reworded_and_nothing_is_written(opened):
    with chat_server(words(BETTER), words(WORSE)) as served:
        endpoint = served.endpoint()
        agent = {"endpoint": endpoint.url, "model": endpoint.model}
        with opened(reporting={"polish": True}, agent=agent) as client:
            path = report_of(client)
            assert client.get("/api/station").json()["polishes"] is True
            client.put(f"{path}/fields/findings/own", json={"text": SAID})
            asked = {"field": "findings/own"}
            assert client.post(f"{path}/polish", json=asked).json() == {
                "text": BETTER,
                "refusal": None,
            }
            refused = client.post(f"{path}/polish", json=asked).json()
            assert refused["text"] == SAID
            assert "side 'right'" in refused["refusal"]
            fields = {
                each["id"]: each["text"]
                for part in client.get(path).json()["sections"]
                for each in part["fields"]
            }
            assert fields["findings/own"] == SAID
            none = client.post(f"{path}/polish", json={"field": "findings/none"})
            assert (none.status_code, "no field" in none.text) == (422, True)


def test_without_a_language_model_it_is_said_how_to_have_one(opened):
    with opened() as client:
        path = report_of(client)
        client.put(f"{path}/fields/findings/own", json={"text": SAID})
        refused = client.post(f"{path}/polish", json={"field": "findings/own"})
        assert (refused.status_code, "[reporting] polish" in refused.text) == (422, True)


def test_a_site_reports_in_german_and_a_person_names_another_template(opened):
    with opened(reporting={"language": "de"}) as client:
        path = report_of(client)
        report = client.get(path).json()
        titles = [each["title"] for each in report["sections"]]
        assert {"Technik", "Befund", "Beurteilung"} <= set(titles)
        others = [each["name"] for each in report["template"]["others"]]
        assert "liver" in others
        chosen = client.put(f"{path}/template", json={"name": "liver"}).json()
        assert chosen["template"]["title"] == "Leber"
        again = client.put(f"{path}/template", json={"name": ""}).json()
        assert again["template"]["name"] == report["template"]["name"]
        text = client.get(f"{path}/exports/text").text
        assert "ENTWURF" in text
        refused = client.put(f"{path}/template", json={"name": "elbow"})
        assert (refused.status_code, "no template 'elbow'" in refused.text) == (422, True)
