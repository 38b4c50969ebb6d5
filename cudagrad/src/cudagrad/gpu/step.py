"""One training step of a tiny GPT, for NVIDIA's checks to look at: python -m cudagrad.gpu.step"""

from __future__ import annotations

import math

import numpy as np

from .. import gpt, nn, optim, random, streams


def train(steps: int = 1) -> float:
    """The loss of the last step."""
    random.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(65, 16, 2, 2, 32, dropout=0.1))
    optimizer = optim.AdamW(model.parameters())
    tokens = np.random.default_rng(0).integers(0, 65, (4, 17))
    value = math.nan
    for _ in range(steps):
        optimizer.zero_grad()
        _, loss = model(tokens[:, :-1], tokens[:, 1:])
        assert loss is not None
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = loss.item()
    streams.synchronize()
    return value


if __name__ == "__main__":
    print(train())
