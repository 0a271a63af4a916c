"""Builds and runs the ONNX graphs of both ONNX Runtime contenders.

The graphs are built node by node. A step traced from PyTorch has more nodes and is several times
slower, because ONNX Runtime has a cost per node.
"""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

CONTRIB = "com.microsoft"  # ONNX Runtime's own operators
OPSET = 23  # has Attention
IR_VERSION = 10
NORM_EPS = 1e-12


class Graph:
    """A graph builder; tensors are referred to by name."""

    def __init__(self):
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: list[int], dtype: int = TensorProto.FLOAT) -> str:
        """Declare an input of the graph."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str, shape: list[int], dtype: int = TensorProto.FLOAT) -> str:
        """Declare an output of the graph; a node must produce it under this name."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, value: np.ndarray | Tensor | list[int]) -> str:
        """A constant: float32 from floats, int64 from a list of integers."""
        if isinstance(value, Tensor):
            value = value.detach().numpy()
        value = np.ascontiguousarray(
            value, dtype=np.int64 if isinstance(value, list) else np.float32
        )
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def node(
        self, kind: str, *inputs: str, domain: str = "", outputs: list[str], **attributes
    ) -> None:
        """Add a node with named outputs; "" omits an output."""
        self._nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes) -> str:
        """Add a node with one output and return its name."""
        return self.ops(kind, 1, *inputs, domain=domain, **attributes)[0]

    def ops(self, kind: str, count: int, *inputs: str, domain: str = "", **attributes) -> list[str]:
        """Add a node with `count` outputs and return their names."""
        outputs = [f"{kind}{len(self._nodes)}_{i}" for i in range(count)]
        self.node(kind, *inputs, domain=domain, outputs=outputs, **attributes)
        return outputs

    def linear(self, x: str, weight: Tensor, bias: Tensor) -> str:
        """x [1, T, in] times weight [out, in] plus bias [out] -> [1, T, out]."""
        product = self.op("MatMul", x, self.constant(weight.T))
        return self.op("Add", product, self.constant(bias))

    def layer_norm(self, x: str, norm) -> str:
        """A torch.nn.LayerNorm of x [1, T, D]."""
        affine = (self.constant(norm.weight), self.constant(norm.bias))
        return self.op("LayerNormalization", x, *affine, epsilon=NORM_EPS)

    def add_and_norm(self, branch: str, bias: Tensor, h: str, norm) -> tuple[str, str]:
        """(LayerNorm(h + branch + bias), h + branch + bias), [1, T, D], in one node."""
        name = f"skip{len(self._nodes)}"
        constants = map(self.constant, (norm.weight, norm.bias, bias))
        outputs = [f"{name}_norm", "", "", f"{name}_sum"]
        self.node(
            "SkipLayerNormalization", branch, h, *constants,
            domain=CONTRIB, outputs=outputs, epsilon=NORM_EPS,
        )  # fmt: skip
        return outputs[0], outputs[3]

    def feed_forward(self, y: str, h: str, ffn_in, ffn_out, norm) -> tuple[str, str]:
        """Feed-forward of y added to h, and the LayerNorm after it, [1, T, D]."""
        inner = self.op("MatMul", y, self.constant(ffn_in.weight.T))
        inner = self.op("BiasGelu", inner, self.constant(ffn_in.bias), domain=CONTRIB)
        branch = self.op("MatMul", inner, self.constant(ffn_out.weight.T))
        return self.add_and_norm(branch, ffn_out.bias, h, norm)

    def score_and_top_k(self, y: str, table: np.ndarray | Tensor, k: int) -> None:
        """Outputs `scores` [1, 1, N], `top_scores` and `top_items` [1, 1, k] of y [1, 1, D].

        The table [N, D] is stored transposed: scoring is one [1, D] x [D, N] product.
        """
        self.node("MatMul", y, self.constant(table.T), outputs=["scores"])
        self.node("TopK", "scores", self.constant([k]), outputs=["top_scores", "top_items"])
        self.output("scores", [1, 1, len(table)])
        self.output("top_scores", [1, 1, k])
        self.output("top_items", [1, 1, k], TensorProto.INT64)

    def model(self) -> onnx.ModelProto:
        """The finished model."""
        graph = helper.make_graph(self._nodes, "step", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def make_session(model: onnx.ModelProto) -> ort.InferenceSession:
    """A single-threaded session with all graph optimisations."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class Bound:
    """Inputs and outputs of a session bound once to NumPy arrays, and reused in every run.

    Each state tensor has an output of the same name plus "_next". Its two buffers are swapped after
    each run, so state is never copied.
    """

    def __init__(self, session: ort.InferenceSession, inputs: dict[str, np.ndarray], k: int):
        self._session = session
        self._states = {
            x.name: [np.zeros(x.shape, np.float32) for _ in range(2)]
            for x in session.get_inputs()
            if x.name not in inputs
        }
        self.top_scores = np.zeros((1, 1, k), np.float32)
        self.top_items = np.zeros((1, 1, k), np.int64)
        scores = next(x for x in session.get_outputs() if x.name == "scores")
        self.scores = np.zeros(scores.shape, np.float32)
        value = ort.OrtValue.ortvalue_from_numpy  # shares the array's memory
        fixed = {name: value(array) for name, array in inputs.items()}
        results = {
            name: value(getattr(self, name)) for name in ("scores", "top_scores", "top_items")
        }
        states = {name: [value(array) for array in pair] for name, pair in self._states.items()}
        self._bindings = []
        for now in range(2):
            binding = session.io_binding()
            for name, bound in fixed.items():
                binding.bind_ortvalue_input(name, bound)
            for name, pair in states.items():
                binding.bind_ortvalue_input(name, pair[now])
                binding.bind_ortvalue_output(f"{name}_next", pair[1 - now])
            for name, bound in results.items():
                binding.bind_ortvalue_output(name, bound)
            self._bindings.append(binding)
        self._now = 0

    def run(self) -> None:
        """Read the input arrays and fill `scores`, `top_scores` and `top_items`."""
        # Without RunOptions, on which the Python wrapper would spend 35 us.
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now = 1 - self._now

    def clear(self) -> None:
        """Set all state to zero."""
        for pair in self._states.values():
            for array in pair:
                array.fill(0)
