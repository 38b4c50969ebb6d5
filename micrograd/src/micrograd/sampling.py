"""Choosing the next token from its logits: the likeliest, or one drawn at random.

Drawn with the standard library's generator, so that one seed writes the same text on every engine.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Sequence
from itertools import accumulate

from .arguments import number, whole
from .random import draw_seed


class Sampler:
    """The next token of each row of logits: the likeliest, the first of equals, or a drawn one.

    do_sample: draw from the softmax of logits / temperature, among the top_k likeliest tokens, and
    of those among the fewest that together have the share top_p of their probability; of equally
    likely tokens the first ones are taken, so that top_k is never exceeded. seed: None is drawn
    from the engine's generator. Raises ValueError for what is out of range.

    Holtzman et al. 2020, https://arxiv.org/abs/1904.09751, for top_p.
    """

    def __init__(
        self,
        do_sample: bool,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
        seed: int | None,
    ) -> None:
        number("generate", "temperature", temperature)
        if not 0 < temperature < math.inf:
            raise ValueError(f"generate: temperature must lie in (0, inf), not {temperature}")
        if top_k is not None:
            whole("generate", "top_k", top_k, 1)
        if top_p is not None:
            number("generate", "top_p", top_p)
            if not 0 < top_p <= 1:
                raise ValueError(f"generate: top_p must lie in (0, 1], not {top_p}")
        if seed is not None:
            whole("generate", "seed", seed, 0)
        self.do_sample, self.temperature = do_sample, temperature
        self.top_k, self.top_p = top_k, top_p
        self.random = random.Random(draw_seed() if do_sample and seed is None else seed)

    def __call__(self, logits: Sequence[Sequence[float]]) -> list[int]:
        """A token for each row: (B, V) -> (B,)."""
        for row in logits:
            if any(map(math.isnan, row)) or math.isinf(max(row)):
                raise ValueError("generate: the model's logits are not finite")
        if not self.do_sample:
            return [max(range(len(row)), key=row.__getitem__) for row in logits]
        return [self._drawn(row) for row in logits]

    def _drawn(self, logits: Sequence[float]) -> int:
        top = max(logits)
        weights = [math.exp((logit - top) / self.temperature) for logit in logits]
        kept = list(range(len(weights)))
        if self.top_k is not None or self.top_p is not None:
            kept = sorted(kept, key=weights.__getitem__, reverse=True)[: self.top_k]
            if self.top_p is not None:
                sums = list(accumulate(weights[i] for i in kept))
                kept = kept[: bisect.bisect_left(sums, self.top_p * sums[-1]) + 1]
            kept.sort()
        sums = list(accumulate(weights[i] for i in kept))
        return kept[bisect.bisect_right(sums, self.random.random() * sums[-1])]
