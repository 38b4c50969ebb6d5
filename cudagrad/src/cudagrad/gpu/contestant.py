"""cudagrad's side of the cases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import device, engine, gpt, ops, optim
from ..autocast import autocast
from ..fusion import fuse
from ..graph import graphed
from ..kernels.matmul import TENSOR_CORES
from ..precision import FORMATS, float32_matmul_precision
from .cases import Call, GPTSizes, Run, tokens, weights


class Cudagrad:
    """cudagrad as a contestant."""

    name = "cudagrad"
    ops = ops

    def tensor(self, data: np.ndarray[Any, Any], requires_grad: bool = False) -> engine.Tensor:
        return engine.tensor(data, requires_grad=requires_grad)

    def numpy(self, tensor: engine.Tensor) -> np.ndarray[Any, Any]:
        return tensor.detach().numpy()

    def fused(self, call: Call) -> Call:
        return fuse(lambda *operands: call(ops, *operands))

    def adamw(self, parameters: Sequence[engine.Tensor]) -> optim.AdamW:
        return optim.AdamW(parameters)

    def gpt(self, sizes: GPTSizes, as_graph: bool) -> Run:
        shape = sizes.vocab_size, sizes.block_size, sizes.n_layer, sizes.n_head, sizes.n_embd
        model = gpt.GPT(gpt.GPTConfig(*shape, dropout=sizes.dropout))
        state = weights(sizes)
        model.load_state_dict(state | {"lm_head.weight": state["transformer.wte.weight"]})
        optimizer = optim.AdamW(model.parameters())

        def step(inputs: engine.Tensor, targets: engine.Tensor) -> engine.Tensor:
            optimizer.zero_grad()
            _, loss = model(inputs, targets)
            assert loss is not None
            loss.backward()
            optimizer.step()
            return loss

        batch = tuple(map(engine.tensor, tokens(sizes)))
        run = graphed(step) if as_graph else step
        return lambda: [run(*batch)]

    @contextlib.contextmanager
    def precision(self, name: str) -> Iterator[bool]:
        """Inside, float32 is multiplied in this precision, or ops are given bfloat16 by autocast.

        False if that cannot be.
        """
        if name == "autocast":
            with autocast():
                yield True
            return
        if name != "float32" and (device.EXECUTOR != "gpu" or not device.has(TENSOR_CORES)):
            yield False
            return
        with float32_matmul_precision(next(p for p, format in FORMATS.items() if format == name)):
            yield True
