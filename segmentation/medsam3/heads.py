"""What is given to the heads of SAM 3 and what they give back, whoever runs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from segmentation.medsam3.asking import Instance, Question, SliceAnswer
from segmentation.slicewise.slices import SliceBox

PADDING: Final = -10  # of box labels, as Sam3Model reads them

_SAME: Final = 0.7  # overlap above which two queries found one thing


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadOutput:
    """What the heads say of one slice, as torch tensors, one row a question.

    Attributes
    ----------
    presence_logits
        (questions, 1): that the concept is on the slice at all.
    pred_logits, pred_boxes, pred_masks
        (questions, queries), (questions, queries, 4) as left, top, right and bottom 0..1, and
        (questions, queries, rows, columns) at the network's own resolution.
    """

    presence_logits: Any
    pred_logits: Any
    pred_boxes: Any
    pred_masks: Any


def relative_boxes(
    torch: Any,  # noqa: ANN401 - the module
    batch: Sequence[Question],
    shape: tuple[int, int],
) -> tuple[Any, Any]:
    """Return boxes (questions, most boxes, 4) as centre and size, 0..1, and their labels.

    A question without boxes has one that is padding: Meta's network, on which the adapter was
    trained, hears the geometry encoder's own token with words alone too; ``Sam3Model`` leaves it
    out where there is no box at all.
    """
    most = max(1, *(len(each.boxes) for each in batch))
    boxes = torch.zeros(len(batch), most, 4)
    labels = torch.full((len(batch), most), PADDING, dtype=torch.long)
    for index, question in enumerate(batch):
        for place, box in enumerate(question.boxes):
            row, column = box.centre
            relative = (
                column / shape[1],
                row / shape[0],
                box.columns / shape[1],
                box.rows / shape[0],
            )
            boxes[index, place] = torch.tensor(relative)
            labels[index, place] = 1
    return boxes, labels


def read_answer(
    torch: Any,  # noqa: ANN401 - the module
    output: HeadOutput,
    index: int,
    shape: tuple[int, int],
    least_score: float,
) -> SliceAnswer:
    """Return the answer to one of the questions, for a slice of (rows, columns)."""
    presence = output.presence_logits[index].float().sigmoid().item()
    scores = output.pred_logits[index].float().sigmoid() * presence
    kept = [int(each) for each in scores.argsort(descending=True) if scores[each] >= least_score]
    small = output.pred_masks[index].float()
    kept = _without_doubles(small > 0, kept)
    instances = []
    for query in kept:
        logits = torch.nn.functional.interpolate(
            small[query][None, None], size=shape, mode="bilinear", align_corners=False
        )[0, 0]
        left, top, right, bottom = output.pred_boxes[index, query].float().tolist()
        box = SliceBox(
            row_start=top * shape[0],
            row_stop=bottom * shape[0],
            column_start=left * shape[1],
            column_stop=right * shape[1],
        ).clipped(shape)
        instances.append(Instance(logits=logits.cpu().numpy(), box=box, score=float(scores[query])))
    return SliceAnswer(presence=presence, instances=tuple(instances))


def _without_doubles(masks: Any, order: Sequence[int]) -> list[int]:  # noqa: ANN401 - torch's
    """Return the queries, best first, of which none repeats a better one."""
    kept: list[int] = []
    for query in order:
        mine = masks[query]
        for better in kept:
            union = int((mine | masks[better]).sum())
            if union and int((mine & masks[better]).sum()) > _SAME * union:
                break
        else:
            kept.append(query)
    return kept
