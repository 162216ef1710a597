"""The main job, nothing faked: archive, node, voice, mask, SEG and SR, a yes, and the archive.

The only stand-in is the reader: the box is drawn round the expert's mask, and the yes is said by
whoever started the demo.
"""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pydicom

from copilot.analysis import Analysis
from copilot.comparing.comparer import Prior
from copilot.demo.archive import DemoArchive, running_archive
from copilot.demo.follow_up import DAYS, make_follow_up
from copilot.demo.study import EXPERT_VOLUME_ML, SampleCase, make_chest_ct
from copilot.evaluation.agreement import dice
from copilot.evaluation.gestures import range_of, tight_box
from copilot.hints import Hints
from copilot.intent.interpretation import interpret
from copilot.models.catalog import DEFAULT, SAMPLE_STUDY
from copilot.models.fetch import PackageSource
from copilot.understanding import understood
from copilot.wiring.house import House
from dicom_node.files import write_whole
from dicom_node.seg_reader import read_segmentation
from domain.codes import LONG_AXIS, SHORT_AXIS, VOLUME
from domain.command import Command, MeasureCommand, SegmentCommand
from domain.comparison import Verdict
from domain.errors import RadcopilotError
from domain.ports import Progress, no_progress
from domain.uids import InstanceUID, SeriesUID, StudyUID
from reporting.priors.wording import said
from voice.audio import read_utterance

ACTOR: Final = "demo user"
LARGEST_VOLUME_ERROR: Final = 0.15
LEAST_DICE: Final = 0.85
_COMPARE: Final = "compare with the prior"
_RECORDINGS: Final = ("measure_this_lesion.wav", "segment_the_lung_lesion.wav")

Report = Callable[[str, float], None]


class DemoFailedError(RadcopilotError):
    """A step of the demo did not hold."""


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """What was said of the lesion at the second time, and how it grew: measured, and in truth."""

    says: str
    grown: float
    expected: float


@dataclass(kw_only=True)
class DemoOutcome:
    """What the closing table shows."""

    archive: str = ""
    heard: list[tuple[str, str, str]] = field(default_factory=list)
    received: int = 0
    volume_ml: float = 0.0
    dice: float = 0.0
    long_axis_mm: float = 0.0
    short_axis_mm: float = 0.0
    stored: int = 0
    committed: int | None = None
    follow_up: FollowUp | None = None
    files: dict[str, Path] = field(default_factory=dict)
    audit_entries: int = 0

    @property
    def volume_error(self) -> float:
        """Signed share by which our volume differs from the expert's."""
        return self.volume_ml / EXPERT_VOLUME_ML - 1.0


class Demo:
    """Runs the steps in order, reporting each with its seconds."""

    def __init__(self, home: House, output: Path, report: Report, progress: Progress) -> None:
        self._home = home
        self._output = output
        self._report = report
        self._progress = progress
        self._outcome = DemoOutcome()

    def run(self, source: PackageSource) -> DemoOutcome:
        """Do the main job; the node must be listening already.

        Raises
        ------
        DemoFailedError
            Naming the step that did not hold.
        """
        with self._step("models and sample study"):
            for name in (*DEFAULT, SAMPLE_STUDY.name):
                self._home.models.install(name, source, self._progress)
        with self._step("the sample as a DICOM series"):
            folder = self._home.models.folder(SAMPLE_STUDY.name)
            case = make_chest_ct(folder, self._home.uids, self._output / "study")
        with self._archive() as archive:
            self._receive(archive, case)
            commands = [self._hear(name) for name in _RECORDINGS]
            for command in commands:
                analysis = self._analyse(command, case)
            self._judge(analysis, case)
            self._publish(archive, analysis, case)
            self._follow_up(archive, case)
        with self._step("audit trail verified"):
            self._outcome.audit_entries = self._home.audit.verify()
        return self._outcome

    @contextmanager
    def _archive(self) -> Iterator[DemoArchive]:
        start = time.perf_counter()
        with running_archive(self._output / "archive", self._home.node) as archive:
            self._outcome.archive = archive.name
            self._report(f"archive started: {archive.name}", time.perf_counter() - start)
            yield archive

    def _follow_up(self, archive: DemoArchive, case: SampleCase) -> None:
        """Compare with the study just read a second one, of which is known how the lesion grew."""
        with self._step(f"the same patient {DAYS} days later, the lesion enlarged"):
            later = make_follow_up(case, self._home.uids, self._output / "follow_up" / "study")
        self._receive(archive, later)
        box, slices = tight_box(later.expert), range_of(later.expert)
        prior = Prior(
            images=self._home.store.instance_paths(SeriesUID(case.series_instance_uid)),
            others=(self._outcome.files["seg"], self._outcome.files["sr"]),
        )
        with self._step("compare with the prior: aligned, its SR read, matched, measured"):
            compared = self._home.comparer.run(
                self._home.store.instance_paths(SeriesUID(later.series_instance_uid)),
                prior,
                understood(self._home.grammar, _COMPARE),
                hints=Hints(boxes=(box,), slice_range=slices),
                progress=self._progress,
            )
        comparison = compared.comparison
        if comparison.refusal is not None or len(comparison.changes) != 1:
            raise DemoFailedError(comparison.refusal or "the lesion was not found again")
        (change,) = comparison.changes
        expected = later.expert.voxel_count / case.expert.voxel_count
        if change.verdict is not Verdict.LARGER or change.percent is None:
            raise DemoFailedError(f"the enlarged lesion was said to be {change.verdict.value}")
        grown = 1.0 + change.percent / 100.0
        if abs(grown / expected - 1.0) > LARGEST_VOLUME_ERROR:
            raise DemoFailedError(f"grown {grown:.2f} times; the expert's outline {expected:.2f}")
        files = compared.current.write(self._output / "follow_up")
        self._outcome.files |= {f"follow-up {kind}": path for kind, path in files.items()}
        self._outcome.follow_up = FollowUp(
            says=said(change, comparison.prior_date, comparison.current_date),
            grown=grown,
            expected=expected,
        )

    def _receive(self, archive: DemoArchive, case: SampleCase) -> None:
        with self._step(f"scanner -> archive, {len(case.files)} images by C-STORE"):
            archive.peer.store(case.files)
        with self._step("archive -> our node by C-STORE"):
            archive.send_study(StudyUID(case.study_instance_uid), self._home.node)
            files = self._home.store.instance_paths(SeriesUID(case.series_instance_uid))
        self._outcome.received += len(files)
        if len(files) != len(case.files):
            raise DemoFailedError(f"{len(files)} of {len(case.files)} images arrived at our node")

    def _hear(self, name: str) -> Command:
        with resources.as_file(resources.files("copilot.demo") / "recordings" / name) as recording:
            utterance = read_utterance(recording)
        with self._step(f"speech to command, {name}"):
            transcript = self._home.transcriber.transcribe(utterance, self._home.grammar)
            command = interpret(transcript, self._home.grammar)
        self._outcome.heard.append((name, transcript.text, command.action))
        expected = MeasureCommand if name.startswith("measure") else SegmentCommand
        if not isinstance(command, expected):
            raise DemoFailedError(f"{name} was heard as {transcript.text!r}: {command.action}")
        return command

    def _analyse(self, command: Command, case: SampleCase) -> Analysis:
        box, slices = tight_box(case.expert), range_of(case.expert)
        files = self._home.store.instance_paths(SeriesUID(case.series_instance_uid))
        with self._step(f"{command.action}: mask, measurements, SEG, SR, draft"):
            analysis = self._home.analyst.run(
                files, command, Hints(boxes=(box,), slice_range=slices), self._progress
            )
        if not analysis.marked:
            raise DemoFailedError("; ".join(analysis.refusals) or "no mask was made")
        return analysis

    def _judge(self, analysis: Analysis, case: SampleCase) -> None:
        marked = analysis.marked[0]
        outcome = self._outcome
        outcome.volume_ml = _value(marked.finding.measurement(VOLUME))
        outcome.long_axis_mm = _value(marked.finding.measurement(LONG_AXIS))
        outcome.short_axis_mm = _value(marked.finding.measurement(SHORT_AXIS))
        outcome.dice = dice(marked.segment.mask.on(case.expert.grid), case.expert)
        if abs(outcome.volume_error) > LARGEST_VOLUME_ERROR:
            raise DemoFailedError(f"{outcome.volume_ml:.3f} mL is not within 15 % of the expert's")
        if outcome.dice < LEAST_DICE:
            raise DemoFailedError(f"Dice {outcome.dice:.3f} with the expert's mask is below 0.85")

    def _publish(self, archive: DemoArchive, analysis: Analysis, case: SampleCase) -> None:
        with self._step("files written"):
            self._outcome.files = analysis.write(self._output)
        sent = [self._outcome.files["seg"], self._outcome.files["sr"]]
        assert analysis.segmentation is not None
        subject = str(analysis.segmentation.SOPInstanceUID)
        self._home.audit.record(actor=ACTOR, act="result.accepted", subject=subject)
        with self._step("our node -> archive, SEG and SR, storage commitment"):
            receipt = archive.peer.publish(sent)
        self._home.audit.record(actor=ACTOR, act="result.sent", subject=subject)
        self._outcome.stored = len(receipt.stored)
        if receipt.committed is not None:
            self._outcome.committed = len(receipt.committed)
            if set(receipt.committed) != set(receipt.stored):
                raise DemoFailedError("the archive did not commit to everything it stored")
        elif archive.commits:
            raise DemoFailedError("the archive offers storage commitment but gave none")
        with self._step("read back from the archive and compared"):
            self._read_back(archive, analysis, case, receipt.stored)

    def _read_back(
        self,
        archive: DemoArchive,
        analysis: Analysis,
        case: SampleCase,
        stored: tuple[InstanceUID, ...],
    ) -> None:
        for uid, path in zip(stored, (self._outcome.files[k] for k in ("seg", "sr")), strict=True):
            content = archive.read_back(uid)
            back = pydicom.dcmread(io.BytesIO(content))
            if _plain(back) != _plain(pydicom.dcmread(path)):
                raise DemoFailedError(f"{path.name} came back from the archive changed")
            if path.name == "seg.dcm":
                copy = self._output / "archive" / "seg_read_back.dcm"
                write_whole(copy, content)
                mask = read_segmentation(copy, case.expert.grid).segments[0].mask
                ours = analysis.marked[0].segment.mask.on(case.expert.grid)
                if (mask.voxels != ours.voxels).any():
                    raise DemoFailedError("the mask read back differs from the one sent")

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._report(name, time.perf_counter() - start)


def run_demo(
    home: House,
    output: Path,
    report: Report,
    source: PackageSource,
    progress: Progress = no_progress,
) -> DemoOutcome:
    """Run the demo on a house whose node is listening."""
    return Demo(home, output, report, progress).run(source)


def _value(measurement: Any) -> float:  # noqa: ANN401 - a Measurement or None
    if measurement is None:
        raise DemoFailedError("a measurement is missing")
    return float(measurement.value)


def _plain(dataset: pydicom.Dataset) -> dict[str, Any]:
    """Return the data set as JSON values: what it says, however it is encoded."""
    return dict(dataset.to_json_dict())
