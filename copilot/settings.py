"""Settings: read once, frozen, handed down. A misspelt key stops the start with its name.

A site file overrides ``configs/default.toml`` key by key, tables merged at every depth.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import SettingsError

_ENVIRONMENT: Final = os.environ  # noqa: TID251 - the one place that reads it

Port = Annotated[int, Field(ge=0, le=65535)]
AeTitle = Annotated[str, Field(min_length=1, max_length=16)]
Seconds = Annotated[float, Field(gt=0)]
Kind = Literal["seg", "labelmap", "sr", "secondary_capture", "pdf", "rtstruct", "gsps"]
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+|'self'")


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
    certificate: str
    key: str
    token_file: str
    token_roles: tuple[Literal["program", "reader", "radiologist", "administrator"], ...]
    hosts: tuple[str, ...]
    proxies: tuple[str, ...]
    published_on_loopback: bool
    frame_ancestors: tuple[str, ...]
    largest_upload_mb: Annotated[int, Field(ge=1)]
    ohif_folder: str

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for each in self.proxies:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise ValueError(
                    f"proxies: {each!r} is no address or network: give 10.1.2.3 or 10.1.2.0/24"
                ) from error
        for each in self.frame_ancestors:
            if not _ORIGIN.fullmatch(each):
                raise ValueError(
                    f"frame_ancestors: {each!r} is no origin: give https://viewer.example.org"
                )
        return self


class AccessSettings(_Table):
    """How long sessions last, and how often a view of a study is written down."""

    idle_timeout_s: Seconds
    session_timeout_s: Seconds
    view_again_s: Seconds


class OpenIdSettings(_Table):
    """An OpenID Connect provider that vouches for persons; without an issuer there is none."""

    issuer: str
    client_id: str
    client_secret_file: str
    redirect_url: str
    label: str
    scopes: tuple[str, ...]
    name_claim: Annotated[str, Field(min_length=1)]
    groups_claim: Annotated[str, Field(min_length=1)]
    roles: Mapping[str, tuple[Literal["reader", "radiologist", "administrator"], ...]]
    ca: str
    request_timeout_s: Seconds

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.issuer:
            return self
        for key in ("client_id", "client_secret_file", "redirect_url"):
            if not getattr(self, key):
                raise ValueError(f"issuer is given and {key} is not: a provider needs both")
        for key in ("issuer", "redirect_url"):
            parts = urlsplit(getattr(self, key))
            if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
                raise ValueError(f"{key} {getattr(self, key)} is not https")
        if not self.roles:
            raise ValueError("roles is empty: nobody of the provider could come in")
        return self


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
    on_arrival_from: str


class CompletenessSettings(_Table):
    """How long nothing may have come before a study is taken as sent."""

    quiet_s: Seconds
    quiet_s_by_modality: Mapping[str, Seconds]
    ask: str
    ask_again_s: Seconds
    most_asks: Annotated[int, Field(ge=1)]
    fetch_missing: bool


class QueueSettings(_Table):
    """A queue of engines' work: those of one GPU share one."""

    engines: tuple[str, ...]
    at_once: Annotated[int, Field(ge=1)] = 1


class RetentionSettings(_Table):
    """How long studies stay, and how full the disk may be; 0 sets no limit."""

    days: Annotated[float, Field(ge=0)]
    most_gb: Annotated[float, Field(ge=0)]
    wanted_free_gb: Annotated[float, Field(ge=0)]
    least_free_gb: Annotated[float, Field(ge=0)]
    least_days: Annotated[float, Field(ge=0)]
    every_s: Seconds
    believe_unconfirmed: bool

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.wanted_free_gb and self.wanted_free_gb < self.least_free_gb:
            raise ValueError(
                f"wanted_free_gb {self.wanted_free_gb:g} is below least_free_gb "
                f"{self.least_free_gb:g}: objects would be refused before room is made"
            )
        if 0 < self.days < self.least_days:
            raise ValueError(f"days {self.days:g} is below least_days {self.least_days:g}")
        return self


class MonitoringSettings(_Table):
    """What is watched in the background."""

    peers_every_s: Annotated[float, Field(ge=0)]


class WorkSettings(_Table):
    """Who does the work of engines, and how much of it at a time."""

    queues: Mapping[str, QueueSettings]
    node_takes: tuple[str, ...]
    dead_after_s: Seconds
    node_url: str
    ca: str
    cache_mb: Annotated[int, Field(ge=0)]
    request_timeout_s: Seconds


class ConditionSettings(_Table):
    """What an attribute of a series must be."""

    tag: str
    values: Annotated[str | tuple[str, ...], Field(alias="is")] = ()
    is_not: str | tuple[str, ...] = ()
    matches: str = ""
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""


class RuleSettings(_Table):
    """A command for every series that meets all conditions."""

    name: Annotated[str, Field(min_length=1, max_length=50)]
    when: Annotated[tuple[ConditionSettings, ...], Field(min_length=1)]
    command: str
    engine: str = ""
    run: Literal["automatic", "on demand"] = "on demand"
    push_back: tuple[str, ...] = ()
    push_warned: bool = False


class ReportingSettings(_Table):
    """Who signs reports, their templates and language, and whether a language model polishes."""

    organization: str
    templates: str
    language: Annotated[str, Field(pattern=r"[a-z]{2}")]
    polish: bool
    polish_timeout_s: Seconds


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
    """Another DICOM node, or a DICOMweb destination, and what of a result goes there."""

    ae_title: AeTitle
    host: str = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    connect_timeout_s: Seconds = 10.0
    answer_timeout_s: Seconds = 60.0
    storage_commitment: bool = False
    commitment_timeout_s: Seconds = 30.0
    tls: PeerTlsSettings | None = None
    stow_url: str = ""
    token_file: str = ""
    user: str = ""
    password_file: str = ""
    ca: str = ""
    objects: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("seg", "sr")
    retract: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if {"seg", "labelmap"} <= set(self.objects):
            raise ValueError(
                "objects has seg and labelmap: one mask would be there twice, choose one"
            )
        if len(set(self.objects)) < len(self.objects):
            raise ValueError("objects has a kind twice")
        if self.stow_url:
            self._check_stow()
        elif not self.host or not self.port:
            raise ValueError("host and port are needed, or stow_url")
        elif self.token_file or self.user or self.password_file or self.ca:
            raise ValueError("token_file, user, password_file and ca go with stow_url alone")
        return self

    def _check_stow(self) -> None:
        if self.host or self.port or self.tls or self.storage_commitment:
            raise ValueError(
                "give stow_url, or host and port with tls and storage_commitment, not both"
            )
        parts = urlsplit(self.stow_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("stow_url is no URL such as https://pacs.example.org/dicom-web")
        if parts.username or parts.password:
            raise ValueError("stow_url names a user: give user and password_file beside it")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError(
                f"stow_url would send patient data to {parts.hostname} over plain http: use "
                "https, or a proxy on this machine"
            )
        if bool(self.user) != bool(self.password_file) or (self.user and self.token_file):
            raise ValueError("give token_file, or user and password_file together, or neither")


class ReportDestinationSettings(_Table):
    """A system that takes reports as HL7 v2 messages over MLLP; without tls in the clear."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)]
    sending_application: str = "RADCOPILOT"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    assigning_authority: str = ""
    processing: Literal["P", "T", "D"] = "P"
    connect_timeout_s: Seconds = 10.0
    answer_timeout_s: Seconds = 30.0
    tls: PeerTlsSettings | None = None


class Settings(_Table):
    """All settings of one process."""

    storage: StorageSettings
    node: NodeSettings
    web: WebSettings
    access: AccessSettings
    openid: OpenIdSettings
    speech: SpeechSettings
    segmentation: SegmentationSettings
    agent: AgentSettings
    priors: PriorSettings
    completeness: CompletenessSettings
    retention: RetentionSettings
    monitoring: MonitoringSettings
    work: WorkSettings
    objects: ObjectSettings
    reporting: ReportingSettings
    peers: tuple[PeerSettings, ...] = ()
    report_destinations: tuple[ReportDestinationSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [each.name for each in self.report_destinations]
        if len(set(names)) < len(names):
            raise ValueError("report_destinations has a name twice")
        return self


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
        if first["type"] == "value_error":  # our own words; the input may hold a secret
            raise SettingsError(f"{place}: {key}: {first['ctx']['error']}") from error
        raise SettingsError(
            f"{place}: {key} = {first.get('input')!r}: {first['msg'].lower()}"
        ) from error


def read_secret(path: str, setting: str) -> str:
    """Return the text of a file that holds a secret; empty where none is given.

    Raises
    ------
    SettingsError
        If it cannot be read, or is empty.
    """
    if not path:
        return ""
    try:
        secret = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting} {path} cannot be read: give a text file") from error
    if not secret:
        raise SettingsError(f"{setting} {path} is empty: write one long random line into it")
    return secret


def environment() -> dict[str, str]:
    """Return a copy of the process environment, for child processes."""
    return dict(_ENVIRONMENT)


def package_index() -> str | None:
    """Return the package index that pip is told to use (``PIP_INDEX_URL``), or None."""
    return _ENVIRONMENT.get("PIP_INDEX_URL") or None


def npm_registry() -> str | None:
    """Return the registry that npm is told to use (``NPM_CONFIG_REGISTRY``), or None."""
    return next(
        (each for name, each in _ENVIRONMENT.items() if name.lower() == "npm_config_registry"), None
    )


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
