"""Run under CUDAGRAD_DEVICE=checker: every op, forward and backward, and steps of a small GPT.

Prints the launches that ran, as cudagrad.compile's table has them, or fails with what was found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from calls import CALLS, run

from cudagrad import device, gpt, nn, optim
from cudagrad.checker import launch
from cudagrad.compile.table import Launch
from cudagrad.emulator.launch import _kind

DTYPES = (np.float32, np.float64)
SEEN: set[Launch] = set()


def note_launches() -> None:
    """Put every launch of a kernel of ours into SEEN."""
    check = launch.CheckedLauncher.__call__

    def noted(self: launch.CheckedLauncher, *args: Any) -> None:
        check(self, *args)
        kinds = [getattr(a, "kind", None) or _kind(self.kernel, a) for a in args]
        if self.kernel.__module__.startswith("cudagrad.kernels"):
            SEEN.add(Launch.of(self.kernel, kinds))

    launch.CheckedLauncher.__call__ = noted  # type: ignore[method-assign]


def train(dtype: type) -> None:
    """A step of a small GPT by each optimizer."""
    model = gpt.GPT(gpt.GPTConfig(7, 3, 1, 2, 4, dropout=0.1))
    model.load_state_dict({name: x.astype(dtype) for name, x in model.state_dict().items()})
    idx = np.arange(6).reshape(2, 3)
    for optimizer in (
        optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        optim.Adagrad(model.parameters()),
        optim.RMSprop(model.parameters(), momentum=0.9, centered=True),
        optim.AdamW(model.parameters(), amsgrad=True),
    ):
        _, loss = model(idx, idx)
        assert loss is not None
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert np.isfinite(loss.item())
    model.eval()
    model.generate(idx[:1, :2], 2)


def main() -> None:
    assert device.EXECUTOR == "checker"
    note_launches()
    for dtype in DTYPES:
        for name in CALLS:
            run(name, dtype)
        train(dtype)
    print(*sorted(map(str, SEEN)), sep="\n")


if __name__ == "__main__":
    main()
