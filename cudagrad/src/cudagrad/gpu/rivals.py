"""torch's side of the cases; the one module of this package that imports torch."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..device import EXECUTOR
from .cases import Arrays, Call, GPTSizes, Run, tokens, weights


class _Functions:
    """torch's functions, in whichever of its modules."""

    def __getattr__(self, name: str) -> Any:
        return getattr(functional, name, None) or getattr(torch, name)


class Torch:
    """torch, eager, on the GPU; on the CPU where cudagrad is on the emulator."""

    name = "torch"
    ops = _Functions()

    def __init__(self) -> None:
        self.device = "cuda" if EXECUTOR == "gpu" else "cpu"

    def tensor(self, data: np.ndarray[Any, Any], requires_grad: bool = False) -> torch.Tensor:
        return torch.tensor(data, device=self.device, requires_grad=requires_grad)

    def numpy(self, tensor: torch.Tensor) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = tensor.detach().float().cpu().numpy()
        return found

    def fused(self, call: Call) -> Call:
        return functools.partial(call, self.ops)

    def by_math(self, run: Run) -> Run:
        """run, where attention is made of products and a softmax: torch's "math" backend."""

        def by_math() -> Arrays:
            with sdpa_kernel(SDPBackend.MATH):
                return run()

        return by_math

    def adamw(self, parameters: Sequence[torch.Tensor]) -> Any:
        return torch.optim.AdamW(parameters, fused=self.device == "cuda")

    def gpt(self, sizes: GPTSizes, as_graph: bool) -> Run:
        state = {name: self.tensor(x, True) for name, x in weights(sizes).items()}
        optimizer = self.adamw(list(state.values()))
        inputs, targets = map(self.tensor, tokens(sizes))

        def step() -> Arrays:
            optimizer.zero_grad()
            logits = _gpt(state, inputs, sizes)
            loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            loss.backward()
            optimizer.step()
            return [loss]

        return step

    @contextlib.contextmanager
    def precision(self, name: str) -> Iterator[bool]:
        """Inside, float32 is multiplied in this precision, or ops are given bfloat16 by autocast.

        False if that cannot be. torch multiplies float32 as bfloat16 by autocast alone.
        """
        if self.device == "cpu":
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "autocast"):
                yield name in ("float32", "autocast")
            return
        allowed = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        tf32 = name == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        try:
            with torch.autocast("cuda", torch.bfloat16, enabled=name in ("bfloat16", "autocast")):
                yield True
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allowed


def _gpt(state: dict[str, torch.Tensor], inputs: torch.Tensor, sizes: GPTSizes) -> torch.Tensor:
    """GPT-2's logits (B, T, V), of weights by its names."""
    B, T = inputs.shape
    C, p = sizes.n_embd, sizes.dropout

    def part(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return state[f"transformer.{name}.weight"], state[f"transformer.{name}.bias"]

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (C,), *part(name))

    wte, wpe = state["transformer.wte.weight"], state["transformer.wpe.weight"]
    x = functional.dropout(functional.embedding(inputs, wte) + wpe[:T], p)
    for i in range(sizes.n_layer):
        block = f"h.{i}"
        qkv = functional.linear(normed(x, f"{block}.ln_1"), *part(f"{block}.attn.c_attn"))
        heads = qkv.view(B, T, 3, sizes.n_head, C // sizes.n_head).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(*heads.unbind(0), dropout_p=p, is_causal=True)
        y = functional.linear(y.transpose(1, 2).reshape(B, T, C), *part(f"{block}.attn.c_proj"))
        x = x + functional.dropout(y, p)
        y = functional.linear(normed(x, f"{block}.ln_2"), *part(f"{block}.mlp.c_fc"))
        y = functional.linear(functional.gelu(y, approximate="tanh"), *part(f"{block}.mlp.c_proj"))
        x = x + functional.dropout(y, p)
    return functional.linear(normed(x, "ln_f"), wte)
