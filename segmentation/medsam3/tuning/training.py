"""The training of an adapter: resumable, reported step by step, the best kept by held-out loss."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.errors import InputError, ModelMissingError, UnreadableFileError
from domain.ports import Progress
from segmentation.medsam3.asking import WITHOUT_WORDS
from segmentation.medsam3.checkpoint import Tensors, read_base, read_config
from segmentation.medsam3.install import network_of
from segmentation.medsam3.lora import read_adapter
from segmentation.medsam3.needs import missing_extra
from segmentation.medsam3.tokenizer import CONTEXT, load_tokenizer
from segmentation.medsam3.tuning.examples import Example
from segmentation.medsam3.tuning.factors import (
    Learning,
    fresh_adapter,
    save_torch,
)
from segmentation.medsam3.tuning.losses import loss_of

ADAPTER_FILE: Final = "best_lora_weights.pt"
START_FILE: Final = "start_lora_weights.pt"
STATE_FILE: Final = "training_state.pt"
_PADDING: Final = -10  # of box labels, as Sam3Model reads them
_BOXED: Final = 0.5  # of the examples with a thing are asked with its box too
_HANDS: Final = 0.1  # of a side: how far hands differ at each edge
_LARGEST_STEP: Final = 1.0
_STAGE: Final = "training"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How it is trained.

    Attributes
    ----------
    check_every
        Steps between two looks at the held-out examples, each of which is kept on disk.
    """

    steps: int = 1000
    learning_rate: float = 1e-4
    examples_per_step: int = 4
    check_every: int = 100
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Start:
    """The weights a training begins with.

    Attributes
    ----------
    adapter
        None begins with one that adds nothing.
    words
        Folder of an installation, for its words.
    """

    base: Path
    adapter: Path | None
    words: Path


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Slices to train on, and slices of other patients to look at only."""

    examples: tuple[Example, ...]
    held_out: tuple[Example, ...]

    def __post_init__(self) -> None:
        if not self.examples or not self.held_out:
            raise InputError(
                f"{len(self.examples)} slices to train on and {len(self.held_out)} held out: give "
                "cases of two patients at least"
            )


@dataclass(frozen=True, kw_only=True)
class Check:
    """Mean losses after some steps; held_out is of examples that are never trained on."""

    step: int
    trained: float
    held_out: float


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training came to.

    Attributes
    ----------
    adapter, start
        Files in the form of the release: of the step with the lowest held-out loss, and before.
    resumed_at
        The step from which it went on; 0 where it began.
    """

    adapter: Path
    start: Path
    checks: tuple[Check, ...]
    resumed_at: int = 0

    @property
    def best(self) -> Check:
        """The check whose adapter was kept."""
        return min(self.checks, key=lambda check: check.held_out)


def train(
    start: Start, lessons: Lessons, folder: Path, recipe: Recipe, progress: Progress
) -> Trained:
    """Train an adapter on examples, and return the best by those held out.

    Stopped at any point, it goes on from the last check when it is called again with the same
    base, examples and recipe.

    Parameters
    ----------
    folder
        Where the adapter and the state are kept.

    Raises
    ------
    ModelMissingError
        If the extra is not installed.
    InputError
        If the folder holds another training.
    UnreadableFileError
        If base or adapter is not what it should be.
    Cancelled
        When ``progress`` says so; what was checked is kept.
    """
    lacking = missing_extra()
    if lacking is not None:
        raise ModelMissingError(lacking)
    import torch  # noqa: PLC0415 - the extra's
    from transformers import Sam3Config, Sam3Model  # noqa: PLC0415

    config, expected = network_of(read_config(start.base))
    tensors = read_base(start.base, expected)
    adapter = (
        fresh_adapter(tensors, recipe.seed)
        if start.adapter is None
        else read_adapter(start.adapter, tensors)
    )
    model = Sam3Model(Sam3Config.from_dict(config))
    model.load_state_dict(tensors)
    learning = Learning(model.to(recipe.device).eval(), adapter)
    save_torch(folder / START_FILE, learning.state())
    trainer = _Trainer(
        learning=learning,
        ask=_Asker(torch, model, load_tokenizer(start.words)),
        optimizer=torch.optim.AdamW(learning.parameters(), lr=recipe.learning_rate),
        state_file=folder / STATE_FILE,
        key=_key(tensors, start.adapter, lessons, recipe),
    )
    return trainer.run(lessons, folder / ADAPTER_FILE, recipe, progress)


class _Asker:
    """Examples to losses."""

    def __init__(self, torch: Any, model: Any, tokenizer: Any) -> None:  # noqa: ANN401
        self._torch = torch
        self._model = model
        self._tokenizer = tokenizer
        self._side = int(model.config.vision_config.image_size)

    def loss(self, example: Example, box: Sequence[float] | None) -> Any:  # noqa: ANN401 - torch's
        """Return the loss of one example, asked with its words, or with a box as well.

        With a box the answer is the one thing in it.
        """
        torch = self._torch
        output = self._model(
            pixel_values=self._pixels(example),
            **self._words(example.phrase if box is None else example.phrase or WITHOUT_WORDS),
            **self._box(box),
        )
        height, width = output.pred_masks.shape[-2:]
        device = output.pred_masks.device
        things = torch.from_numpy(example.things.astype(np.float32))[:, None]
        boxes = torch.tensor([_edges(example, place) for place in range(len(example.things))])
        if len(things):
            things = torch.nn.functional.interpolate(things, size=(height, width), mode="area")
        return loss_of(output, things[:, 0].to(device), boxes.reshape(-1, 4).to(device))

    def _pixels(self, example: Example) -> Any:  # noqa: ANN401 - torch's
        torch = self._torch
        grey = torch.from_numpy(example.image.astype(np.float32))[None, None]
        square = torch.nn.functional.interpolate(
            grey,
            size=(self._side, self._side),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        levels = square.round().clamp(0, 255) / 255
        return ((levels - 0.5) / 0.5).expand(1, 3, self._side, self._side).to(self._model.device)

    def _words(self, phrase: str) -> dict[str, Any]:
        tokens = self._tokenizer(
            [phrase], padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt"
        ).to(self._model.device)
        return {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}

    def _box(self, box: Sequence[float] | None) -> dict[str, Any]:
        torch = self._torch
        boxes = torch.zeros(1, 1, 4) if box is None else torch.tensor([[list(box)]])
        label = _PADDING if box is None else 1
        labels = torch.full((1, 1), label, dtype=torch.long)
        device = self._model.device
        return {"input_boxes": boxes.to(device), "input_boxes_labels": labels.to(device)}


@dataclass(kw_only=True, eq=False)
class _Trainer:
    learning: Learning
    ask: _Asker
    optimizer: Any
    state_file: Path
    key: str

    def run(self, lessons: Lessons, target: Path, recipe: Recipe, progress: Progress) -> Trained:
        checks, best = self._resumed()
        resumed_at = checks[-1].step if checks else 0
        if not checks:
            checks = [self._checked(0, lessons)]
            best = self.learning.state()
            self._keep(checks, best)
        for step in range(resumed_at + 1, recipe.steps + 1):
            progress((step - 1) / recipe.steps, f"{_STAGE}, loss {checks[-1].held_out:.3f}")
            self._step(step, lessons.examples, recipe)
            if step % recipe.check_every == 0 or step == recipe.steps:
                checks.append(self._checked(step, lessons))
                if checks[-1].held_out <= min(check.held_out for check in checks):
                    best = self.learning.state()
                self._keep(checks, best)
        progress(1.0, _STAGE)
        save_torch(target, best)
        start = target.with_name(START_FILE)
        return Trained(adapter=target, start=start, checks=tuple(checks), resumed_at=resumed_at)

    def _step(self, step: int, examples: Sequence[Example], recipe: Recipe) -> None:
        import torch  # noqa: PLC0415 - the extra's

        random = np.random.default_rng((recipe.seed, step))
        self.optimizer.zero_grad()
        for place in random.integers(len(examples), size=recipe.examples_per_step):
            example, box = asked_of(examples[place], random)
            (self.ask.loss(example, box) / recipe.examples_per_step).backward()
        torch.nn.utils.clip_grad_norm_(list(self.learning.parameters()), _LARGEST_STEP)
        self.optimizer.step()

    def _checked(self, step: int, lessons: Lessons) -> Check:
        """Return the losses of words alone on every example: the same question at every check."""
        import torch  # noqa: PLC0415 - the extra's

        with torch.no_grad():
            means = [
                float(np.mean([float(self.ask.loss(each, None)) for each in group]))
                for group in (lessons.examples, lessons.held_out)
            ]
        return Check(step=step, trained=means[0], held_out=means[1])

    def _keep(self, checks: Sequence[Check], best: Tensors) -> None:
        save_torch(
            self.state_file,
            {
                "key": self.key,
                "checks": json.dumps([asdict(each) for each in checks]),
                "now": self.learning.state(),
                "best": best,
                "optimizer": self.optimizer.state_dict(),
            },
        )

    def _resumed(self) -> tuple[list[Check], Tensors]:
        """Return what was checked before, and the best adapter; nothing where it begins."""
        import torch  # noqa: PLC0415 - the extra's

        if not self.state_file.is_file():
            return [], {}
        try:
            state = torch.load(self.state_file, map_location="cpu", weights_only=True)
            key, checks = state["key"], json.loads(state["checks"])
        except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
            raise UnreadableFileError(
                f"{self.state_file} is no whole training state: delete it, and begin again"
            ) from error
        if key != self.key:
            raise InputError(
                f"{self.state_file} is of another training (base, adapter, cases or options "
                "differ): give another --output, or delete it"
            )
        self.learning.restore(state["now"])
        self.optimizer.load_state_dict(state["optimizer"])
        return [Check(**each) for each in checks], state["best"]


def asked_of(
    example: Example, random: np.random.Generator
) -> tuple[Example, tuple[float, ...] | None]:
    """Return what is asked: words alone, or one thing with a box as hands draw it.

    The box is (centre x, centre y, width, height), 0 to 1.
    """
    if example.is_negative or random.random() >= _BOXED:
        return example, None
    place = int(random.integers(len(example.things)))
    left, top, right, bottom = _edges(example, place)
    moved = random.uniform(-_HANDS, _HANDS, size=4) * np.array([right - left, bottom - top] * 2)
    left, top, right, bottom = np.clip(np.array([left, top, right, bottom]) + moved, 0, 1)
    box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    one = Example(
        image=example.image, phrase=example.phrase, things=example.things[place : place + 1]
    )
    return one, tuple(float(each) for each in box)


def _edges(example: Example, place: int) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a thing, 0 to 1."""
    rows, columns = example.image.shape
    box = example.boxes[place]
    return (
        box.column_start / columns,
        box.row_start / rows,
        box.column_stop / columns,
        box.row_stop / rows,
    )


def _key(base: Tensors, adapter: Path | None, lessons: Lessons, recipe: Recipe) -> str:
    """Return the digest of what a training is: one that differs cannot be gone on with.

    How long it goes on, where it runs and how often it is looked at may change.
    """
    kept = (recipe.learning_rate, recipe.examples_per_step, recipe.seed)
    digest = hashlib.sha256(repr(kept).encode())
    first = next(iter(sorted(base)))
    digest.update(np.ascontiguousarray(base[first].float().numpy()).tobytes())
    digest.update(adapter.read_bytes() if adapter is not None else b"fresh")
    for each in (*lessons.examples, *lessons.held_out):
        digest.update(each.image.tobytes() + each.things.tobytes() + each.phrase.encode())
    return digest.hexdigest()
