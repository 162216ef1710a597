"""The working desk of the server: commands on stored series, the yes, and what follows from it."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from copilot.agent.agent import When
from copilot.analysis import Analyst
from copilot.hints import EarlierMask, Hints
from copilot.printing import printed_analysis
from copilot.results import Result, Results, State, result_of
from copilot.understanding import understood
from domain.errors import InputError
from domain.ports import Archive, Clock, Grammar, Publisher, no_progress
from domain.uids import SeriesUID

_OBJECTS: Final = ("seg.dcm", "sr.dcm")


class Desk:
    """Runs one command at a time on this machine's processor; results wait for a person.

    ``aside`` makes whatever works in the background leave the processor to the command.
    """

    def __init__(
        self,
        *,
        archive: Archive,
        analyst: Analyst,
        grammar: Grammar,
        results: Results,
        publishers: Sequence[tuple[str, Publisher]],
        clock: Clock,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._archive = archive
        self._analyst = analyst
        self._grammar = grammar
        self._results = results
        self._publishers = publishers
        self._clock = clock
        self._aside = aside
        self._busy = threading.Lock()

    @property
    def results(self) -> Results:
        """What was made so far."""
        return self._results

    def command(
        self,
        series: SeriesUID,
        sentence: str,
        hints: Hints,
        actor: str,
        engine: str | None = None,
        *,
        agent: When | None = None,
    ) -> Result:
        """Do what a sentence says on a stored series; nothing is sent.

        ``agent`` says when the agent works; None leaves that to the settings.

        Raises
        ------
        InputError
            If the series is not stored here, or a hint does not fit it.
        """
        files = self._archive.instance_paths(series)
        if not files:
            raise InputError(f"series {series} is not stored here: send it to this node first")
        command = understood(self._grammar, sentence)
        with self._busy, self._aside():
            analysis = self._analyst.run(files, command, hints, no_progress, engine, agent=agent)
            identity, folder = self._results.new_folder()
            written = analysis.write(folder)
        document = printed_analysis(analysis, written, sentence)
        result = result_of(identity, self._clock.now(), series, document)
        self._results.add(result, actor)
        return result

    def mask_of(self, identity: str, segment: int | None) -> EarlierMask:
        """Return the mask of an earlier result, to be corrected.

        Raises
        ------
        InputError
            If there is no such result, or it has no mask.
        """
        seg = self._results.folder(identity) / _OBJECTS[0]
        if not seg.is_file():
            raise InputError(f"result {identity} has no mask to correct: name one with a SEG")
        return EarlierMask(seg=seg, segment=segment)

    def accept(self, identity: str, actor: str) -> Result:
        """Record the radiologist's yes."""
        return self._results.move(identity, State.ACCEPTED, frozenset({State.WAITING}), actor)

    def reject(self, identity: str, actor: str) -> Result:
        """Record the radiologist's no; the files stay, marked rejected."""
        waiting = frozenset({State.WAITING, State.ACCEPTED})
        return self._results.move(identity, State.REJECTED, waiting, actor)

    def send(self, identity: str, actor: str) -> tuple[Result, list[dict[str, Any]]]:
        """Send an accepted result to every peer, and say what each answered.

        Raises
        ------
        InputError
            If it was not accepted, or no peer is configured.
        PeerError
            If a peer fails; the result stays accepted and can be sent again.
        """
        result = self._results.get(identity)
        if result.state is not State.ACCEPTED:
            raise InputError(
                f"result {identity} is {result.state.value}: nothing leaves before it is accepted"
            )
        if not self._publishers:
            raise InputError("no destination is configured: add [[peers]] to the settings")
        files: list[Path] = [self._results.folder(identity) / name for name in _OBJECTS]
        answers = []
        for name, publisher in self._publishers:
            receipt = publisher.publish(files)
            answers.append(
                {
                    "peer": name,
                    "stored": list(receipt.stored),
                    "committed": None if receipt.committed is None else list(receipt.committed),
                }
            )
        moved = self._results.move(identity, State.SENT, frozenset({State.ACCEPTED}), actor)
        return moved, answers
