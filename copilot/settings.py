"""Settings: read once, frozen, handed down. A misspelt key stops the start with its name.

A site file overrides ``configs/default.toml`` key by key, tables merged at every depth.
"""

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import SettingsError

_ENVIRONMENT: Final = os.environ  # noqa: TID251 - the one place that reads it

Port = Annotated[int, Field(ge=0, le=65535)]
AeTitle = Annotated[str, Field(min_length=1, max_length=16)]
Seconds = Annotated[float, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StorageSettings(_Table):
    """Where things are kept; an empty value means the place named in default.toml."""

    folder: str
    models_folder: str
    database: str

    @property
    def root(self) -> Path:
        """Folder of received studies, results, index and audit trail."""
        if self.folder:
            return Path(self.folder).expanduser()
        return _base("XDG_DATA_HOME", ".local/share") / "radcopilot"

    @property
    def models(self) -> Path:
        """Folder of weights."""
        if self.models_folder:
            return Path(self.models_folder).expanduser()
        return _base("XDG_CACHE_HOME", ".cache") / "radcopilot" / "models"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of index, results and audit trail."""
        return self.database or f"sqlite:///{self.root / 'radcopilot.db'}"


class AllowSettings(_Table):
    """One who may associate with our node."""

    ae_title: AeTitle = "*"
    host: Annotated[str, Field(min_length=1)] = "*"


class NodeTlsSettings(_Table):
    """What our node shows to callers; without a certificate it speaks plain DICOM."""

    certificate: str
    key: str
    ca: str


class NodeSettings(_Table):
    """Our DICOM node."""

    ae_title: AeTitle
    host: str
    port: Port
    idle_timeout_s: Seconds
    most_associations: Annotated[int, Field(ge=1)]
    largest_pdu_kb: Annotated[int, Field(ge=16, le=1 << 20)]
    largest_instance_mb: Annotated[int, Field(ge=1)]
    check_called_ae: bool
    allow: tuple[AllowSettings, ...]
    tls: NodeTlsSettings


class WebSettings(_Table):
    """The web API."""

    host: str
    port: Port
    largest_upload_mb: Annotated[int, Field(ge=1)]


class SpeechSettings(_Table):
    """Speech recognition."""

    engine: Literal["whisper-ct2", "openai-whisper"]
    threads: Annotated[int, Field(ge=1)]


class SegmentationSettings(_Table):
    """The engine used when a command names none, and what it sees ahead of commands."""

    engine: str
    threads: Annotated[int, Field(ge=1)]
    look_ahead: bool
    memory_mb: Annotated[int, Field(ge=16)]
    disk_mb: Annotated[int, Field(ge=0)]
    check_windows: bool
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16", "fp16"]
    backend: Literal["transformers", "sam3"]


class AgentSettings(_Table):
    """The agent: when it works, and the language model it may ask; none by default."""

    when: Literal["words", "always", "never"]
    endpoint: str
    model: str
    api_key_file: str
    extra: Mapping[str, Any]
    pictures: bool
    rounds: Annotated[int, Field(ge=1, le=5)]
    time_s: Seconds
    request_timeout_s: Seconds
    tokens: Annotated[int, Field(ge=1000)]
    cost: Annotated[float, Field(ge=0)]
    price_in: Annotated[float, Field(ge=0)]
    price_out: Annotated[float, Field(ge=0)]

    def api_key(self) -> str:
        """Return the key: of the file, else of RADCOPILOT_AGENT_API_KEY, else empty.

        Raises
        ------
        SettingsError
            If the file cannot be read.
        """
        if not self.api_key_file:
            return _ENVIRONMENT.get("RADCOPILOT_AGENT_API_KEY", "")
        try:
            return Path(self.api_key_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"agent.api_key_file {self.api_key_file} cannot be read: give a text file"
            ) from error


class PriorSettings(_Table):
    """Which earlier studies are fetched, and how much at most in one call."""

    most: Annotated[int, Field(ge=1)]
    years: Annotated[float, Field(gt=0)]
    match: Literal["either", "modality", "body_part", "both"]
    most_instances: Annotated[int, Field(ge=1)]


class CompletenessSettings(_Table):
    """How long nothing may have come before a study is taken as sent."""

    quiet_s: Seconds
    quiet_s_by_modality: Mapping[str, Seconds]


class ObjectSettings(_Table):
    """The DICOM objects we make."""

    uid_root: str


class PeerTlsSettings(_Table):
    """How a peer is called over TLS; an empty ca means the system's list."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    check_hostname: bool = True


class PeerSettings(_Table):
    """Another DICOM node."""

    ae_title: AeTitle
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    connect_timeout_s: Seconds = 10.0
    answer_timeout_s: Seconds = 60.0
    storage_commitment: bool = False
    commitment_timeout_s: Seconds = 30.0
    tls: PeerTlsSettings | None = None


class Settings(_Table):
    """All settings of one process."""

    storage: StorageSettings
    node: NodeSettings
    web: WebSettings
    speech: SpeechSettings
    segmentation: SegmentationSettings
    agent: AgentSettings
    priors: PriorSettings
    completeness: CompletenessSettings
    objects: ObjectSettings
    peers: tuple[PeerSettings, ...] = ()


def load_settings(path: Path | None = None) -> Settings:
    """Return the defaults, overridden by a site's file.

    Raises
    ------
    SettingsError
        Naming the key, what is wrong with it, and the file.
    """
    shipped = resources.files("configs").joinpath("default.toml").read_text()
    merged: Mapping[str, Any] = tomllib.loads(shipped)
    if path is not None:
        merged = _merged(merged, _read(path))
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        place = path or "default.toml"
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"{place}: unknown key {key!r}; remove it or see configs/default.toml for the "
                "right name"
            ) from error
        raise SettingsError(
            f"{place}: {key} = {first.get('input')!r}: {first['msg'].lower()}"
        ) from error


def environment() -> dict[str, str]:
    """Return a copy of the process environment, for child processes."""
    return dict(_ENVIRONMENT)


def package_index() -> str | None:
    """Return the package index that pip is told to use (``PIP_INDEX_URL``), or None."""
    return _ENVIRONMENT.get("PIP_INDEX_URL") or None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise SettingsError(f"settings file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {path} is not TOML: {error}") from error


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _base(variable: str, fallback: str) -> Path:
    given = _ENVIRONMENT.get(variable)
    return Path(given) if given else Path.home() / fallback
