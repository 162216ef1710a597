"""The composition root: the one place where rooms are put together."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from importlib import resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from copilot.access.accounts import Accounts
from copilot.access.entrance import Entrance
from copilot.access.exposure import check_exposure
from copilot.access.openid import OpenId
from copilot.access.passwords import Passwords
from copilot.access.roles import Role, roles_of
from copilot.access.sessions import Sessions, Timeouts
from copilot.access.throttle import Throttle
from copilot.agent.agent import Agent, Language, When
from copilot.agent.endpoint import Endpoint
from copilot.agent.loop import Limits
from copilot.agent.record import Records
from copilot.analysis import Analyst
from copilot.audit import SqlAuditLog
from copilot.comparing.choosing import PriorShelf
from copilot.comparing.comparer import Comparer
from copilot.comparing.stored import StoredComparer
from copilot.concepts import load_concepts
from copilot.fetching import Fetcher
from copilot.intent.grammar import SpokenGrammar
from copilot.loading import Volumes
from copilot.looking_ahead import LookingAhead
from copilot.mllp import Listener
from copilot.models.install import BuildStep, ModelInstaller
from copilot.polishing import Polisher, polisher_of
from copilot.results import Results
from copilot.settings import (
    PeerSettings,
    PeerTlsSettings,
    ReportDestinationSettings,
    Settings,
    read_secret,
)
from copilot.system import RandomUids, SystemClock
from copilot.templates import Templates
from copilot.workflows.delivery import (
    DELIVER,
    DELIVER_REPORT,
    OLD_DELIVER,
    QUEUE,
    REPORT_QUEUE,
    Courier,
    Delivery,
    Outbox,
)
from copilot.workflows.durable import Durable, Workflow, WorkQueue, step, work_database
from copilot.workflows.packing import Destination, Packer
from copilot.workflows.reports_out import Destination as ReportDestination
from copilot.workflows.reports_out import Dispatches, ReportCourier, ReportOf
from dicom_node.commitment import CommitmentDesk
from dicom_node.completeness import QuietPeriods
from dicom_node.door import Allowed, Door
from dicom_node.index import Index
from dicom_node.priors import Match, PriorRules
from dicom_node.room import Room
from dicom_node.scp import DicomNode, NodeAddress
from dicom_node.scu import DicomPeer, Peer
from dicom_node.store import Arrival, Store
from dicom_node.stow import WebPeer
from dicom_node.tls import ClientTls, ServerTls
from dicom_node.wado import WebSource
from domain.concepts import ConceptTable
from domain.errors import InputError, SettingsError, StorageError
from domain.ports import EngineContext, Progress, Segmenter, Transcriber
from domain.report import Report
from reporting.draft import DraftRenderer
from reporting.exports.enclosed import Envelope
from segmentation.litemedsam.convert import build_onnx
from segmentation.lung.nodules import NoduleFinder
from segmentation.medsam3.install import Sources, build
from voice.lexicon import load_lexicon
from voice.whisper_ct2 import WhisperCt2

SERVER: Final = "local"  # the server's name among those that share the work
ENGINE_ENTRY_POINTS: Final = "radcopilot.segmenters"
WHISPER: Final = "whisper-base"
_KIB: Final = 2**10
_MIB: Final = 2**20
_GB: Final = 1e9


class House:
    """Builds each part of the house when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._listeners: list[Arrival] = []
        self.executor = SERVER
        self.report_of: ReportOf = _no_report

    @cached_property
    def database(self) -> Engine:
        """Results, audit trail and outbox."""
        return create_engine(self.settings.storage.database_url, hide_parameters=True)

    @cached_property
    def accounts(self) -> Accounts:
        """Who may come in."""
        return Accounts(
            engine=self.database,
            audit=self.audit,
            clock=SystemClock(),
            passwords=self.passwords,
        )

    @cached_property
    def passwords(self) -> Passwords:
        """How passwords are kept."""
        return Passwords()

    @cached_property
    def openid(self) -> OpenId | None:
        """The OpenID provider that the settings name, if any.

        Raises
        ------
        SettingsError
            If the file of its secret cannot be read.
        """
        settings = self.settings.openid
        if not settings.issuer:
            return None
        return OpenId(
            settings, read_secret(settings.client_secret_file, "openid.client_secret_file")
        )

    @cached_property
    def entrance(self) -> Entrance:
        """Who is let in.

        Raises
        ------
        SettingsError
            If the file of the site's token cannot be read.
        """
        access, web = self.settings.access, self.settings.web
        return Entrance(
            accounts=self.accounts,
            sessions=Sessions(
                engine=self.database,
                audit=self.audit,
                clock=SystemClock(),
                timeouts=Timeouts(idle_s=access.idle_timeout_s, whole_s=access.session_timeout_s),
            ),
            throttle=Throttle(self.database, SystemClock()),
            passwords=self.passwords,
            audit=self.audit,
            token=read_secret(web.token_file, "web.token_file"),
            token_roles=roles_of(web.token_roles, Role),
            has_provider=self.openid is not None,
        )

    def exposure(self) -> str:
        """Say who may come in from where.

        Raises
        ------
        SettingsError
            If others could come in unasked, or passwords would travel in the clear.
        """
        entrance = self.entrance
        return check_exposure(
            self.settings.web, needs_login=entrance.needs_login(), has_token=entrance.has_token
        )

    def close(self) -> None:
        """Let go of the database."""
        if "database" in self.__dict__:
            self.database.dispose()

    @cached_property
    def concepts(self) -> ConceptTable:
        """The concept table."""
        return load_concepts()

    @cached_property
    def templates(self) -> Templates:
        """The report templates, ours and the site's.

        Raises
        ------
        InputError
            For the first that can't be used, naming file, line and remedy.
        """
        return Templates(self.settings.reporting, self.concepts)

    @cached_property
    def polisher(self) -> Polisher | None:
        """What asks the site's language model to reword a sentence; None where it is off."""
        return polisher_of(self.settings, self.concepts)

    @cached_property
    def uids(self) -> RandomUids:
        """Source of new UIDs."""
        return RandomUids(self.settings.objects.uid_root)

    @cached_property
    def models(self) -> ModelInstaller:
        """Installer of weights and sample studies."""
        return ModelInstaller(
            self.settings.storage.models,
            {"litemedsam": _build_litemedsam, "medsam3": _medsam3_needs_files},
        )

    @cached_property
    def grammar(self) -> SpokenGrammar:
        """The sentences that are understood."""
        return SpokenGrammar(self.concepts)

    @cached_property
    def transcriber(self) -> Transcriber:
        """The speech engine the settings name.

        Raises
        ------
        SettingsError
            If it needs an extra that is not installed.
        """
        speech = self.settings.speech
        lexicon = load_lexicon(_shipped_path("lexicon.toml"))
        folder = self.models.folder(WHISPER)
        if speech.engine == "whisper-ct2":
            return WhisperCt2(folder, lexicon, speech.threads)
        try:
            from voice.whisper_torch import WhisperTorch  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SettingsError(
                "speech.engine = 'openai-whisper' needs the extra of that name: "
                "pip install 'radcopilot[openai-whisper]'"
            ) from error
        return WhisperTorch(folder, lexicon, speech.threads)

    @cached_property
    def engines(self) -> Mapping[str, Segmenter]:
        """Every installed segmenter, by name; weights load at first use."""
        settings = self.settings.segmentation
        context = EngineContext(
            models_folder=self.settings.storage.models,
            concepts=self.concepts,
            threads=settings.threads,
            memory_bytes=settings.memory_mb * _MIB,
            seen_folder=self.seen_folder if settings.disk_mb else None,
            seen_bytes=settings.disk_mb * _MIB,
            checks_windows=settings.check_windows,
            device=settings.device,
            precision=settings.precision,
            backend=settings.backend,
        )
        factories: dict[str, Callable[[EngineContext], Segmenter]] = {
            found.name: found.load() for found in entry_points(group=ENGINE_ENTRY_POINTS)
        }
        return {name: factory(context) for name, factory in factories.items()}

    @cached_property
    def renderer(self) -> DraftRenderer:
        """The draft's templates."""
        return DraftRenderer(_shipped("templates/draft.md.j2"), _shipped("templates/draft.html.j2"))

    @cached_property
    def analyst(self) -> Analyst:
        """Runs commands on files."""
        return Analyst(
            concepts=self.concepts,
            engines=self.engines,
            default_engine=self.settings.segmentation.engine,
            renderer=self.renderer,
            uids=self.uids,
            finders=(NoduleFinder(self.concepts),),
            agent=self.agent,
            load=self.volumes.load,
        )

    @cached_property
    def comparer(self) -> Comparer:
        """Compares files with a prior's."""
        return Comparer(analyst=self.analyst, concepts=self.concepts, uids=self.uids)

    @cached_property
    def stored_comparer(self) -> StoredComparer:
        """Compares stored series with their priors."""
        return StoredComparer(
            comparer=self.comparer,
            priors=PriorShelf(self.store),
            results=self.results,
            concepts=self.concepts,
            engines=tuple(self.engines),
        )

    @cached_property
    def volumes(self) -> Volumes:
        """The series that were read last."""
        return Volumes()

    @cached_property
    def agent_records(self) -> Records:
        """What the agent did, to be played again."""
        return Records(self.settings.storage.root / "agent")

    @cached_property
    def agent(self) -> Agent:
        """What looks at masks and tries again.

        Raises
        ------
        SettingsError
            If the endpoint that the settings name cannot be used.
        """
        return Agent(
            concepts=self.concepts,
            records=self.agent_records,
            clock=SystemClock(),
            when=When(self.settings.agent.when),
            language=self._language(),
        )

    def _language(self) -> Language | None:
        agent = self.settings.agent
        if not agent.endpoint:
            return None
        return Language(
            endpoint=Endpoint(
                url=agent.endpoint,
                model=agent.model,
                api_key=agent.api_key(),
                request_timeout_s=agent.request_timeout_s,
                extra=agent.extra,
            ),
            pictures=agent.pictures,
            limits=Limits(
                rounds=agent.rounds,
                time_s=agent.time_s,
                tokens=agent.tokens,
                cost=agent.cost,
                price_in=agent.price_in,
                price_out=agent.price_out,
            ),
        )

    @cached_property
    def audit(self) -> SqlAuditLog:
        """The audit trail."""
        self._make_root()
        try:
            return SqlAuditLog(self.database, SystemClock())
        except SQLAlchemyError as error:
            raise StorageError(
                f"the database {self.settings.storage.database_url!r} cannot be opened: "
                f"{str(getattr(error, 'orig', None) or error).splitlines()[0]}"
            ) from error

    @cached_property
    def results(self) -> Results:
        """What was made of commands."""
        return Results(self.database, self.audit, self.settings.storage.root / "results")

    @cached_property
    def outbox(self) -> Outbox:
        """What goes to which destination."""
        self._make_root()
        return Outbox(self.database, SystemClock())

    @cached_property
    def durable(self) -> Durable:
        """Work that outlives the process, not yet started."""
        self._make_root()
        return Durable(self.work_url, self.executor)

    @property
    def work_url(self) -> str:
        """Where work is remembered."""
        storage = self.settings.storage
        return work_database(storage.database_url, str(storage.root))

    def deliveries(self) -> tuple[Workflow, ...]:
        """Return what brings results to their destinations."""
        courier = Courier(
            outbox=self.outbox,
            results=self.results,
            publishers={peer.ae_title: self.publisher(peer) for peer in self.settings.peers},
            audit=self.audit,
            packer=self.packer,
        )

        def later(delivery: Delivery, pause_s: float) -> None:
            self.queue_delivery(self.durable, delivery, pause_s)

        def deliver(result_id: str, destination: str) -> str:
            return courier.deliver(result_id, destination, step, later)

        def deliver_unprepared(result_id: str, destination: str) -> str:
            return courier.deliver_unprepared(result_id, destination, step, later)

        at_once = max(1, len(self.settings.peers))
        return (
            Workflow(name=DELIVER, run=deliver, queue=QUEUE, at_once=at_once),
            Workflow(name=OLD_DELIVER, run=deliver_unprepared, queue=QUEUE, at_once=at_once),
            Workflow(name=DELIVER_REPORT, run=self._deliver_report, queue=REPORT_QUEUE),
        )

    def _deliver_report(self, key: str, destination: str) -> str:
        return self.report_courier.run(key, destination, step)

    @cached_property
    def report_courier(self) -> ReportCourier:
        """What brings versions of reports, as ``report_of`` returns them, to their destinations."""

        def later(delivery: Delivery, pause_s: float) -> None:
            self.queue_delivery(self.durable, delivery, pause_s)

        return ReportCourier(
            outbox=self.outbox,
            dispatches=self.dispatches,
            report_of=self.report_of,
            destinations={
                each.name: ReportDestination(
                    listener=self.listener(each),
                    envelope=Envelope(
                        **each.model_dump(
                            include={field.name for field in fields(Envelope)} - {"at"}
                        )
                    ),
                )
                for each in self.settings.report_destinations
            },
            audit=self.audit,
            later=later,
        )

    @cached_property
    def dispatches(self) -> Dispatches:
        """Which versions of reports went, or go, to destinations."""
        self._make_root()
        return Dispatches(self.database, SystemClock())

    def listener(self, settings: ReportDestinationSettings) -> Listener:
        """Return who takes HL7 messages."""
        plain = settings.model_dump(include={field.name for field in fields(Listener)} - {"tls"})
        return Listener(**plain, tls=_client_tls(settings.tls))

    @cached_property
    def packer(self) -> Packer:
        """What makes the objects that destinations ask for."""
        return Packer(
            results=self.results,
            archive=self.store,
            concepts=self.concepts,
            destinations={
                peer.ae_title: Destination(objects=peer.objects, retract=peer.retract)
                for peer in self.settings.peers
            },
            uid_root=self.settings.objects.uid_root,
        )

    def queue_delivery(self, queue: WorkQueue, delivery: Delivery, pause_s: float = 0.0) -> None:
        """Queue the next try of a delivery."""
        queue.enqueue(
            delivery.workflow,
            delivery.workflow_id,
            delivery.result_id,
            delivery.destination,
            delay_s=pause_s,
        )

    def listen(self, listener: Arrival) -> None:
        """Have each image that arrives told to a listener."""
        self._listeners.append(listener)

    def _arrived(self, header: Dataset, path: Path) -> None:
        for listener in self._listeners:
            listener(header, path)

    @cached_property
    def store(self) -> Store:
        """Received instances."""
        self._make_root()
        return Store(
            self.settings.storage.root,
            Index(self.settings.storage.database_url),
            self._arrived,
            self.room,
        )

    @cached_property
    def room(self) -> Room:
        """What is free where studies are kept, and must stay free."""
        least_free_gb = self.settings.retention.least_free_gb
        return Room(self.settings.storage.root, int(least_free_gb * _GB))

    @property
    def seen_folder(self) -> Path:
        """Where engines keep what they saw ahead."""
        return self.settings.storage.root / "seen"

    @cached_property
    def looking_ahead(self) -> LookingAhead:
        """What looks at series as they arrive, not yet started."""
        _, engine = self.analyst.engine(None)
        return LookingAhead(engine, self.volumes.load)

    @cached_property
    def commitments(self) -> CommitmentDesk:
        """Where answers to storage commitment requests arrive."""
        return CommitmentDesk()

    @cached_property
    def node(self) -> DicomNode:
        """Our DICOM node, not yet listening."""
        node = self.settings.node
        address = NodeAddress(
            ae_title=node.ae_title,
            host=node.host,
            port=node.port,
            idle_timeout_s=node.idle_timeout_s,
            most_associations=node.most_associations,
            largest_pdu=node.largest_pdu_kb * _KIB,
            largest_instance=node.largest_instance_mb * _MIB,
        )
        return DicomNode(address, self.store, self.commitments, door=self.door, tls=self.node_tls)

    @cached_property
    def door(self) -> Door:
        """Who may associate with our node.

        Raises
        ------
        InputError
            If an entry of the list is no address, network or name.
        """
        node = self.settings.node
        listed = [Allowed(ae_title=entry.ae_title, host=entry.host) for entry in node.allow]
        door = Door(ae_title=node.ae_title, allowed=listed, check_called_ae=node.check_called_ae)
        return door.with_peers(
            (peer.ae_title, peer.host) for peer in self.settings.peers if not peer.stow_url
        )

    @property
    def node_tls(self) -> ServerTls | None:
        """What our node shows to callers; None for plain DICOM.

        Raises
        ------
        SettingsError
            If only one of certificate and key is given.
        """
        tls = self.settings.node.tls
        if not (tls.certificate or tls.key or tls.ca):
            return None
        if not (tls.certificate and tls.key):
            raise SettingsError("[node.tls] needs certificate and key together")
        return ServerTls(certificate=_file(tls.certificate), key=_file(tls.key), ca=_given(tls.ca))

    def publisher(self, settings: PeerSettings) -> DicomPeer | WebSource:
        """Return a destination of results."""
        return self.web_peer(settings) if settings.stow_url else self.peer(settings)

    def source(self, settings: PeerSettings) -> DicomPeer | WebSource:
        """Return a peer that is asked and fetched from."""
        return self.web_peer(settings) if settings.stow_url else self.peer(settings)

    def web_peer(self, settings: PeerSettings) -> WebSource:
        """Return a DICOMweb peer.

        Raises
        ------
        SettingsError
            If a file of its secrets cannot be read.
        """
        name = settings.ae_title
        return WebSource(
            WebPeer(
                name=name,
                url=settings.stow_url.rstrip("/"),
                token=read_secret(settings.token_file, f"token_file of {name}"),
                user=settings.user,
                password=read_secret(settings.password_file, f"password_file of {name}"),
                ca=_given(settings.ca),
                connect_timeout_s=settings.connect_timeout_s,
                answer_timeout_s=settings.answer_timeout_s,
            )
        )

    def peer(self, settings: PeerSettings) -> DicomPeer:
        """Return a DICOM node we call.

        Raises
        ------
        InputError
            If it is a DICOMweb destination.
        """
        if settings.stow_url:
            raise InputError(
                f"{settings.ae_title} is a DICOMweb peer (stow_url): it has no C-ECHO and no "
                "C-MOVE; name a peer with host and port"
            )
        tls = _client_tls(settings.tls)
        plain = settings.model_dump(include={field.name for field in fields(Peer)} - {"tls"})
        return DicomPeer(self.settings.node.ae_title, Peer(**plain, tls=tls), self.commitments)

    def peer_called(self, ae_title: str) -> PeerSettings:
        """Return the settings of a peer by its AE title.

        Raises
        ------
        InputError
            Naming those that there are.
        """
        for peer in self.settings.peers:
            if peer.ae_title == ae_title:
                return peer
        known = ", ".join(peer.ae_title for peer in self.settings.peers) or "none"
        raise InputError(f"no peer {ae_title!r} in the settings ([[peers]]: {known})")

    def fetcher(self, ae_title: str, most_instances: int | None = None) -> Fetcher:
        """Return what fetches from a peer into our store."""
        settings = self.peer_called(ae_title)
        bound = most_instances or self.settings.priors.most_instances
        return Fetcher(ae_title, self.source(settings), self.store, bound)

    @property
    def prior_rules(self) -> PriorRules:
        """Which earlier studies are worth fetching."""
        priors = self.settings.priors
        return PriorRules(most=priors.most, years=priors.years, match=Match(priors.match))

    @property
    def quiet_periods(self) -> QuietPeriods:
        """After how long a quiet a study is taken as sent."""
        settings = self.settings.completeness
        return QuietPeriods(default_s=settings.quiet_s, by_modality=settings.quiet_s_by_modality)

    def _make_root(self) -> None:
        try:
            self.settings.storage.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"storage folder {self.settings.storage.root} cannot be made ({error.strerror}): "
                "set [storage] folder to one that can be written"
            ) from error


def _file(name: str) -> Path:
    return Path(name).expanduser()


def _given(name: str) -> Path | None:
    return _file(name) if name else None


def _client_tls(settings: PeerTlsSettings | None) -> ClientTls | None:
    if settings is None:
        return None
    return ClientTls(
        ca=_given(settings.ca),
        certificate=_given(settings.certificate),
        key=_given(settings.key),
        check_hostname=settings.check_hostname,
    )


def _no_report(report_id: str, version: int) -> Report:
    raise InputError(f"there is no version {version} of a report {report_id!r}")


def _build_litemedsam(members: Path, built: Path, progress: Progress) -> None:
    build_onnx(members / "lite_medsam.pth", built, progress)


def medsam3_step(base: Path | None, adapter: Path | None) -> BuildStep:
    """Return what installs MedSAM-3 from the operator's files; None twice: from random numbers."""
    sources = Sources(base=base, adapter=adapter) if base and adapter else None

    def build_medsam3(members: Path, built: Path, progress: Progress) -> None:
        build(sources, members, built, progress)

    return build_medsam3


def _medsam3_needs_files(members: Path, built: Path, progress: Progress) -> None:  # noqa: ARG001
    raise InputError("MedSAM-3 is installed from your own files: give base and adapter")


def _shipped(name: str) -> str:
    return resources.files("configs").joinpath(name).read_text(encoding="utf-8")


def _shipped_path(name: str) -> Path:
    return Path(str(resources.files("configs").joinpath(name)))
