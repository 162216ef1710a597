"""The record of a piece of work: every reply and what it was given, to be played again.

Kept on this machine alone. Pictures are kept as digests; they are made again from the images.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from copilot.agent.endings import Asked, Ending, NotFound, Proposed
from copilot.agent.loop import Turn, Work
from copilot.agent.minds import MindFailedError, Reply, Round, ToolCall
from dicom_node.files import write_whole
from domain.errors import InputError, UnreadableFileError
from domain.volume import Volume

FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """One piece of work, as it is kept.

    Attributes
    ----------
    id
        Name of its file.
    about
        What it was done on: sentence-free goal, engine, images by UID and digest, files' folder.
    turns
        The minds in order, as JSON.
    ending
        As JSON: what came of it, masks by digest.
    """

    id: str
    about: Mapping[str, Any]
    turns: tuple[Mapping[str, Any], ...]
    ending: Mapping[str, Any]


class Records:
    """Records in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, record: Record) -> Path:
        """Write a record.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        document = {
            "format": FORMAT,
            "id": record.id,
            "about": dict(record.about),
            "turns": list(record.turns),
            "ending": dict(record.ending),
        }
        path = self._folder / f"{record.id}.json"
        write_whole(path, json.dumps(document, ensure_ascii=False, indent=1).encode())
        return path

    def get(self, identity: str) -> Record:
        """Return a record by its id.

        Raises
        ------
        InputError
            If there is none.
        UnreadableFileError
            If its file is not whole.
        """
        known = self.ids()
        if identity not in known:
            raise InputError(
                f"there is no record {identity!r} in {self._folder}: see radcopilot agent list"
            )
        path = self._folder / f"{identity}.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise UnreadableFileError(
                    f"{path.name} is of format {document['format']}, this version reads {FORMAT}"
                )
            return Record(
                id=document["id"],
                about=document["about"],
                turns=tuple(document["turns"]),
                ending=document["ending"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError(
                f"{path} is no record ({type(error).__name__}): it was changed or cut short"
            ) from error

    def ids(self) -> tuple[str, ...]:
        """Return what there is, the newest last."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.json")))


class RecordedMind:
    """Decides as was decided before."""

    def __init__(self, turn: Mapping[str, Any]) -> None:
        self._turn = turn

    @property
    def name(self) -> str:
        """Who decided then."""
        return str(self._turn["mind"])

    def reply(self, rounds: Sequence[Round], seconds_left: float) -> Reply:  # noqa: ARG002 - as recorded
        """Return the reply of that round, or fail as it failed then.

        Raises
        ------
        MindFailedError
            With the reason that was recorded.
        """
        replies = self._turn["rounds"]
        if len(rounds) >= len(replies):
            raise MindFailedError(str(self._turn["stopped"]))
        said = replies[len(rounds)]["reply"]
        return Reply(
            calls=tuple(ToolCall(**call) for call in said["calls"]),
            words=said["words"],
            tokens_in=said["tokens_in"],
            tokens_out=said["tokens_out"],
        )


def recorded(work: Work, identity: str, about: Mapping[str, Any]) -> Record:
    """Return the record of a piece of work."""
    return Record(
        id=identity,
        about=about,
        turns=tuple(_turn(each) for each in work.turns),
        ending=ending_as_json(work.ending),
    )


def differences(before: Record, after: Record) -> tuple[str, ...]:
    """Return where a replay differs from its record: rounds, what was given, and the end."""
    said = []
    for number, (old, new) in enumerate(zip(before.turns, after.turns, strict=False), start=1):
        for place, (was, now) in enumerate(
            zip(old["rounds"], new["rounds"], strict=False), start=1
        ):
            said += [
                f"turn {number}, round {place}: {call['name']} gave {now_told['text']}, "
                f"recorded was {told['text']}"
                for call, told, now_told in zip(
                    was["reply"]["calls"], was["told"], now["told"], strict=True
                )
                if told != now_told
            ]
        if len(old["rounds"]) != len(new["rounds"]):
            said.append(
                f"turn {number}: {len(new['rounds'])} rounds, recorded were {len(old['rounds'])}"
            )
    if len(before.turns) != len(after.turns):
        said.append(f"{len(after.turns)} turns, recorded were {len(before.turns)}")
    if before.ending != after.ending:
        said.append(f"it ended with {dict(after.ending)}, recorded was {dict(before.ending)}")
    return tuple(said)


def ending_as_json(ending: Ending | None) -> dict[str, Any]:
    """Return how it ended in plain values; masks by digest."""
    match ending:
        case Proposed():
            return {
                "kind": "proposed",
                "remark": ending.remark,
                "masks": [
                    {
                        "concept": segment.concept,
                        "side": segment.side,
                        "sha256": _digest(segment.mask.voxels),
                    }
                    for segment in ending.segments
                ],
            }
        case NotFound():
            return {"kind": "absent", "reason": ending.reason}
        case Asked():
            return {"kind": "asked", "question": ending.question}
        case None:
            return {"kind": "none"}


def digest_of(volume: Volume) -> str:
    """Return the digest of a volume's values and place: another image is another digest."""
    return hashlib.sha256(
        _digest(volume.voxels).encode() + np.ascontiguousarray(volume.grid.affine).tobytes()
    ).hexdigest()


def _digest(array: Any) -> str:  # noqa: ANN401 - any array
    whole = np.ascontiguousarray(array)
    return hashlib.sha256(f"{whole.dtype}{whole.shape}".encode() + whole.tobytes()).hexdigest()


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "mind": turn.mind,
        "stopped": turn.stopped,
        "rounds": [
            {
                "reply": {
                    "calls": [
                        {"id": call.id, "name": call.name, "arguments": call.arguments}
                        for call in each.reply.calls
                    ],
                    "words": each.reply.words,
                    "tokens_in": each.reply.tokens_in,
                    "tokens_out": each.reply.tokens_out,
                },
                "told": [
                    {
                        "call_id": told.call_id,
                        "text": told.text,
                        "picture_sha256": _digest(np.frombuffer(told.picture, np.uint8))
                        if told.picture
                        else None,
                    }
                    for told in each.told
                ],
            }
            for each in turn.rounds
        ],
    }
