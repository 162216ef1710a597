"""Surfaces as files: STL, OBJ and glTF.

STL and OBJ are in LPS millimetres, the patient's axes in DICOM, and say so in header or comment.
glTF has its own: metres, right-handed, y up, the front of a thing towards +z (glTF 2.0, section
3.4). The patient stands upright in it and faces the front: ``x = L, y = S, z = -P``, over 1,000.
That is a turn and no mirror, so that the patient's right is at -x in both.
"""

import json
import struct
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reporting.shape import Mesh

STL_HEADER: Final = b"radcopilot surface; SPACE=LPS; UNIT=mm; draft, not verified"
LPS_MM_TO_GLTF: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]) / 1000.0
"""(3, 3): LPS millimetres to glTF metres; its determinant is positive."""
_STL_TRIANGLE: Final = np.dtype(
    [("normal", "<f4", (3,)), ("corners", "<f4", (3, 3)), ("attribute", "<u2")]
)
_STL_HEADER_BYTES: Final = 80
_GLB_MAGIC: Final = 0x46546C67
_GLB_VERSION: Final = 2
_JSON_CHUNK: Final = 0x4E4F534A
_BINARY_CHUNK: Final = 0x004E4942
_FLOAT: Final = 5126
_UNSIGNED_INT: Final = 5125
_VERTICES: Final = 34962
_INDICES: Final = 34963


class SurfaceFormat(StrEnum):
    """What a surface may be written as, by the ending of the file's name."""

    STL = "stl"
    OBJ = "obj"
    GLB = "glb"


def surface_bytes(mesh: Mesh, kind: SurfaceFormat, name: str) -> bytes:
    """Return a mesh as a file; ``name`` is that of the part, without anything of the patient."""
    match kind:
        case SurfaceFormat.STL:
            return stl(mesh)
        case SurfaceFormat.OBJ:
            return obj(mesh, name)
        case SurfaceFormat.GLB:
            return glb(mesh, name)


def stl(mesh: Mesh) -> bytes:
    """Return binary STL in LPS millimetres, with outward normals."""
    corners = mesh.vertices_lps_mm[mesh.faces]
    triangles = np.zeros(len(corners), dtype=_STL_TRIANGLE)
    triangles["normal"] = _unit(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    )
    triangles["corners"] = corners
    head = STL_HEADER.ljust(_STL_HEADER_BYTES, b" ")
    return head + struct.pack("<I", len(triangles)) + triangles.tobytes()


def obj(mesh: Mesh, name: str) -> bytes:
    """Return Wavefront OBJ in LPS millimetres: to a tenth of a micrometre."""
    lines = [
        "# radcopilot surface, draft, not verified",
        "# SPACE=LPS",
        "# UNIT=mm",
        "# x to the patient's left, y to the back, z to the head",
        f"o {'_'.join(name.split())}",
    ]
    lines += [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.vertices_lps_mm.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def glb(mesh: Mesh, name: str) -> bytes:
    """Return binary glTF 2.0 in its own metres and axes, with vertex normals."""
    positions = (mesh.vertices_lps_mm @ LPS_MM_TO_GLTF.T).astype("<f4")
    normals = _vertex_normals(mesh.vertices_lps_mm @ LPS_MM_TO_GLTF.T, mesh.faces).astype("<f4")
    parts = [positions.tobytes(), normals.tobytes(), mesh.faces.astype("<u4").tobytes()]
    document = _gltf(name, positions, mesh.faces.size, [len(part) for part in parts])
    return _chunks(json.dumps(document, separators=(",", ":")).encode(), b"".join(parts))


def _gltf(
    name: str, positions: NDArray[np.float32], indices: int, lengths: list[int]
) -> dict[str, Any]:
    """Return the JSON part; ``lengths`` in bytes of positions, normals and indices, in a row."""
    vertices = {"componentType": _FLOAT, "count": len(positions), "type": "VEC3"}
    starts = np.cumsum([0, *lengths]).tolist()
    targets = (_VERTICES, _VERTICES, _INDICES)
    return {
        "asset": {
            "version": "2.0",
            "generator": "radcopilot",
            "extras": {
                "status": "draft, not verified",
                "axes": "x = L, y = S, z = -P of DICOM's patient axes, in metres",
                "to_lps_mm": (np.linalg.inv(LPS_MM_TO_GLTF).round(6) + 0.0).tolist(),
            },
        },
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [
            {
                "name": name,
                "primitives": [
                    {"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "mode": 4}
                ],
            }
        ],
        "buffers": [{"byteLength": sum(lengths)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": length, "target": target}
            for start, length, target in zip(starts, lengths, targets, strict=False)
        ],
        "accessors": [
            {
                "bufferView": 0,
                **vertices,
                "min": positions.min(axis=0).tolist(),
                "max": positions.max(axis=0).tolist(),
            },
            {"bufferView": 1, **vertices},
            {"bufferView": 2, "componentType": _UNSIGNED_INT, "count": indices, "type": "SCALAR"},
        ],
    }


def _chunks(document: bytes, binary: bytes) -> bytes:
    document += b" " * (-len(document) % 4)
    binary += b"\0" * (-len(binary) % 4)
    length = 12 + 8 + len(document) + 8 + len(binary)
    return (
        struct.pack("<III", _GLB_MAGIC, _GLB_VERSION, length)
        + struct.pack("<II", len(document), _JSON_CHUNK)
        + document
        + struct.pack("<II", len(binary), _BINARY_CHUNK)
        + binary
    )


def _vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean direction (n, 3) of the triangles round each vertex, by their areas."""
    corners = vertices[faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.column_stack(
        [
            np.bincount(faces.ravel(), np.repeat(facing[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ]
    )
    return _unit(sums.astype(np.float64))


def _unit(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return directions of length one; one that has no length points up."""
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    upward = np.broadcast_to(np.array([0.0, 0.0, 1.0]), directions.shape)
    return np.where(lengths > 0, directions / np.where(lengths > 0, lengths, 1.0), upward)
