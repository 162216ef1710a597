"""The rounds of the agent: a mind decides, the bench does, within rounds, time and cost."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from copilot.agent.calls import BadCallError, parsed
from copilot.agent.endings import Ending
from copilot.agent.minds import Mind, MindFailedError, Reply, Round, Told, ToolCall
from copilot.agent.workbench import Workbench

MOST_ROUNDS: Final = 5
_MOST_CALLS: Final = 16
_PER_MILLION: Final = 1e6


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a model is stopped, and the rules take over.

    Attributes
    ----------
    time_s
        For all rounds together, tools included.
    tokens
        Read and written together.
    cost
        In the currency of the prices; 0 sets no limit.
    price_in, price_out
        Of a million tokens read and written.
    """

    rounds: int = MOST_ROUNDS
    time_s: float = 120.0
    tokens: int = 60_000
    cost: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one mind did, and why it ended without a conclusion, if it did."""

    mind: str
    rounds: tuple[Round, ...]
    stopped: str | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all minds did, one after the other, and how it ended."""

    turns: tuple[Turn, ...]
    ending: Ending | None


def worked(bench: Workbench, minds: Sequence[tuple[Mind, Limits]]) -> Work:
    """Let minds work until one concludes; the next begins where one does not."""
    turns: list[Turn] = []
    for mind, limits in minds:
        turns.append(_turn(bench, mind, limits))
        if bench.ending is not None:
            break
    return Work(turns=tuple(turns), ending=bench.ending)


def _turn(bench: Workbench, mind: Mind, limits: Limits) -> Turn:
    rounds: list[Round] = []
    deadline = time.monotonic() + limits.time_s
    stopped: str | None = f"it came to no conclusion in {limits.rounds} rounds"
    while len(rounds) < limits.rounds:
        stopped_early = _spent(rounds, limits)
        if deadline <= time.monotonic():
            stopped_early = f"its time was up ({limits.time_s:g} s)"
        if stopped_early is not None:
            return Turn(mind=mind.name, rounds=tuple(rounds), stopped=stopped_early)
        try:
            reply = mind.reply(rounds, deadline - time.monotonic())
        except MindFailedError as error:
            return Turn(mind=mind.name, rounds=tuple(rounds), stopped=str(error))
        rounds.append(Round(reply=reply, told=_done(bench, reply)))
        if bench.ending is not None:
            stopped = None
            break
        if len(rounds) > 1 and _is_same(rounds[-2].reply, reply):
            stopped = "it repeats itself"
            break
    return Turn(mind=mind.name, rounds=tuple(rounds), stopped=stopped)


def _is_same(one: Reply, other: Reply) -> bool:
    """Tell whether two replies say the same: more of it would bring nothing new."""
    said = [
        (each.words, [(call.name, call.arguments) for call in each.calls]) for each in (one, other)
    ]
    return said[0] == said[1]


def _done(bench: Workbench, reply: Reply) -> tuple[Told, ...]:
    """Do the calls of a reply; after one that ends the work, no more."""
    told: list[Told] = []
    for number, call in enumerate(reply.calls):
        if number >= _MOST_CALLS:
            told.append(_wrong(call, f"more than {_MOST_CALLS} calls in one reply: call it again"))
        elif bench.ending is not None:
            told.append(_wrong(call, "the work has ended"))
        else:
            told.append(_did(bench, call))
    return tuple(told)


def _did(bench: Workbench, call: ToolCall) -> Told:
    try:
        shown = bench.do(parsed(call.name, call.arguments))
    except BadCallError as error:
        return _wrong(call, str(error))
    return Told(call_id=call.id, text=shown.text, picture=shown.picture)


def _wrong(call: ToolCall, reason: str) -> Told:
    return Told(call_id=call.id, text=json.dumps({"error": reason}, ensure_ascii=False))


def _spent(rounds: Sequence[Round], limits: Limits) -> str | None:
    tokens_in = sum(each.reply.tokens_in for each in rounds)
    tokens_out = sum(each.reply.tokens_out for each in rounds)
    cost = (tokens_in * limits.price_in + tokens_out * limits.price_out) / _PER_MILLION
    if tokens_in + tokens_out >= limits.tokens:
        return f"its tokens were up ({limits.tokens})"
    if limits.cost and cost >= limits.cost:
        return f"its cost was up ({limits.cost:g})"
    return None
