"""Run under CUDAGRAD_DEVICE=checker: small cases of every op, and a GPT's training step.

Prints the names of the kernels that ran, or fails with what the checker has found.
"""

from __future__ import annotations

import numpy as np

from cudagrad import device, engine, gpt, launches, nn, ops, optim
from cudagrad.compile import table
from cudagrad.kernels.matmul import LADDER
from cudagrad.ops import creation, indexing
from parity import engines
from parity.checks import run
from parity.checks.items import applicable
from parity.spec import OPS
from parity.spec.case import Case

CASES, SIZE = 2, 150  # of each op so many cases, of so many elements at most


def size(case: Case) -> int:
    args, kwargs = case.inputs()
    flat = [part for arg in (*args, *kwargs.values()) for part in _parts(arg)]
    return sum(np.size(part) for part in flat)


def _parts(value: object) -> list[object]:
    if isinstance(value, list | tuple):
        return [part for each in value for part in _parts(each)]
    return [value] if isinstance(value, np.ndarray) else []


def main() -> None:
    assert device.EXECUTOR == "checker"
    seen: set[str] = set()

    def watch(launcher: launches.Launcher, args: object) -> None:
        if launcher.kernel.__module__.startswith("cudagrad.kernels"):
            seen.add(table.name_of(launcher.kernel))

    launches.watchers.append(watch)
    adapter = engines.load("cudagrad")
    failed = 0
    for op in OPS:
        sizes = {case: size(case) for case in op.cases if not case.chance}
        small = sorted((c for c in sizes if 1 < sizes[c] <= SIZE), key=lambda c: -sizes[c])
        for case in small[:CASES]:
            for check in {"forward", "backward"} & applicable(op, case).keys():
                result = run(adapter, op, case, check, "float32")
                if result.status == "failed":
                    print(result.case, check, result.message, result.traceback, flush=True)
                    failed += 1
    creation.arange(3)
    indexing.sort(creation.arange(100))
    attend()
    multiply()
    train()
    print(*sorted(seen), sep="\n")
    raise SystemExit(failed > 0)


def attend() -> None:
    """Attention whose mask has a gradient, and whose heads are wider than a thread's registers."""
    rng = np.random.default_rng(0)
    for width in (3, 65):
        q, k, v, mask = (
            engine.tensor(rng.standard_normal(shape, np.float32), requires_grad=True)
            for shape in ((1, 3, width), (1, 4, width), (1, 4, width), (3, 4))
        )
        ops.scaled_dot_product_attention(q, k, v, mask).sum().backward()


def multiply() -> None:
    """A product that no tile divides, by every rung of the ladder."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, np.float32) for shape in ((1, 33, 17), (1, 17, 35)))
    for rung in LADDER:
        if np.float32 in rung.dtypes:
            out = device.empty((1, 33, 35), np.float32)
            rung.launch(device.to_device(a), device.to_device(b), out)
            assert np.allclose(device.to_host(out), a @ b, atol=0.2)


def train() -> None:
    """One step of a small GPT."""
    config = gpt.GPTConfig(7, 3, 1, 2, 4, dropout=0.1)
    model = gpt.GPT(config)
    for optimizer in (
        optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        optim.Adagrad(model.parameters()),
        optim.RMSprop(model.parameters(), momentum=0.9, centered=True),
        optim.AdamW(model.parameters(), amsgrad=True),
    ):
        idx = np.arange(6).reshape(2, 3)
        _, loss = model(idx, idx)
        assert loss is not None
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert np.isfinite(loss.item())


if __name__ == "__main__":
    main()
