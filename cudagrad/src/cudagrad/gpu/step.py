"""Training steps of a tiny GPT, for NVIDIA's checks to look at: python -m cudagrad.gpu.step

One in float32, one whose products are of TF32, and one under autocast, whose products are too small
for tensor cores; so there are a few by rung 7 of the ladder besides. Rungs 6 and 7 are those whose
copies are on their way while threads go on.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from .. import arrays, device, gpt, nn, optim, random, streams
from ..autocast import autocast
from ..kernels.matmul import STORED
from ..precision import float32_matmul_precision
from ..storage import BFLOAT16


def train(steps: int = 1, precision: str = "highest", small: bool = False) -> float:
    """The loss of the last step; small: in bfloat16. precision: of products of float32."""
    random.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(65, 16, 2, 2, 32, dropout=0.1))
    optimizer = optim.AdamW(model.parameters())
    tokens = np.random.default_rng(0).integers(0, 65, (4, 17))
    value = math.nan
    with float32_matmul_precision(precision):
        for _ in range(steps):
            optimizer.zero_grad()
            with autocast(enabled=small):
                _, loss = model(tokens[:, :-1], tokens[:, 1:])
            assert loss is not None
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            value = loss.item()
    streams.synchronize()
    return value


def multiply() -> None:
    """Products of bfloat16 by rung 7, in every layout, with rows by eights and others."""
    if not device.has(STORED.capability):
        return
    for n, a_swapped, b_swapped in itertools.product((72, 73), (False, True), (False, True)):
        a, b, out = (arrays.zeros((2, n, n), BFLOAT16) for _ in range(3))
        STORED.launch(a, b, out, a_swapped=a_swapped, b_swapped=b_swapped)
    streams.synchronize()


if __name__ == "__main__":
    print(train(), train(precision="high"), train(small=True))
    multiply()
