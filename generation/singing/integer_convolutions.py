"""Integer convolutions of an ONNX graph as integer matrix products, where the processor makes those faster.

onnxruntime convolves bytes with weights without sign, at a third of what the processor can do: its fast instructions
(VNNI) want weights with a sign, and weights on the right. So the windows of the signal are laid out as rows, and the
weights are shifted by 128 together with their zero point. Integer sums are exact in any order, so every bit of the
result stays. Without VNNI those instructions cut off sums of two products at 16 bits; there the graph is left alone.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evalkit.types import FloatArray

MIN_WINDOW = 512
"""Weights an output number needs before laying out the windows costs less than it gains."""

_SHIFT = 128
_TO_THE_END = np.iinfo(np.int64).max


@functools.cache
def signed_products_are_exact() -> bool:
    """Whether this processor multiplies bytes by signed bytes without cutting off the sums, tried out."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    largest = np.full((64, 64), 127, dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["signal", "weights"], ["products"])],
        "largest products",
        [helper.make_tensor_value_info("signal", TensorProto.UINT8, [64, 64])],
        [helper.make_tensor_value_info("products", TensorProto.INT32, [64, 64])],
        [numpy_helper.from_array(largest, "weights")],
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    signal = np.full((64, 64), 255, dtype=np.uint8)
    products: FloatArray = session.run(None, {"signal": signal})[0]
    return bool(np.all(products == 64 * 255 * 127))


def as_products(nodes: Sequence[Any], initialisers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Rewrite the convolutions that gain.

    Args:
        nodes: Nodes of a graph (``onnx.NodeProto``), in order.
        initialisers: Its constants (``onnx.TensorProto``).

    Returns:
        Nodes and constants of a graph with the same outputs, bit by bit.
    """
    constants = {tensor.name: tensor for tensor in initialisers}
    new_nodes: list[Any] = []
    new_constants: list[Any] = []
    for node in nodes:
        if _gains(node, constants):
            for made in _product(node, constants):
                (new_nodes if hasattr(made, "op_type") else new_constants).append(made)
        else:
            new_nodes.append(node)
    used = {name for node in new_nodes for name in node.input}
    return new_nodes, [tensor for tensor in initialisers if tensor.name in used] + new_constants


def _gains(node: Any, constants: dict[str, Any]) -> bool:
    """Whether it is a convolution along time, of unsigned constant weights, with large windows and no strides."""
    from onnx import TensorProto

    if node.op_type != "ConvInteger" or len(node.input) != 4:
        return False
    weights, zero = constants.get(node.input[1]), constants.get(node.input[3])
    if weights is None or zero is None or weights.data_type != TensorProto.UINT8 or len(weights.dims) != 3:
        return False
    known = _attributes(node)
    plain = known["strides"] == [1] and known["group"] == 1 and known["auto_pad"] == b"NOTSET"
    return plain and not zero.dims and weights.dims[1] * weights.dims[2] >= MIN_WINDOW


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    defaults = {"strides": [1], "dilations": [1], "pads": [0, 0], "group": 1, "auto_pad": b"NOTSET"}
    return defaults | {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _product(node: Any, constants: dict[str, Any]) -> Iterator[Any]:
    """Nodes and constants that stand for one convolution of a signal [1, channels, time]."""
    from onnx import helper, numpy_helper

    signal, weights_name, zero_name, weights_zero_name = node.input
    prefix = node.output[0]
    known = _attributes(node)
    weights = numpy_helper.to_array(constants[weights_name])
    n_out, n_in, length = weights.shape
    step = known["dilations"][0]

    def constant(name: str, values: Any) -> tuple[str, Any]:
        return f"{prefix}/{name}", numpy_helper.from_array(np.ascontiguousarray(values), f"{prefix}/{name}")

    def signed(values: Any) -> Any:
        return (values.astype(np.int16) - _SHIFT).astype(np.int8)

    rows, tensor = constant("rows", signed(weights).transpose(2, 1, 0).reshape(length * n_in, n_out))
    yield tensor
    rows_zero, tensor = constant("rows_zero", signed(numpy_helper.to_array(constants[weights_zero_name])))
    yield tensor
    before, after = known["pads"]
    pads, tensor = constant("pads", np.array([0, before, 0, 0, after, 0], dtype=np.int64))
    yield tensor
    time_axis, tensor = constant("time_axis", np.array([1], dtype=np.int64))
    yield tensor
    yield helper.make_node("Transpose", [signal], [f"{prefix}/by_time"], perm=[0, 2, 1])
    # A zero of the signal is its zero point.
    yield helper.make_node("Pad", [f"{prefix}/by_time", pads, zero_name], [f"{prefix}/padded"])
    windows = []
    for tap in range(length):
        left = (length - 1 - tap) * step
        begin, tensor = constant(f"begin{tap}", np.array([tap * step], dtype=np.int64))
        yield tensor
        end, tensor = constant(f"end{tap}", np.array([-left if left else _TO_THE_END], dtype=np.int64))
        yield tensor
        windows.append(f"{prefix}/tap{tap}")
        yield helper.make_node("Slice", [f"{prefix}/padded", begin, end, time_axis], [windows[-1]])
    yield helper.make_node("Concat", windows, [f"{prefix}/windows"], axis=2)
    products = f"{prefix}/products"
    yield helper.make_node("MatMulInteger", [f"{prefix}/windows", rows, zero_name, rows_zero], [products])
    yield helper.make_node("Transpose", [products], [prefix], perm=[0, 2, 1])
