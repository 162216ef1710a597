"""The house: each of its parts, put together when it is first asked for."""

from collections.abc import Mapping
from functools import cached_property, partial
from importlib import resources
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
from copilot.agent.agent import Agent, When
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
from copilot.models.install import ModelInstaller
from copilot.polishing import Polisher, polisher_of
from copilot.results import Results
from copilot.settings import Settings
from copilot.system import RandomUids, SystemClock
from copilot.templates import Templates
from copilot.wiring import access, deliveries, engines, network
from copilot.workflows.delivery import Courier, Outbox
from copilot.workflows.durable import Durable, Workflow, work_database
from copilot.workflows.packing import Packer
from copilot.workflows.reports_out import Dispatches, ReportCourier, ReportOf
from dicom_node.commitment import CommitmentDesk
from dicom_node.completeness import QuietPeriods
from dicom_node.door import Door
from dicom_node.index import Index
from dicom_node.priors import Match, PriorRules
from dicom_node.room import Room
from dicom_node.scp import DicomNode
from dicom_node.store import Arrival, Store
from domain.concepts import ConceptTable
from domain.errors import InputError, StorageError
from domain.ports import Segmenter, Transcriber
from domain.report import Report
from reporting.draft import DraftRenderer
from segmentation.lung.nodules import NoduleFinder

SERVER: Final = "local"  # the server's name among those that share the work
WHISPER: Final = "whisper-base"
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
        """The OpenID provider that the settings name, if any."""
        return access.openid_provider(self.settings)

    @cached_property
    def entrance(self) -> Entrance:
        """Who is let in."""
        return access.entrance(
            self.settings,
            self.database,
            self.audit,
            accounts=self.accounts,
            passwords=self.passwords,
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
            {"litemedsam": engines.litemedsam_step, "medsam3": engines.medsam3_needs_files},
        )

    @cached_property
    def grammar(self) -> SpokenGrammar:
        """The sentences that are understood."""
        return SpokenGrammar(self.concepts)

    @cached_property
    def transcriber(self) -> Transcriber:
        """The speech engine that the settings name."""
        weights = self.models.folder(WHISPER)
        return engines.transcriber(self.settings.speech, weights, _shipped_path("lexicon.toml"))

    @cached_property
    def engines(self) -> Mapping[str, Segmenter]:
        """Every installed segmenter, by name; weights load at first use."""
        return engines.segmenters(self.settings, self.concepts, self.seen_folder)

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
        """What looks at masks and tries again."""
        return Agent(
            concepts=self.concepts,
            records=self.agent_records,
            clock=SystemClock(),
            when=When(self.settings.agent.when),
            language=engines.language(self.settings.agent),
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
            publishers={peer.ae_title: self.peers.either(peer) for peer in self.settings.peers},
            audit=self.audit,
            packer=self.packer,
        )
        return deliveries.workflows(
            courier,
            lambda: self.report_courier,
            self.durable,
            at_once=max(1, len(self.settings.peers)),
        )

    @cached_property
    def report_courier(self) -> ReportCourier:
        """What brings versions of reports, as ``report_of`` returns them, to their destinations."""
        return ReportCourier(
            outbox=self.outbox,
            dispatches=self.dispatches,
            report_of=self.report_of,
            destinations=deliveries.report_destinations(self.settings.report_destinations),
            audit=self.audit,
            later=partial(deliveries.queue_delivery, self.durable),
        )

    @cached_property
    def dispatches(self) -> Dispatches:
        """Which versions of reports went, or go, to destinations."""
        self._make_root()
        return Dispatches(self.database, SystemClock())

    @cached_property
    def packer(self) -> Packer:
        """What makes the objects that destinations ask for."""
        return Packer(
            results=self.results,
            archive=self.store,
            concepts=self.concepts,
            destinations=deliveries.destinations(self.settings.peers),
            uid_root=self.settings.objects.uid_root,
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
        return DicomNode(
            network.node_address(node),
            self.store,
            self.commitments,
            door=self.door,
            tls=network.node_tls(node),
        )

    @cached_property
    def door(self) -> Door:
        """Who may associate with our node."""
        return network.node_door(self.settings)

    @cached_property
    def peers(self) -> network.Peers:
        """The archives and stations that the settings name."""
        return network.Peers(self.settings, self.commitments)

    def fetcher(self, ae_title: str, most_instances: int | None = None) -> Fetcher:
        """Return what fetches from a peer into our store."""
        peer = self.peers.either(self.peers.called(ae_title))
        bound = most_instances or self.settings.priors.most_instances
        return Fetcher(ae_title, peer, self.store, bound)

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


def _no_report(report_id: str, version: int) -> Report:
    raise InputError(f"there is no version {version} of a report {report_id!r}")


def _shipped(name: str) -> str:
    return resources.files("configs").joinpath(name).read_text(encoding="utf-8")


def _shipped_path(name: str) -> Path:
    return Path(str(resources.files("configs").joinpath(name)))
