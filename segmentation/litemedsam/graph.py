"""A small hand for writing ONNX graphs, and the book of weights that go into them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from domain.errors import UnreadableFileError

OPSET: Final = 20  # the first with Gelu as one operator
IR_VERSION: Final = 10
BATCH_NORM_EPSILON: Final = 1e-5  # torch's default
LAYER_NORM_EPSILON: Final = 1e-5  # torch's default
CHANNEL_NORM_EPSILON: Final = 1e-6  # SAM's LayerNorm2d


class Weights:
    """Tensors by name, each handed out with its shape checked, and ticked off.

    A checkpoint that fits only in part is not the network it claims to be, so what was not
    asked for is counted in the end.
    """

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._tensors = dict(tensors)
        self._taken: set[str] = set()

    def take(self, name: str, shape: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return a tensor as float32.

        Raises
        ------
        UnreadableFileError
            If it is missing, not of this shape, or holds values that are not numbers.
        """
        if name not in self._tensors:
            raise UnreadableFileError(f"checkpoint has no tensor {name!r}: not the right network")
        tensor = self._tensors[name]
        if shape is not None and tensor.shape != tuple(shape):
            raise UnreadableFileError(
                f"tensor {name!r} has shape {tensor.shape}, expected {tuple(shape)}"
            )
        if not np.isfinite(tensor).all():
            raise UnreadableFileError(f"tensor {name!r} holds NaN or infinity")
        self._taken.add(name)
        return np.asarray(tensor, dtype=np.float32)

    def pass_over(self, name: str) -> None:
        """Tick off a tensor that only training uses."""
        self.take(name)

    def check_all_taken(self) -> None:
        """Refuse a checkpoint with tensors the graph has no place for.

        Raises
        ------
        UnreadableFileError
            Naming how many, and the first of them.
        """
        left = sorted(self._tensors.keys() - self._taken)
        if left:
            raise UnreadableFileError(
                f"{len(left)} of {len(self._tensors)} tensors have no place in the network, "
                f"{left[0]!r} first: not the right checkpoint"
            )

    def folded_convolution(
        self, name: str, shape: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return kernel and bias of a convolution with its batch norm folded in.

        In evaluation a batch norm is a scale and a shift per channel, so it can be multiplied
        into the kernel before it (Jacob 2018, section 3.2).
        """
        kernel = self.take(f"{name}.c.weight", shape)
        channels = (shape[0],)
        variance = self.take(f"{name}.bn.running_var", channels)
        scale = self.take(f"{name}.bn.weight", channels) / np.sqrt(variance + BATCH_NORM_EPSILON)
        mean = self.take(f"{name}.bn.running_mean", channels)
        bias = self.take(f"{name}.bn.bias", channels) - mean * scale
        self.pass_over(f"{name}.bn.num_batches_tracked")
        return np.asarray(kernel * scale[:, None, None, None]), bias


class GraphBuilder:
    """Nodes and constants of one graph; every method returns the name of what it made."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def _fresh(self, hint: str) -> str:
        self._count += 1
        return f"{hint}_{self._count}"

    def input(self, name: str, shape: Sequence[int | str]) -> str:
        """Declare a float32 input; a string in ``shape`` names a free dimension."""
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        self._inputs.append(info)
        return name

    def output(self, value: str, name: str, shape: Sequence[int | str]) -> None:
        """Declare a float32 output."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant tensor."""
        name = self._fresh("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def scalar(self, value: float) -> str:
        """Add a constant float32 number."""
        return self.constant(np.array(value, dtype=np.float32))

    def integers(self, values: Iterable[int]) -> str:
        """Add a constant list of int64."""
        return self.constant(np.array(list(values), dtype=np.int64))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        """Add an operator with one output."""
        name = self._fresh(operator.lower())
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def split(self, value: str, parts: int, axis: int) -> list[str]:
        """Cut a tensor into equal parts."""
        names = [self._fresh("split") for _ in range(parts)]
        self._nodes.append(helper.make_node("Split", [value], names, axis=axis, num_outputs=parts))
        return names

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """Reshape; 0 keeps a length, -1 infers it."""
        return self.node("Reshape", value, self.integers(shape))

    def transpose(self, value: str, axes: Sequence[int]) -> str:
        """Permute axes."""
        return self.node("Transpose", value, perm=list(axes))

    def slice(self, value: str, start: int, stop: int, axis: int) -> str:
        """Take a half-open range along one axis."""
        ends = [self.integers([each]) for each in (start, stop, axis)]
        return self.node("Slice", value, *ends)

    def linear(self, value: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """Multiply the last axis by ``weight`` (out, in) and add ``bias``."""
        product = self.node("MatMul", value, self.constant(weight.T))
        return self.node("Add", product, self.constant(bias))

    def convolution(
        self,
        value: str,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32] | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> str:
        """Convolve (batch, channel, row, column) by a kernel (out, in / groups, rows, columns)."""
        constants = [self.constant(kernel)]
        if bias is not None:
            constants.append(self.constant(bias))
        return self.node(
            "Conv",
            value,
            *constants,
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            pads=[padding] * 4,
            group=groups,
        )

    def layer_norm(self, value: str, weights: Weights, name: str, width: int) -> str:
        """Normalise over the last axis."""
        return self.node(
            "LayerNormalization",
            value,
            self.constant(weights.take(f"{name}.weight", (width,))),
            self.constant(weights.take(f"{name}.bias", (width,))),
            axis=-1,
            epsilon=LAYER_NORM_EPSILON,
        )

    def channel_norm(self, value: str, weights: Weights, name: str, width: int) -> str:
        """Normalise (batch, channel, row, column) over the channels."""
        last = self.transpose(value, (0, 2, 3, 1))
        normal = self.node(
            "LayerNormalization",
            last,
            self.constant(weights.take(f"{name}.weight", (width,))),
            self.constant(weights.take(f"{name}.bias", (width,))),
            axis=-1,
            epsilon=CHANNEL_NORM_EPSILON,
        )
        return self.transpose(normal, (0, 3, 1, 2))

    def model(self) -> onnx.ModelProto:
        """Return the checked model."""
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, initializer=self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="radcopilot",
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model)
        return model


def attention_scale(head_width: int) -> float:
    """Return the factor that keeps dot products of this width near unit variance."""
    return 1.0 / math.sqrt(head_width)
