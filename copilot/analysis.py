"""One command on one series: mask, measurements, SEG, SR and draft, nothing sent."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.dataset import Dataset

from copilot.agent.agent import Agent, Outcome, When
from copilot.candidates import Listed, asks_for_candidates, listed, unheeded
from copilot.hints import Hints, LaidMask
from copilot.over_time import areas_csv
from copilot.picturing import picture_of
from copilot.planner import RulePlanner, makes_masks
from copilot.reviewer import RuleReviewer
from dicom_node.context import study_context
from dicom_node.equipment import MANUFACTURER, MODEL_NAME, device_uid, software_version
from dicom_node.files import headers, write_dataset, write_whole
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.candidate import Candidate
from domain.command import Command, MeasureCommand, SegmentCommand, ShowCommand
from domain.concepts import Concept, ConceptTable
from domain.errors import CannotDoError, InputError
from domain.measurement import Finding
from domain.ports import CandidateFinder, Progress, Segmenter, UidSource, no_progress
from domain.prompt import Prompt
from domain.report import ReportDraft, Statement
from domain.segment import Segment
from domain.uids import InstanceUID
from domain.volume import Volume
from reporting.draft import DraftRenderer, draft_report
from reporting.findings import Tracking, located, measured
from reporting.over_time import FrameArea, areas_over_time
from reporting.sr import SrAuthor, measurement_report

Load = Callable[[Sequence[Path], Progress], Volume]
Seen = Callable[[Segment], None]


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A segment with its concept and the finding made of it; ``areas`` of a cine, by frame."""

    segment: Segment
    concept: Concept | None
    finding: Finding
    picture: bytes
    areas: tuple[FrameArea, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Everything a command led to; datasets are None where no mask was made."""

    command: Command
    engine: str
    volume: Volume | None
    marked: tuple[Marked, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    refusals: tuple[str, ...] = ()
    absences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    segmentation: Dataset | None = None
    report: Dataset | None = None
    draft: ReportDraft | None = None
    markdown: str = ""
    html: str = ""
    hints: Hints = field(default_factory=Hints)
    timings_s: Mapping[str, float] = field(default_factory=dict)

    def write(self, folder: Path) -> dict[str, Path]:
        """Write what there is and return the files by kind, absolute."""
        folder = folder.resolve()
        written: dict[str, Path] = {}
        if self.segmentation is not None:
            written["seg"] = write_dataset(self.segmentation, folder / "seg.dcm")
        if self.report is not None:
            written["sr"] = write_dataset(self.report, folder / "sr.dcm")
        if self.draft is not None:
            write_whole(folder / "draft.md", self.markdown.encode())
            write_whole(folder / "draft.html", self.html.encode())
            written |= {"draft_md": folder / "draft.md", "draft_html": folder / "draft.html"}
        for number, marked in enumerate(self.marked, start=1):
            path = folder / f"outline_{number}.png"
            write_whole(path, marked.picture)
            written[f"outline_{number}"] = path
            if marked.areas:
                table = folder / f"areas_{number}.csv"
                write_whole(table, areas_csv(marked.areas))
                written[f"areas_{number}"] = table
        return written


@dataclass(frozen=True, kw_only=True)
class Named:
    """An outline that is there already, and how it is followed over time; None takes the next."""

    segment: Segment
    label: str | None = None
    uid: InstanceUID | None = None


class Analyst:
    """Runs commands that make masks; knows no network and no page."""

    def __init__(
        self,
        *,
        concepts: ConceptTable,
        engines: Mapping[str, Segmenter],
        default_engine: str,
        renderer: DraftRenderer,
        uids: UidSource,
        finders: Sequence[CandidateFinder] = (),
        agent: Agent | None = None,
        load: Load = load_series,
    ) -> None:
        self._concepts = concepts
        self._agent = agent
        self._load = load
        self._finders = finders
        self._engines = engines
        self._default_engine = default_engine
        self._renderer = renderer
        self._uids = uids
        self._reviewer = RuleReviewer(concepts)
        self._planner = RulePlanner()

    def engine(self, name: str | None) -> tuple[str, Segmenter]:
        """Return an engine by name, or the default one.

        Raises
        ------
        InputError
            For a name that is not installed.
        """
        wanted = name or self._default_engine
        if wanted not in self._engines:
            raise InputError(
                f"no engine is called {wanted!r}: installed are {', '.join(sorted(self._engines))}"
            )
        return wanted, self._engines[wanted]

    def candidates(self, volume: Volume, prompt: Prompt, progress: Progress) -> Listed | str:
        """Return places to click on for words alone, or the reason why none are looked for."""
        return listed(self._finders, volume, prompt, progress)

    def run(
        self,
        files: Sequence[Path],
        command: Command,
        hints: Hints,
        progress: Progress,
        engine: str | None = None,
        *,
        agent: When | None = None,
        seen: Seen | None = None,
    ) -> Analysis:
        """Return what the command leads to on the series of these files.

        ``agent`` says when the agent works; None leaves that to the settings. ``seen`` is told
        each mask as soon as it is made, before it is measured and written.

        A command that only acts on the page, and a question back, come out as they are.

        Raises
        ------
        InputError
            For files, hints or an engine's name that cannot be used.
        ModelMissingError
            If the engine's weights are not installed.
        """
        name, segmenter = self.engine(engine)
        if not makes_masks(self._planner.plan(command)) and not asks_for_candidates(
            command, self._concepts
        ):
            return Analysis(
                command=command,
                engine=name,
                volume=None,
                hints=hints,
                warnings=("this command acts on the open study of the page: nothing to do here",),
            )
        clock = _Stopwatch()
        with clock.timed("load"):
            volume = self._load(files, progress)
        outcome = _Outcome(notes=list(volume.notes) if volume.grid.is_time else [], seen=seen)
        with clock.timed("segment"):
            for prompt in self._prompts(command, hints, volume, outcome):
                if self._agent is not None and self._agent.wants(segmenter, volume, prompt, agent):
                    found = self._agent.work(segmenter, volume, prompt, progress, files)
                    self._take(found, volume, prompt, outcome)
                else:
                    self._segment(segmenter, volume, prompt, progress, outcome)
        note = unheeded(command)
        if outcome.candidates and note is not None:
            outcome.notes.append(note)
        analysis = self._written(
            command=command,
            engine=name,
            volume=volume,
            files=files,
            outcome=outcome,
            clock=clock,
        )
        return replace(analysis, hints=hints)

    def drawn(
        self,
        files: Sequence[Path],
        command: Command,
        segments: Sequence[Segment | Named],
        engine: str,
        *,
        volume: Volume | None = None,
        statements: Sequence[str] = (),
    ) -> Analysis:
        """Return what masks that a person drew or named on the series of these files measure.

        Parameters
        ----------
        volume
            Of these files, where it is read already.
        statements
            Sentences of the draft beside the findings.

        Raises
        ------
        InputError
            For files that make no volume.
        """
        clock = _Stopwatch()
        if volume is None:
            with clock.timed("load"):
                volume = self._load(files, no_progress)
        named = [each if isinstance(each, Named) else Named(segment=each) for each in segments]
        outcome = _Outcome(
            segments=[self._reviewer.reviewed(volume, Prompt(), each.segment) for each in named],
            names=named,
            statements=list(statements),
        )
        return self._written(
            command=command,
            engine=engine,
            volume=volume,
            files=files,
            outcome=outcome,
            clock=clock,
        )

    def compared(
        self, analysis: Analysis, comparison: Sequence[str], impression: Sequence[str]
    ) -> Analysis:
        """Return an analysis whose draft says what the study was compared with, and what came."""
        if analysis.draft is None:
            return analysis
        draft = replace(
            analysis.draft,
            comparison=tuple(Statement(text=text) for text in comparison),
            impression=tuple(Statement(text=text) for text in impression)
            or analysis.draft.impression,
        )
        pictures = {m.finding.tracking_id: m.picture for m in analysis.marked}
        return replace(
            analysis,
            draft=draft,
            markdown=self._renderer.markdown(draft),
            html=self._renderer.html(draft, pictures),
        )

    def _prompts(
        self, command: Command, hints: Hints, volume: Volume, outcome: "_Outcome"
    ) -> Iterator[Prompt]:
        if isinstance(command, ShowCommand):
            concepts: tuple[str | None, ...] = (command.concept,)
            side = command.side.value if command.side else None
        elif isinstance(command, SegmentCommand):
            concepts = command.concept
            side = command.side.value if command.side else None
        else:
            assert isinstance(command, MeasureCommand)
            concepts, side = (command.concept,), None
            if hints.is_empty:
                outcome.refusals.append(
                    "nothing is selected to be measured: draw a box round it, its longest diameter "
                    "or a scribble on it, or click on it"
                )
                return
        if len(concepts) > 1 and not hints.is_empty:
            raise InputError(
                f"one hint cannot show {' and '.join(str(c) for c in concepts)}: name one at a time"
            )
        mask = None
        if hints.mask is not None:
            laid = hints.mask.on(volume)
            mask, outcome.earlier = laid.mask, laid
            outcome.notes += laid.notes
        for concept in concepts:
            prompt = hints.prompt(concept, side, mask)
            prompt.check_inside(volume.grid.shape)
            yield prompt

    def _take(self, found: Outcome, volume: Volume, prompt: Prompt, outcome: "_Outcome") -> None:
        """Keep what the agent came to."""
        outcome.notes += found.notes
        for segment in found.segments:
            outcome.take(self._reviewer.reviewed(volume, prompt, segment))
        if found.absence is not None:
            outcome.absences.append(f"{prompt.concept}: not found ({found.absence})")
        if found.question is not None:
            outcome.refusals.append(found.question)

    def _segment(
        self,
        segmenter: Segmenter,
        volume: Volume,
        prompt: Prompt,
        progress: Progress,
        outcome: "_Outcome",
    ) -> None:
        reason = segmenter.supports(volume, prompt)
        if reason is not None:
            found = listed(self._finders, volume, prompt, progress)
            if isinstance(found, Listed):
                outcome.candidates += found.candidates
                outcome.notes += found.notes
            else:
                outcome.refusals.append(reason)
            return
        try:
            with segmenter.open(volume) as session:
                for segment in session.segment([prompt], progress):
                    if segment.absent_reason is not None:
                        outcome.absences.append(
                            f"{segment.concept or 'lesion'}: not found ({segment.absent_reason})"
                        )
                        continue
                    outcome.take(self._reviewer.reviewed(volume, prompt, segment))
        except CannotDoError as error:
            outcome.refusals.append(str(error))

    def _written(
        self,
        *,
        command: Command,
        engine: str,
        volume: Volume,
        files: Sequence[Path],
        outcome: "_Outcome",
        clock: "_Stopwatch",
    ) -> Analysis:
        with clock.timed("measure"):
            marked = self._measured(volume, outcome, command)
        seg, report = None, None
        with clock.timed("write"):
            if marked:
                seg, report, marked = self._objects(volume, marked, files)
        draft, markdown, html = None, "", ""
        beside = [*outcome.absences, *outcome.statements]
        if marked or beside:
            context = study_context(headers(files[:1])[0], volume)
            draft = draft_report(context, [m.finding for m in marked], beside)
            markdown = self._renderer.markdown(draft)
            html = self._renderer.html(draft, {m.finding.tracking_id: m.picture for m in marked})
        return Analysis(
            command=command,
            engine=engine,
            volume=volume,
            marked=tuple(marked),
            candidates=tuple(outcome.candidates),
            refusals=tuple(outcome.refusals),
            absences=tuple(outcome.absences),
            warnings=tuple(
                dict.fromkeys(
                    (*outcome.notes, *(warning for m in marked for warning in m.finding.warnings))
                )
            ),
            segmentation=seg,
            report=report,
            draft=draft,
            markdown=markdown,
            html=html,
            timings_s=clock.seconds,
        )

    def _measured(self, volume: Volume, outcome: "_Outcome", command: Command) -> list[Marked]:
        asked = command.measures if isinstance(command, SegmentCommand | MeasureCommand) else ()
        marked: list[Marked] = []
        for number, segment in enumerate(outcome.segments, start=1):
            concept = self._concepts.find(segment.concept) if segment.concept else None
            name = outcome.name(number - 1)
            tracking = Tracking(
                tracking_id=name.label or f"Finding {number}",
                tracking_uid=name.uid or self._uids.new_uid(),
                segment_number=number,
            )
            finding = measured(volume, segment, concept, tracking, asked)
            marked.append(
                Marked(
                    segment=segment,
                    concept=concept,
                    finding=finding,
                    picture=picture_of(volume, segment.mask, concept, finding),
                    areas=areas_over_time(volume, segment.mask) if volume.grid.is_time else (),
                )
            )
        return marked

    def _objects(
        self, volume: Volume, marked: Sequence[Marked], files: Sequence[Path]
    ) -> tuple[Dataset, Dataset, list[Marked]]:
        seg = SegWriter(self._uids).build(
            volume,
            [(m.segment, m.concept, m.finding.tracking_id, m.finding.tracking_uid) for m in marked],
            files,
        )
        uid = InstanceUID(str(seg.SOPInstanceUID))
        placed = [replace(m, finding=located(m.finding, uid)) for m in marked]
        author = SrAuthor(
            manufacturer=MANUFACTURER,
            model_name=MODEL_NAME,
            version=software_version(),
            device_uid=device_uid(marked[0].segment.provenance),
        )
        findings = [m.finding for m in placed]
        report = measurement_report(findings, seg, headers(files), author, self._uids)
        return seg, report, placed


@dataclass(kw_only=True)
class _Outcome:
    segments: list[Segment] = field(default_factory=list)
    names: list[Named] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    absences: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    earlier: LaidMask | None = None
    seen: Seen | None = None

    def name(self, index: int) -> Named:
        """Return a mask and how it is followed; one that corrects another is the same finding."""
        if self.names:
            return self.names[index]
        segment = self.segments[index]
        if self.earlier is None or len(self.segments) != 1:
            return Named(segment=segment)
        return Named(segment=segment, label=self.earlier.tracking_id, uid=self.earlier.tracking_uid)

    def take(self, segment: Segment) -> None:
        """Keep a mask, and show it."""
        self.segments.append(segment)
        if self.seen is not None:
            self.seen(segment)


class _Stopwatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(time.perf_counter() - start, 3)
