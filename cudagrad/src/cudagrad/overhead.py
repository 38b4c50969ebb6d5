"""What an op costs the host: all of Python up to its launches, which a made-up driver drops."""

from __future__ import annotations

import ctypes
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import device, gpt, ops, optim
from .allocator import Allocator
from .engine import Tensor, tensor
from .executors.nvidia import Launch, Nvidia

ROUNDS, REPEATS = 9, 50


class Idle(Nvidia):
    """The executor with a GPU, but for the GPU: memory is a number, and reads as zeros."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(current_context=lambda: None), _Driver())

    def launcher(self, kernel: Any, configuration: Any) -> Launch:
        return _Launch(self, kernel, configuration)


class _Launch(Launch):
    def _compiled(self, kinds: Any) -> tuple[Any, bool]:
        return 0, False  # 0 stands for the function, which nobody runs


class _Driver:
    def __init__(self) -> None:
        self._segments = itertools.count(1)

    def cuMemAlloc(self, size: int) -> Any:  # noqa: N802
        return 0, next(self._segments) << 40

    def cuMemcpyDtoHAsync(self, to: int, source: int, size: int, stream: int) -> Any:  # noqa: N802
        ctypes.memset(to, 0, size)
        return (0,)

    def done(self, *args: Any) -> Any:
        return (0,)

    cuLaunchKernel = cuMemcpyHtoDAsync = cuStreamSynchronize = done  # noqa: N815


def workloads() -> dict[str, Callable[[], object]]:
    """What is timed, by name: some ops, forward and with backward, and a training step."""
    x, other, weight, bias = (_leaf(shape) for shape in ((64, 128), (64, 128), (256, 128), (256,)))
    scale, shift = _leaf((128,)), _leaf((128,))
    forward: dict[str, Callable[[], Tensor]] = {
        "add": lambda: ops.add(x, other),
        "linear": lambda: ops.linear(x, weight, bias),
        "layer_norm": lambda: ops.layer_norm(x, (128,), scale, shift),
    }

    def both(run: Callable[[], Tensor]) -> Callable[[], object]:
        dout = ops.ones(run().shape)

        def work() -> None:
            for leaf in (x, other, weight, bias, scale, shift):
                leaf.grad = None
            run().backward(dout)

        return work

    found: dict[str, Callable[[], object]] = {}
    for name, run in forward.items():
        found |= {name: run, f"{name}, and backward": both(run)}
    return {**found, "a GPT step (one layer)": gpt_step(np.zeros((1, 8), np.int64))}


def gpt_step(idx: np.ndarray[Any, Any]) -> Callable[[], object]:
    """A training step of a tiny GPT on token ids (B, T), T 8 at most, each below 16."""
    model = gpt.GPT(gpt.GPTConfig(vocab_size=16, block_size=8, n_layer=1, n_head=2, n_embd=8))
    optimizer = optim.AdamW(model.parameters())

    def step() -> object:
        optimizer.zero_grad()
        _, loss = model(idx, idx)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def on_host() -> dict[str, dict[str, float]]:
    """Of each workload µs of processor time, their median, its launches, and calls of Python.

    Only in a process that has launched nothing: its executor is taken away.
    """
    device.executor = Idle()
    device.allocator = Allocator(device.executor)
    found = {}
    for name, workload in workloads().items():
        for _ in range(3):
            workload()
        with device.counting() as counts:
            workload()
        samples = []
        for _ in range(ROUNDS):
            start = time.process_time()
            for _ in range(REPEATS):
                workload()
            samples.append(1e6 * (time.process_time() - start) / REPEATS)
        found[name] = {
            "µs": statistics.median(samples),
            "launches": counts.launches,
            "calls": _calls(workload),
        }
    return found


def table(found: dict[str, dict[str, float]]) -> list[str]:
    """In Markdown."""
    lines = ["| on the host | launches | calls of Python | µs |", "|---|---:|---:|---:|"]
    for name, row in found.items():
        lines.append(f"| {name} | {row['launches']:.0f} | {row['calls']:,.0f} | {row['µs']:,.0f} |")
    return lines


def _leaf(shape: tuple[int, ...]) -> Tensor:
    return tensor(np.ones(shape, np.float32), requires_grad=True)


def _calls(workload: Callable[[], object]) -> int:
    """How many functions of Python it calls."""
    count = 0

    def watch(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        workload()
    finally:
        sys.setprofile(before)
    return count
