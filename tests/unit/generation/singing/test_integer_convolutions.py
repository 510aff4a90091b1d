"""Convolutions of bytes as products: the same integers, whatever the shape; untouched where nothing is gained."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from generation.singing import kokoro
from generation.singing.integer_convolutions import MIN_WINDOW, as_products, signed_products_are_exact

exact = pytest.mark.skipif(not signed_products_are_exact(), reason="this processor cuts off sums of signed products")


def convolution(weights, zero, **attributes):
    node = helper.make_node("ConvInteger", ["signal", "weights", "signal_zero", "weights_zero"], ["out"], **attributes)
    zero_of_weights = np.array(zero, dtype=weights.dtype)
    return [node], [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(zero_of_weights, "weights_zero"),
    ]


def run(nodes, constants, signal, zero):
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("signal", TensorProto.UINT8, list(signal.shape)),
            helper.make_tensor_value_info("signal_zero", TensorProto.UINT8, []),
        ],
        [helper.make_empty_tensor_value_info("out")],
        constants,
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"signal": signal, "signal_zero": np.array(zero, dtype=np.uint8)})[0]


def by_hand(signal, weights, signal_zero, weights_zero, pads, step):
    """The definition, in 64 bits."""
    centred = np.pad(signal[0].astype(np.int64) - signal_zero, ((0, 0), pads))
    kernel = weights.astype(np.int64) - weights_zero
    length = centred.shape[1] - (kernel.shape[2] - 1) * step
    taps = [kernel[:, :, tap] @ centred[:, tap * step : tap * step + length] for tap in range(kernel.shape[2])]
    return sum(taps)[None]


@exact
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_same_integers(data):
    taps, step = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 5))
    channels = -(-MIN_WINDOW // taps) + data.draw(st.integers(0, 9))
    pads = (data.draw(st.integers(0, 30)), data.draw(st.integers(0, 30)))
    frames = max(1, (taps - 1) * step + 1 - sum(pads)) + data.draw(st.integers(0, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    extreme = data.draw(st.booleans())
    values = np.array([0, 255]) if extreme else np.arange(256)
    signal = rng.choice(values, (1, channels, frames)).astype(np.uint8)
    weights = rng.choice(values, (5, channels, taps)).astype(np.uint8)
    zeros = data.draw(st.tuples(st.integers(0, 255), st.integers(0, 255)))
    nodes, constants = convolution(weights, zeros[1], pads=pads, dilations=[step], strides=[1], kernel_shape=[taps])
    new_nodes, new_constants = as_products(nodes, constants)
    assert "ConvInteger" not in {node.op_type for node in new_nodes}
    found = run(new_nodes, new_constants, signal, zeros[0])
    np.testing.assert_array_equal(found, by_hand(signal, weights, *zeros, pads, step))
    np.testing.assert_array_equal(found, run(nodes, constants, signal, zeros[0]))


def test_what_gains_nothing_or_is_something_else_stays():
    large, small = np.ones((4, MIN_WINDOW, 1), np.uint8), np.ones((4, MIN_WINDOW - 1, 1), np.uint8)
    assert [node.op_type for node in as_products(*convolution(large, 3))[0]].count("ConvInteger") == 0
    for weights, attributes in (
        (small, {}),
        (large.astype(np.int8), {}),
        (large, {"strides": [2]}),
        (large, {"group": 2}),
        (large, {"auto_pad": "SAME_UPPER"}),
    ):
        given_nodes, given_constants = convolution(weights, 3, **attributes)
        nodes, constants = as_products(given_nodes, given_constants)
        assert (nodes, constants) == (given_nodes, given_constants)


@pytest.mark.models
@exact
def test_the_vocoder_sings_the_same_bits(model_dir, monkeypatch):
    folder = model_dir("kokoro")
    fast = kokoro.Kokoro(folder)
    monkeypatch.setattr(kokoro, "signed_products_are_exact", lambda: False)
    plain = kokoro.Kokoro(folder)
    voiced = []
    for network in (fast, plain):
        encoded = network.encode(list("hələ"), kokoro.style_of("af_heart", 4))
        frames = np.maximum(1, np.round(encoded.natural_frames)).astype(np.int64)
        voiced.append(network.vocode(encoded, frames, *network.prosody(encoded, frames)))
    assert np.abs(voiced[0]).max() > 0.01
    np.testing.assert_array_equal(voiced[0], voiced[1])
