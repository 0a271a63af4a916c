"""ONNX Runtime on the same recurrent step, in its fastest form.

Tried on two busy cores of an AMD EPYC with the benchmark's model, medians:

* this graph and close variants: 98 to 106 us
* attention as matrix products, with the rotation folded into the state's decay: 113 us
* the convolution from single operators: 10 us more
* top-k by np.argpartition instead of in the graph: 36 us more
* the table not transposed, Gemm for MatMul, weights not prepacked, spinning threads, denormals as
  zero: no gain
* a table of the first block's products for every item: 3 us less for four times the table's memory,
  so omitted
* quantised to 8 bits by onnxruntime.quantization: 94 us against 108 in the same run, with different
  scores

It has less work than the engine: seen items are not excluded, and the rotary angles come from a
table with a limited number of positions.
"""

import numpy as np
import onnx
from onnx import TensorProto
from recgrela_train.networks.attention import EPS
from recgrela_train.networks.grela import CONV_KERNEL, Block, RecGrela

from .fused import angles, check_architecture, decay, input_table, projection
from .onnx_graph import CONTRIB, Bound, Graph, make_session


class OnnxRecurrent:
    """One user's history on ONNX Runtime, with at most `max_events` events."""

    def __init__(self, model: RecGrela, max_events: int, k: int = 10):
        self._item = np.zeros((1, 1), np.int64)
        self._position = np.zeros(1, np.int64)
        session = make_session(build_step(model, max_events, k))
        self._bound = Bound(session, {"item": self._item, "position": self._position}, k)
        self._events = 0

    def append_and_top_k(self, item: int) -> np.ndarray:
        """Append an item index (0..N-1); return the top k, [k], valid until the next call."""
        self._item[0, 0] = item
        self._position[0] = self._events
        self._bound.run()
        self._events += 1
        return self._bound.top_items[0, 0]

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""
        return self._bound.scores[0, 0].copy()

    def reset(self) -> None:
        """Reset to the empty history."""
        self._bound.clear()
        self._events = 0


def build_step(model: RecGrela, max_events: int, k: int) -> onnx.ModelProto:
    """The graph of one event: item [1, 1], position [1] and the state -> scores, top k, state."""
    check_architecture(model)
    graph = Graph()
    item = graph.input("item", [1, 1], TensorProto.INT64)
    position = graph.input("position", [1], TensorProto.INT64)
    angle = angles(model.config.hidden_size, max_events)
    rotary = (position, graph.constant(angle.cos()), graph.constant(angle.sin()))
    h = graph.op("Gather", graph.constant(input_table(model)), item)  # [1, 1, D]
    y = graph.layer_norm(h, model.blocks[0].norm1)
    norms = [*(block.norm1 for block in model.blocks[1:]), model.final_norm]
    for number, (block, norm) in enumerate(zip(model.blocks, norms, strict=True)):
        y, h = _block(graph, number, block, norm, y, h, rotary)
    graph.score_and_top_k(y, model.embedding.weight[1:], k)
    return graph.model()


def _block(
    graph: Graph, number: int, block: Block, norm, y: str, h: str, rotary: tuple[str, str, str]
) -> tuple[str, str]:
    """One block: normed h (y) and h, both [1, 1, D] -> the same for the next block."""
    size = block.input.out_features
    projected = graph.linear(y, *projection(block))  # [1, 1, 6D]
    parts = graph.constant([size, size, 4 * size])
    gate, v, qk = graph.ops("Split", 3, projected, parts, axis=2)
    attention = _attention(graph, number, block, v, qk, rotary)
    local = _local_conv(graph, number, block, v)
    gate = graph.op("QuickGelu", gate, domain=CONTRIB, alpha=1.0)  # SiLU
    mixed = graph.op("Mul", graph.op("Add", attention, local), gate)
    branch = graph.op("MatMul", mixed, graph.constant(block.output.weight.T))
    y, h = graph.add_and_norm(branch, block.output.bias, h, block.norm2)
    return graph.feed_forward(y, h, block.ffn_in, block.ffn_out, norm)


def _attention(
    graph: Graph, number: int, block: Block, v: str, qk: str, rotary: tuple[str, str, str]
) -> str:
    """v [1, 1, D] and q | q | k | k [1, 1, 4D], before the feature map -> [1, 1, D]."""
    size, heads = block.input.out_features, 2 * block.num_heads
    features = graph.op("Add", graph.op("Elu", qk), graph.constant(np.ones((1, 1, 1))))
    # Two "heads" of 2D features. The first half of each is rotated: q~ | q | k~ | k.
    rotated = graph.op(
        "RotaryEmbedding", features, *rotary,
        domain=CONTRIB, interleaved=1, num_heads=2, rotary_embedding_dim=size,
    )  # fmt: skip
    query, key = graph.ops("Split", 2, rotated, axis=2, num_outputs=2)
    value = graph.op("Concat", v, graph.constant(np.ones((1, 1, size))), axis=2)
    shape = [1, heads, size // block.num_heads, size // block.num_heads]
    before, after = graph.input(f"sums{number}", shape), graph.output(f"sums{number}_next", shape)
    log_decay = graph.constant(decay(block).log().view(1, 1, heads))
    both = f"attention{number}"
    graph.node(
        "LinearAttention", query, key, value, before, log_decay,
        domain=CONTRIB, outputs=[both, after],
        q_num_heads=heads, kv_num_heads=heads, scale=1.0, update_rule="gated",
    )  # fmt: skip
    numerator, denominator = graph.ops("Split", 2, both, axis=2, num_outputs=2)
    denominator = graph.op("Add", denominator, graph.constant(np.full((1, 1, 1), EPS)))
    return graph.op("Div", numerator, denominator)


def _local_conv(graph: Graph, number: int, block: Block, v: str) -> str:
    """v [1, 1, D] -> SiLU of the causal convolution, [1, 1, D]."""
    size = block.input.out_features
    shape = [1, size, CONV_KERNEL - 1]
    before, after = graph.input(f"last{number}", shape), graph.output(f"last{number}_next", shape)
    local = f"local{number}"
    graph.node(
        "CausalConvWithState",
        graph.op("Reshape", v, graph.constant([1, size, 1])),
        graph.constant(block.conv.weight.T.reshape(size, 1, CONV_KERNEL)),
        graph.constant(block.conv.bias),
        before,
        domain=CONTRIB, outputs=[local, after], activation="silu",
    )  # fmt: skip
    return graph.op("Reshape", local, graph.constant([1, 1, size]))
