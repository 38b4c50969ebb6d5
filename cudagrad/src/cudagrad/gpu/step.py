"""Training steps of a tiny GPT, for NVIDIA's checks to look at: python -m cudagrad.gpu.step

One in float32, one whose products are of TF32, and one under autocast: the last two launch what
tensor cores multiply, rungs 6 and 7 of the ladder, whose copies are on their way while threads go
on.
"""

from __future__ import annotations

import math

import numpy as np

from .. import gpt, nn, optim, random, streams
from ..autocast import autocast
from ..precision import float32_matmul_precision


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


if __name__ == "__main__":
    print(train(), train(precision="high"), train(small=True))
