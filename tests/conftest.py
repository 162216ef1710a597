"""Fixtures shared by all tests: real data, real weights, real peers; skipped only with a reason."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copilot.demo.orthanc import KnownModality, Orthanc, free_port, is_installed
from copilot.settings import environment, load_settings
from dicom_node.index import Index
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.store import Store

ROOT = Path(__file__).resolve().parent.parent
AE_TITLE = "RADCOPILOT"


def missing(what: str) -> None:
    """Skip with the reason; on CI, where everything must be there, fail."""
    if environment().get("CI") == "true":
        pytest.fail(f"{what}: must be there on CI")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real studies with expert masks, given beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        missing("the shared test data are not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Weights installed by ``radcopilot models install default``."""
    folder = load_settings().storage.models
    for needed in ("whisper-base/manifest.json", "litemedsam/encoder.onnx"):
        if not (folder / needed).is_file():
            missing("weights are not installed (radcopilot models install default)")
    return folder


@pytest.fixture(scope="session")
def sample_study() -> Path:
    """The public sample study, installed by ``radcopilot models install sample-study``."""
    folder = load_settings().storage.models / "sample-study"
    if not (folder / "manifest.json").is_file():
        missing("the sample study is not installed (radcopilot models install sample-study)")
    return folder


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a program of the system, or of the environment the tests run in."""

    def find(name: str) -> str:
        for folder in ("/usr/bin", "/usr/sbin", str(Path(sys.executable).parent)):
            if (Path(folder) / name).exists():
                return str(Path(folder) / name)
        missing(f"{name} is not installed")
        raise AssertionError

    return find


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[], str]]:
    """A private PostgreSQL on a free loopback port, which makes databases.

    It refuses to run as root.
    """
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries:
        missing("PostgreSQL is not installed")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    port = free_port()

    def run(program: str, *arguments: object) -> None:
        command = [*as_user, str(binaries[-1] / program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=60)

    def new_database() -> str:
        name = f"site_{uuid.uuid4().hex[:8]}"
        run("createdb", "-h", "127.0.0.1", "-p", port, "-U", "radcopilot", name)
        return f"postgresql+psycopg://radcopilot@127.0.0.1:{port}/{name}"

    with tempfile.TemporaryDirectory(prefix="radcopilot-postgres-") as folder:
        if as_user:
            shutil.chown(folder, "postgres")
        data = Path(folder) / "data"
        run("initdb", "-D", data, "-A", "trust", "-U", "radcopilot")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
        run("pg_ctl", "-D", data, "-o", options, "-l", data / "log", "-w", "start")
        try:
            yield new_database
        finally:
            run("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")


@pytest.fixture
def postgres(postgres_server: Callable[[], str]) -> str:
    """A database of this test alone."""
    return postgres_server()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path / "store", Index(f"sqlite:///{tmp_path / 'index.db'}"))
    yield made
    made.close()


@pytest.fixture
def node(store: Store) -> Iterator[DicomNode]:
    """Our node, listening on a free loopback port."""
    with DicomNode(NodeAddress(ae_title=AE_TITLE), store) as listening:
        yield listening


@pytest.fixture
def orthanc(tmp_path: Path, node: DicomNode) -> Iterator[Orthanc]:
    """A real PACS that knows our node."""
    if not is_installed():
        missing("Orthanc is not installed")
    known = KnownModality(ae_title=AE_TITLE, host="127.0.0.1", port=node.port)
    with Orthanc(tmp_path / "orthanc", (known,)) as running:
        yield running


@pytest.fixture
def radcopilot(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user does, in a folder of its own."""

    def run(*arguments: object, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "radcopilot"), *map(str, arguments)],
            cwd=tmp_path,
            env=environment() | {"XDG_DATA_HOME": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    return run


@pytest.fixture(autouse=True, scope="session")
def _quiet_network() -> None:
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
