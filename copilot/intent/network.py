"""All sentences of a pattern as a network of words, searched by sound.

The network has an arc for each word or phrase. For a heard string of sounds, the cheapest way of
turning it into a sentence is found by dynamic programming over arcs and heard sounds at once,
forwards and backwards; the best sentence through each arc then gives the runners-up, each of which
differs from the best by at least that arc.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from copilot.intent.patterns import Choice, Pattern, Sequence, Slot, Words
from voice.phonetics import DROPPING, SUBSTITUTION, numbered

_LONGEST_HEARD: Final = 90
_FAR: Final = np.float32(1e6)

Floats = NDArray[np.float32]
Places = NDArray[np.intp]


class Network:
    """A directed graph without cycles; ``sounds`` says how a phrase sounds."""

    def __init__(self, pattern: Pattern, sounds: Callable[[str], str]) -> None:
        self._sounds = sounds
        self._nodes = 2
        self._labels: dict[str, int] = {}
        arcs: dict[tuple[int, int, int], None] = {}
        self._build(pattern, 0, 1, arcs)
        self._number_by_depth(list(arcs))
        self._into = _by_node(self._target, self._nodes)
        self._out_of = _by_node(self._source, self._nodes)
        self._phrases = list(self._labels)
        self._spellings = [numbered(sounds(phrase)) for phrase in self._phrases]

    @property
    def phrases(self) -> tuple[str, ...]:
        """What its arcs say."""
        return tuple(self._phrases)

    def nearest(self, heard: str, limit: int) -> list[tuple[float, str]]:
        """Return sentences and what it costs to hear each as these sounds, cheapest first."""
        sounds = numbered(heard[:_LONGEST_HEARD])
        table = self._phrase_costs(sounds)
        forward = self._sweep(table, sounds.size, backward=False)
        backward = self._sweep(table, sounds.size, backward=True)
        through = self._cost_through_arcs(table, forward, backward)
        found: dict[str, float] = {}
        for arc in np.argsort(through, kind="stable"):
            if through[arc] >= _FAR / 2 or len(found) >= limit:
                break
            sentence = self._sentence_through(int(arc), table, forward, backward)
            found.setdefault(sentence, float(through[arc]))
        return sorted((cost, sentence) for sentence, cost in found.items())

    def _build(
        self, pattern: Pattern, source: int, target: int, arcs: dict[tuple[int, int, int], None]
    ) -> None:
        match pattern:
            case Words(words):
                label = self._labels.setdefault(" ".join(words), len(self._labels))
                arcs[source, target, label] = None
            case Choice(options):
                for option in options:
                    self._build(option, source, target, arcs)
            case Sequence(parts):
                if not parts:
                    label = self._labels.setdefault("", len(self._labels))
                    arcs[source, target, label] = None
                for part in parts[:-1]:
                    middle, self._nodes = self._nodes, self._nodes + 1
                    self._build(part, source, middle, arcs)
                    source = middle
                for part in parts[-1:]:
                    self._build(part, source, target, arcs)
            case Slot(name):
                raise ValueError(f"slot {name!r} must be filled before a network is built")

    def _number_by_depth(self, arcs: list[tuple[int, int, int]]) -> None:
        """Keep the arcs that lead from start to end, sorted by the depth of their source."""
        self._source, self._target, self._label = np.array(arcs, np.intp).T
        alive = self._reached(backward=False) & self._reached(backward=True)
        kept = alive[self._source] & alive[self._target]
        self._source, self._target, self._label = (
            each[kept] for each in (self._source, self._target, self._label)
        )
        depth = np.zeros(self._nodes, np.intp)
        while True:
            deeper = depth.copy()
            np.maximum.at(deeper, self._target, depth[self._source] + 1)
            if (deeper == depth).all():
                break
            depth = deeper
        height = np.zeros(self._nodes, np.intp)
        while True:
            higher = height.copy()
            np.maximum.at(higher, self._source, height[self._target] + 1)
            if (higher == height).all():
                break
            height = higher
        self._forward_steps = _steps(depth[self._source], self._target)
        self._backward_steps = _steps(height[self._target], self._source)

    def _reached(self, *, backward: bool) -> NDArray[np.bool_]:
        here, there = (self._target, self._source) if backward else (self._source, self._target)
        reached = np.zeros(self._nodes, bool)
        reached[1 if backward else 0] = True
        while True:
            before = int(reached.sum())
            reached[there[reached[here]]] = True
            if int(reached.sum()) == before:
                return reached

    def _phrase_costs(self, heard: Places) -> Floats:
        """Return the cost of each phrase as each stretch of sounds, shape (phrases, from, to)."""
        size = heard.size + 1
        added = np.concatenate(([0], np.cumsum(DROPPING[heard]))).astype(np.float32)
        start = np.where(np.tri(size, dtype=bool).T, added[None, :] - added[:, None], _FAR).astype(
            np.float32
        )
        order = sorted(range(len(self._spellings)), key=lambda each: -self._spellings[each].size)
        lengths = np.array([self._spellings[each].size for each in order])
        costs = np.broadcast_to(start, (len(order), size, size)).copy()
        for place in range(int(lengths[0]) if lengths.size else 0):
            active = int((lengths > place).sum())
            sound = np.array([self._spellings[each][place] for each in order[:active]])
            rows = costs[:active]
            heard_as = rows[:, :, :-1] + SUBSTITUTION[sound[:, None], heard[None, :]][:, None, :]
            rows += DROPPING[sound][:, None, None]
            np.minimum(rows[:, :, 1:], heard_as, out=rows[:, :, 1:])
            rows -= added
            np.minimum.accumulate(rows, axis=2, out=rows)
            rows += added
        table = np.empty_like(costs)
        table[order] = costs
        return table

    def _sweep(self, table: Floats, heard: int, *, backward: bool) -> Floats:
        """Return the least cost from the start to each node, or from it to the end."""
        best = np.full((self._nodes, heard + 1), _FAR, np.float32)
        best[1 if backward else 0, heard if backward else 0] = 0
        steps = self._backward_steps if backward else self._forward_steps
        here = self._target if backward else self._source
        for arcs, starts, reached in steps:
            rows = best[here[arcs]]
            costs = table[self._label[arcs]]
            if backward:
                reach = (costs + rows[:, None, :]).min(axis=2)
            else:
                reach = (costs + rows[:, :, None]).min(axis=1)
            least = np.minimum.reduceat(reach, starts, axis=0)
            best[reached] = np.minimum(best[reached], least)
        return best

    def _cost_through_arcs(self, table: Floats, forward: Floats, backward: Floats) -> Floats:
        through = np.empty(self._source.size, np.float32)
        for arcs, _, _ in self._forward_steps:
            before = forward[self._source[arcs]][:, :, None] + table[self._label[arcs]]
            through[arcs] = (before + backward[self._target[arcs]][:, None, :]).min(axis=(1, 2))
        return through

    def _sentence_through(self, arc: int, table: Floats, forward: Floats, backward: Floats) -> str:
        whole = (
            forward[self._source[arc]][:, None]
            + table[self._label[arc]]
            + backward[self._target[arc]][None, :]
        )
        start, end = (int(each) for each in np.unravel_index(int(whole.argmin()), whole.shape))
        labels = [
            *reversed(list(self._walk_back(int(self._source[arc]), start, table, forward))),
            int(self._label[arc]),
            *self._walk_on(int(self._target[arc]), end, table, backward),
        ]
        return " ".join(phrase for phrase in (self._phrases[label] for label in labels) if phrase)

    def _walk_back(self, node: int, place: int, table: Floats, forward: Floats) -> Iterator[int]:
        while node != 0:
            arcs = self._into[node]
            costs = forward[self._source[arcs]] + table[self._label[arcs], :, place]
            arc, place = _least(costs)
            yield int(self._label[arcs[arc]])
            node = int(self._source[arcs[arc]])

    def _walk_on(self, node: int, place: int, table: Floats, backward: Floats) -> Iterator[int]:
        while node != 1:
            arcs = self._out_of[node]
            costs = backward[self._target[arcs]] + table[self._label[arcs], place, :]
            arc, place = _least(costs)
            yield int(self._label[arcs[arc]])
            node = int(self._target[arcs[arc]])


def _least(costs: Floats) -> tuple[int, int]:
    row, column = np.unravel_index(int(costs.argmin()), costs.shape)
    return int(row), int(column)


def _by_node(ends: Places, nodes: int) -> list[Places]:
    """Return for each node the arcs that have it as that end, in order."""
    order = np.argsort(ends, kind="stable")
    return np.split(order, np.searchsorted(ends[order], np.arange(1, nodes)))


def _steps(level: Places, reached: Places) -> list[tuple[Places, Places, Places]]:
    """Return for each level its arcs by the node reached, where each begins, and the nodes."""
    steps = []
    for each in np.unique(level):
        arcs = np.flatnonzero(level == each)
        arcs = arcs[np.argsort(reached[arcs], kind="stable")]
        nodes, starts = np.unique(reached[arcs], return_index=True)
        steps.append((arcs, starts, nodes))
    return steps
