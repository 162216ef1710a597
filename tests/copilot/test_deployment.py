"""Dockerfile and compose file, checked without an engine: what they name must exist and agree."""

import re
import tomllib

import pytest
import yaml

from copilot.settings import load_settings


@pytest.fixture(scope="module")
def root(pytestconfig):
    return pytestconfig.rootpath


@pytest.fixture(scope="module")
def compose(root):
    return yaml.safe_load((root / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def site(root):
    return load_settings(root / "configs" / "docker.toml")


@pytest.fixture(scope="module")
def dockerfile(root):
    return (root / "Dockerfile").read_text()


def test_three_services_on_loopback_only(compose):
    assert set(compose["services"]) == {"orthanc", "postgres", "radcopilot"}
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_ports_agree_between_compose_settings_and_image(compose, site, dockerfile):
    published = {port.split(":")[-1] for port in compose["services"]["radcopilot"]["ports"]}
    exposed = set(re.search(r"^EXPOSE (.+)$", dockerfile, re.MULTILINE).group(1).split())
    assert published == exposed == {str(site.node.port), str(site.web.port)}
    assert f"127.0.0.1:{site.web.port}/health" in dockerfile


def test_the_peer_and_the_database_are_services_of_the_file(compose, site):
    services = compose["services"]
    [peer] = site.peers
    assert peer.host in services
    assert services[peer.host]["environment"]["ORTHANC__DICOM_AET"] == peer.ae_title
    assert services[peer.host]["environment"]["ORTHANC__DICOM_PORT"] == str(peer.port)
    database = services["postgres"]["environment"]
    wanted = (
        f"postgresql+psycopg://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}"
        f"@postgres/{database['POSTGRES_DB']}"
    )
    assert site.storage.database == wanted


def test_orthanc_knows_our_node_by_the_title_it_has(compose, site):
    known = yaml.safe_load(
        compose["services"]["orthanc"]["environment"]["ORTHANC__DICOM_MODALITIES"]
    )
    assert known["RADCOPILOT"]["AET"] == site.node.ae_title
    assert known["RADCOPILOT"]["Port"] == site.node.port
    assert known["RADCOPILOT"]["Host"] in compose["services"]


def test_volumes_are_declared_and_writable_folders_are_volumes(compose, site, dockerfile):
    used = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", ())
    }
    assert used == set(compose["volumes"])
    mounted = {volume.split(":")[1] for volume in compose["services"]["radcopilot"]["volumes"]}
    assert mounted == {site.storage.folder, site.storage.models_folder}
    assert all(folder in dockerfile for folder in mounted)


def test_the_image_copies_what_exists_and_every_package_of_the_wheel(root, dockerfile):
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert all((root / name).exists() for name in copied)
    project = tomllib.loads((root / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(wheel) <= set(copied)
    assert "radcopilot" in project["project"]["scripts"]


def test_the_image_runs_as_a_user_of_its_own(dockerfile):
    user = re.search(r"^USER (\S+)$", dockerfile, re.MULTILINE).group(1)
    assert f"--uid 10001 {user}" in dockerfile
