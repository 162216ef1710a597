"""Marked pixels to polygons along the edges of their pixels, so that areas are those of the mask.

A polygon through pixel centres is half a pixel too small all round. Along the edges, its area is
the pixels' own to the last digit, and whoever fills it by pixel centres has the mask again.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Vertex: TypeAlias = tuple[int, int]


def outlines(marked: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return one closed polygon for each part of a slice, its holes joined by keyholes.

    A keyhole (PS3.3 section C.8.8.6.3) is read right by those who fill polygons one by one and by
    those who combine them by exclusive or. Parts that touch at a corner alone are two.

    Parameters
    ----------
    marked
        (rows, columns).

    Returns
    -------
    tuple of (vertices, 2) int64
        Row and column of pixel corners, the first not repeated: corner (r, c) is the one of pixel
        (r, c) that is nearest to the image's first pixel.
    """
    parts, _ = ndimage.label(marked)
    found = []
    for number, place in enumerate(ndimage.find_objects(parts), start=1):
        inside = parts[place] == number
        corner = np.array([place[0].start, place[1].start])
        found.append(np.array(_keyholed(_loops(inside)), dtype=np.int64) + corner)
    return tuple(found)


def polygon_area(polygon: NDArray[np.int64]) -> float:
    """Return the area of a polygon (vertices, 2) in pixels, without its holes."""
    rows, columns = polygon[:, 0].astype(np.float64), polygon[:, 1].astype(np.float64)
    return float(abs(rows @ np.roll(columns, -1) - columns @ np.roll(rows, -1)) / 2)


def _loops(inside: NDArray[np.bool_]) -> list[list[Vertex]]:
    """Return the loops of unit edges round one part, what is inside on the right hand."""
    ways: dict[Vertex, list[Vertex]] = defaultdict(list)
    padded = np.pad(inside, 1)
    core = padded[1:-1, 1:-1]
    for neighbour, start, stop in (
        (padded[:-2, 1:-1], (0, 0), (0, 1)),
        (padded[1:-1, 2:], (0, 1), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (1, 0)),
        (padded[1:-1, :-2], (1, 0), (0, 0)),
    ):
        for row, column in np.argwhere(core & ~neighbour).tolist():
            ways[row + start[0], column + start[1]].append((row + stop[0], column + stop[1]))
    loops = []
    while ways:
        loops.append(_loop(ways, min(ways)))
    return loops


def _loop(ways: dict[Vertex, list[Vertex]], start: Vertex) -> list[Vertex]:
    here, loop = start, [start]
    heading = (0, 1)
    while True:
        there = _rightmost(ways[here], here, heading)
        ways[here].remove(there)
        if not ways[here]:
            del ways[here]
        if there == start:
            return loop
        heading = (there[0] - here[0], there[1] - here[1])
        loop.append(there)
        here = there


def _rightmost(choices: Sequence[Vertex], here: Vertex, heading: Vertex) -> Vertex:
    """Return the way that stays with the pixel on the right hand where two pixels touch."""
    if len(choices) == 1:
        return choices[0]
    right = (here[0] + heading[1], here[1] - heading[0])
    return right if right in choices else choices[0]


def _keyholed(loops: Sequence[list[Vertex]]) -> list[Vertex]:
    """Return the outer loop with every hole joined to what lies straight above its first corner.

    The loops begin at their first corner, and come in the order of these: whatever is above a hole
    was joined before it.
    """
    ordered = sorted(loops, key=lambda loop: loop[0])
    joined, holes = list(ordered[0]), ordered[1:]
    for hole in holes:
        row, column = hole[0]
        corners = set(joined)
        while (row, column) not in corners:
            row -= 1
        at = joined.index((row, column))
        joined = [*joined[: at + 1], *hole, hole[0], *joined[at:]]
    return _corners_of(joined)


def _corners_of(loop: Sequence[Vertex]) -> list[Vertex]:
    """Return the vertices where a loop turns."""
    distinct = [
        each for each, before in zip(loop, [loop[-1], *loop[:-1]], strict=True) if each != before
    ]
    count = len(distinct)
    return [
        each
        for number, each in enumerate(distinct)
        if _way(distinct[number - 1], each) != _way(each, distinct[(number + 1) % count])
    ]


def _way(start: Vertex, stop: Vertex) -> Vertex:
    return int(np.sign(stop[0] - start[0])), int(np.sign(stop[1] - start[1]))
