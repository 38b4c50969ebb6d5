"""Attention that never stores its scores: softmax(q kᵀ · scale + mask) v, and the way back.

    tiles      what the kernels share: tiles in shared memory, their products in registers
    forward    the values that the queries take
    backward   the gradients

Dao 2023, https://arxiv.org/abs/2307.08691
Dao, Fu, Ermon, Rudra, Ré 2022, https://arxiv.org/abs/2205.14135
Milakov, Gimelshein 2018, https://arxiv.org/abs/1805.02867
"""

from __future__ import annotations

from .backward import deltas as deltas
from .backward import dkey_dvalue as dkey_dvalue
from .backward import dquery as dquery
from .backward import dscores as dscores
from .forward import attention as attention

WIDEST = 512  # bytes of a row: for tiles of longer ones shared memory has no room
