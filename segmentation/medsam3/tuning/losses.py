"""How far an answer is from what is on the slice: matched instances, and none where none is.

Each thing is matched to one query by class, box and mask together (Carion 2020); matched queries
are to say yes with that box and mask, all others no, and the presence token whether there is any.
"""

from typing import Any, Final

import numpy as np
from scipy.optimize import linear_sum_assignment

_CLASS: Final = 2.0
_BOX: Final = 5.0
_OVERLAP: Final = 2.0
_MASK: Final = 5.0
_PRESENCE: Final = 1.0
_FOCUS: Final = 2.0
_POSITIVE_SHARE: Final = 0.25
_SMALL: Final = 1e-6


def loss_of(output: Any, things: Any, boxes: Any) -> Any:  # noqa: ANN401 - torch's
    """Return the loss of one slice.

    Parameters
    ----------
    output
        Of ``Sam3Model`` on one image.
    things
        (count, height, width) of the masks it answers with, 0 to 1; count may be 0.
    boxes
        (count, 4) left, top, right, bottom, 0 to 1.
    """
    import torch  # noqa: PLC0415 - the extra's

    functional = torch.nn.functional
    scores = output.pred_logits[0].float()
    is_there = torch.tensor(float(len(things) > 0), device=scores.device)
    presence = functional.binary_cross_entropy_with_logits(
        output.presence_logits[0].float().mean(), is_there
    )
    queries, order = _matched(output, things, boxes)
    wanted = torch.zeros_like(scores)
    wanted[queries] = 1.0
    loss = _PRESENCE * presence + _CLASS * _focal(scores, wanted).sum() / max(1, len(things))
    if not len(things):
        return loss
    found_boxes = output.pred_boxes[0].float()[queries]
    found_masks = output.pred_masks[0].float()[queries]
    count = len(things)
    loss = loss + _BOX * (found_boxes - boxes[order]).abs().sum() / count
    loss = loss + _OVERLAP * (1 - _overlap(found_boxes, boxes[order])).sum() / count
    loss = loss + _MASK * _dice_loss(found_masks, things[order]).sum() / count
    return loss + _MASK * _focal(found_masks, things[order]).mean()


def _matched(output: Any, things: Any, boxes: Any) -> tuple[list[int], list[int]]:  # noqa: ANN401 - torch's
    """Return the query of each thing, and the thing of each query, in the same order."""
    import torch  # noqa: PLC0415 - the extra's

    if not len(things):
        return [], []
    with torch.no_grad():
        scores = output.pred_logits[0].float().sigmoid()[:, None]
        found = output.pred_boxes[0].float()
        masks = output.pred_masks[0].float()
        apart = (found[:, None] - boxes[None]).abs().sum(dim=-1)
        overlap = torch.stack([_overlap(found, box.expand_as(found)) for box in boxes], dim=1)
        unlike = torch.stack([_dice_loss(masks, each.expand_as(masks)) for each in things], dim=1)
        cost = -_CLASS * scores + _BOX * apart - _OVERLAP * overlap + _MASK * unlike
        rows, columns = linear_sum_assignment(np.nan_to_num(cost.cpu().numpy(), nan=1e6))
    return [int(each) for each in rows], [int(each) for each in columns]


def _focal(logits: Any, wanted: Any) -> Any:  # noqa: ANN401 - torch's
    """Return the focal loss of each number (Lin 2017)."""
    import torch  # noqa: PLC0415 - the extra's

    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    chance = logits.sigmoid()
    right = chance * wanted + (1 - chance) * (1 - wanted)
    weight = _POSITIVE_SHARE * wanted + (1 - _POSITIVE_SHARE) * (1 - wanted)
    return weight * (1 - right) ** _FOCUS * entropy


def _dice_loss(logits: Any, wanted: Any) -> Any:  # noqa: ANN401 - torch's
    """Return 1 - Dice of each mask, soft."""
    inside = logits.sigmoid().flatten(1)
    wanted = wanted.flatten(1)
    shared = 2 * (inside * wanted).sum(dim=1)
    return 1 - (shared + 1) / (inside.sum(dim=1) + wanted.sum(dim=1) + 1)


def _overlap(one: Any, other: Any) -> Any:  # noqa: ANN401 - torch's
    """Return the generalized overlap of boxes in pairs (Rezatofighi 2019), -1 to 1."""
    import torch  # noqa: PLC0415 - the extra's

    def area(box: Any) -> Any:  # noqa: ANN401 - torch's
        sides = (box[:, 2:] - box[:, :2]).clamp(min=0)
        return sides[:, 0] * sides[:, 1]

    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    shared = area(torch.cat([low, high], dim=1))
    union = area(one) + area(other) - shared
    outer = torch.cat(
        [torch.minimum(one[:, :2], other[:, :2]), torch.maximum(one[:, 2:], other[:, 2:])], dim=1
    )
    hull = area(outer)
    return shared / (union + _SMALL) - (hull - union) / (hull + _SMALL)
