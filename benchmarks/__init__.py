"""The engine beside ONNX Runtime and PyTorch, timed in one run: `python -m benchmarks.latency`."""
