"""The list of everything that is not checked, and why. Every report counts it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Skip:
    """Something that is skipped on an engine."""

    engine: str
    what: str | re.Pattern[str]  # id of a case or run, where * matches anything; or determinism
    reason: str
    executor: str = ""  # only if the description of the engine's executor starts with this

    def matches(self, engine: str, id: str, executor: str | None = None) -> bool:
        if isinstance(self.what, str):
            pattern = re.escape(self.what).replace(r"\*", ".*")
        else:
            pattern = self.what.pattern
        named = self.engine == engine and re.fullmatch(pattern, id) is not None
        return named and (executor is None or executor.startswith(self.executor))


NO_INSIDE = "nested lists cannot say a shape with a 0 before its end: an empty list has no inside"
# Layers and optimizers, whose names start with a capital, and runs, whose ids have no [number].
BUILT_ON_OPS = re.compile(r"[A-Z].*|(?!determinism)[a-z0-9-]+")
ONLY_OPS = "it has no layers, optimizers and models by torch's names: its ops alone are judged"
OWN_ERRORS = "its errors are of its own kinds and words"

SKIPS = (
    Skip("micrograd", "matmul[13]", NO_INSIDE),
    Skip("micrograd", "one_hot[9]", NO_INSIDE),
    Skip("micrograd", "embedding[9]", NO_INSIDE),
    Skip("micrograd", "layer_norm[12]", NO_INSIDE),
    Skip("micrograd", "max_pool2d[19]", NO_INSIDE),
    Skip("micrograd", "max_pool2d!11", NO_INSIDE),
    Skip("micrograd", "avg_pool2d[18]", NO_INSIDE),
    Skip("micrograd", "avg_pool2d!11", NO_INSIDE),
    Skip("micrograd", "cross_entropy[52]", NO_INSIDE),
    Skip("micrograd", "cross_entropy[53]", NO_INSIDE),
    Skip("micrograd", "cross_entropy[54]", NO_INSIDE),
    Skip("micrograd", "nll_loss[22]", NO_INSIDE),
    Skip("micrograd", "getitem!8", "an empty list is one of ints, too"),
    Skip("micrograd", "cat!5", "a matrix is a list of vectors, which may be joined"),
    Skip("micrograd", "gpt-small", "its 100 000 weights, one Python float at a time, take hours"),
    Skip(
        "cudagrad",
        "gpt-small",
        "400 steps of 0.2 s on the emulator, twice",
        executor="emulator",
    ),
    Skip("torch", "*!*", "torch's errors are of its own kinds, mostly RuntimeError"),
    Skip("autograd", "*!*", "its errors are NumPy's"),
    Skip("jax", "*!*", OWN_ERRORS),
    Skip("tinygrad", "*!*", OWN_ERRORS),
    Skip("autograd", BUILT_ON_OPS, ONLY_OPS),
    Skip("jax", BUILT_ON_OPS, ONLY_OPS),
    Skip("tinygrad", BUILT_ON_OPS, ONLY_OPS),
    Skip("torch", "determinism", "torch's threads share its sums, and each has a part of its own"),
)


def reason(engine: str, id: str, executor: str | None = None) -> str:
    """Why a case or run is skipped on an engine; empty if it is not. executor: if it is known."""
    return next((skip.reason for skip in SKIPS if skip.matches(engine, id, executor)), "")
