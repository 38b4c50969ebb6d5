"""A tiny GPT that trains with everything that changes from step to step, as it is or as a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

import cudagrad
from cudagrad import gpt, nn, optim
from cudagrad.graph import graphed

STEPS = 6


def train(as_graph: bool, steps: int = STEPS) -> dict[str, Any]:
    """Losses, weights, states of the optimizer and the generator after some steps."""
    cudagrad.manual_seed(3)
    model = gpt.GPT(gpt.GPTConfig(11, 8, 1, 2, 16, dropout=0.1))
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    schedule = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def step(inputs: cudagrad.Tensor, targets: cudagrad.Tensor) -> cudagrad.Tensor:
        optimizer.zero_grad()
        _, loss = model(inputs, targets)
        assert loss is not None
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    run = graphed(step) if as_graph else step
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        tokens = rng.integers(0, 11, (2, 9))
        loss = run(cudagrad.tensor(tokens[:, :-1]), cudagrad.tensor(tokens[:, 1:]))
        losses.append(loss.item())
        schedule.step()
    return {
        "losses": losses,
        "weights": {name: x.tobytes() for name, x in model.state_dict().items()},
        "optimizer": {
            (index, name): np.asarray(x).tobytes()
            for index, state in optimizer.state_dict()["state"].items()
            for name, x in state.items()
        },
        "generator": cudagrad.get_rng_state(),
    }
