"""What the layers and losses mean: torch.nn's classes of the same names.

Initial distributions are those of torch's documentation: uniform within 1 / sqrt(fan_in), unless it
says otherwise.
"""

from __future__ import annotations

import math

from torch import nn

from .case import Case, bools, constant, integers, ints, randn, uniform
from .part import Again, Always, Chance, Layer, Made, New, Normal, Uniform

IMAGE = Case(randn(2, 4, 7, 6))
SIGNAL = Case(randn(2, 4, 9))
OF_3, OF_18, OF_12 = (Uniform(1 / math.sqrt(fan_in)) for fan_in in (3, 18, 12))
ONES_AND_ZEROS = {"weight": Always(1), "bias": Always(0)}
STATISTICS = {
    "running_mean": Always(0),
    "running_var": Always(1),
    "num_batches_tracked": Always(0),
}
SEQUENCES = (randn(3, 2, 8), randn(5, 2, 8), randn(5, 2, 8))  # (L, N, E) and twice (S, N, E)
SOME = [[False, True, False, True, True], [True, False, False, False, False], [False] * 5]
LATER = [[j > i for j in range(4)] for i in range(4)]


def _shares(*shape: int) -> Case:
    """Probabilities, and target probabilities."""
    probability = constant(uniform(*shape, low=0.1, high=0.9))
    return Case(uniform(*shape, low=0.1, high=0.9), probability)


def _batch_norm(layer: type, *calls: Case) -> Layer:
    """A BatchNorm over 4 channels; several calls in a row, as each updates the statistics."""
    return Layer(
        layer,
        Made(4, on=calls),
        Made(4, eps=0.1, momentum=0.3, on=calls),
        Made(4, momentum=None, on=calls, why="the mean of all batches so far"),
        Made(4, affine=False, on=calls),
        Made(4, track_running_stats=False, on=calls, why="its own statistics in eval too"),
        Made(4, 0.01, 0.2, False, False, on=calls),
        Made(4, momentum=0.0, on=calls, why="statistics that do not move"),
        Made(600, initial={**ONES_AND_ZEROS, **STATISTICS}),
    )


LAYERS = (
    Layer(nn.Identity, Made(on=[Case(randn(2, 3, 5)), Case(randn())])),
    Layer(
        nn.Linear,
        Made(5, 3, on=[Case(randn(2, 5)), Case(randn(5)), Case(randn(4, 2, 5))]),
        Made(5, 3, bias=False, on=[Case(randn(2, 5))]),
        Made(1, 1, on=[Case(randn(3, 1))]),
        Made(3, 1000, initial={"weight": OF_3, "bias": OF_3}),
        Made(3, 1000, False, initial={"weight": OF_3}),
    ),
    Layer(
        nn.Embedding,
        Made(7, 3, on=[Case(integers(2, 5, low=0, high=7)), Case(ints(4))]),
        Made(60, 50, initial={"weight": Normal(1.0)}),
    ),
    Layer(
        nn.Flatten,
        Made(on=[Case(randn(2, 3, 5))]),
        Made(0, on=[Case(randn(2, 3, 5))]),
        Made(start_dim=-3, end_dim=-2, on=[Case(randn(2, 3, 5, 4))]),
    ),
    Layer(
        nn.Dropout,
        Made(on=[Case(uniform(40, 30, low=0.5, high=2.0))], chance=Chance(0.5)),
        Made(0.25, on=[Case(uniform(40, 30, low=0.5, high=2.0))], chance=Chance(0.25)),
        Made(0.0, on=[Case(randn(2, 3))]),
    ),
    Layer(
        nn.Conv1d,
        Made(4, 6, 3, on=[SIGNAL, Case(randn(4, 9))]),
        Made(4, 6, 3, stride=2, padding=2, dilation=2, bias=False, on=[SIGNAL]),
        Made(4, 6, (2,), padding="same", groups=2, on=[SIGNAL]),
        Made(4, 2, 2, padding=1, padding_mode="circular", on=[SIGNAL]),
        Made(6, 500, 6, groups=2, initial={"weight": OF_18, "bias": OF_18}),
        Made(4, 2, 4, padding="same", padding_mode="circular", on=[SIGNAL]),
        Made(4, 2, 4, padding="same", padding_mode="reflect", on=[SIGNAL]),
    ),
    Layer(
        nn.Conv2d,
        Made(4, 6, 3, on=[IMAGE, Case(randn(4, 7, 6))]),
        Made(4, 6, (2, 3), (2, 1), (1, 0), (1, 2), on=[IMAGE]),
        Made(4, 2, 3, padding="same", groups=2, bias=False, on=[IMAGE]),
        Made(4, 2, (3, 2), padding="valid", on=[IMAGE]),
        Made(4, 2, (3, 2), padding=(2, 1), padding_mode="reflect", on=[IMAGE]),
        Made(4, 2, 4, padding="same", padding_mode="replicate", on=[IMAGE]),
        Made(2, 500, (2, 3), initial={"weight": OF_12, "bias": OF_12}),
    ),
    Layer(
        nn.MaxPool2d,
        Made(2, on=[IMAGE, Case(randn(4, 7, 6))]),
        Made((3, 2), stride=1, padding=1, dilation=(1, 2), on=[IMAGE]),
        Made(3, 2, ceil_mode=True, on=[IMAGE]),
        Made(2, return_indices=True, on=[IMAGE]),
    ),
    Layer(
        nn.AvgPool2d,
        Made(2, on=[IMAGE, Case(randn(4, 7, 6))]),
        Made((3, 2), 1, (1, 0), count_include_pad=False, on=[IMAGE]),
        Made(3, 2, ceil_mode=True, divisor_override=5, on=[IMAGE]),
    ),
    Layer(
        nn.AdaptiveAvgPool2d,
        Made(1, on=[IMAGE, Case(randn(4, 7, 6))]),
        Made((3, None), on=[IMAGE]),
        Made(output_size=[2, 5], on=[IMAGE]),
    ),
    _batch_norm(nn.BatchNorm1d, Case(randn(5, 4)), Case(randn(3, 4, 2))),
    _batch_norm(nn.BatchNorm2d, Case(randn(3, 4, 2, 5)), Case(randn(2, 4, 3, 1))),
    Layer(
        nn.LayerNorm,
        Made(5, on=[Case(randn(2, 3, 5)), Case(randn(5))]),
        Made((3, 5), eps=0.1, on=[Case(randn(2, 3, 5))]),
        Made(5, bias=False, on=[Case(randn(2, 3, 5))]),
        Made([5], elementwise_affine=False, on=[Case(randn(2, 3, 5))]),
        Made(600, initial=ONES_AND_ZEROS),
    ),
    Layer(
        nn.RMSNorm,
        Made(5, on=[Case(randn(2, 3, 5)), Case(randn(5))]),
        Made((3, 5), eps=0.1, on=[Case(randn(2, 3, 5))]),
        Made(5, elementwise_affine=False, on=[Case(randn(2, 3, 5))]),
        Made(600, initial={"weight": Always(1)}),
    ),
    Layer(
        nn.GroupNorm,
        Made(2, 4, on=[Case(randn(3, 4, 5)), Case(randn(2, 4, 3, 5))]),
        Made(1, 4, eps=0.1, on=[Case(randn(3, 4, 5))]),
        Made(4, 4, affine=False, on=[Case(randn(3, 4, 5))]),
        Made(2, 600, initial=ONES_AND_ZEROS),
    ),
    Layer(nn.ReLU, Made(on=[Case(randn(2, 3))])),
    Layer(nn.LeakyReLU, Made(on=[Case(randn(2, 3))]), Made(0.3, on=[Case(randn(2, 3))])),
    Layer(nn.GELU, Made(on=[Case(randn(2, 3))]), Made("tanh", on=[Case(randn(2, 3))])),
    Layer(nn.SiLU, Made(on=[Case(randn(2, 3))])),
    Layer(nn.Sigmoid, Made(on=[Case(randn(2, 3))])),
    Layer(nn.Tanh, Made(on=[Case(randn(2, 3))])),
    Layer(nn.Softmax, Made(1, on=[Case(randn(2, 3, 5))]), Made(dim=-1, on=[Case(randn(2, 3))])),
    Layer(nn.LogSoftmax, Made(1, on=[Case(randn(2, 3, 5))]), Made(dim=-1, on=[Case(randn(2, 3))])),
    Layer(
        nn.MultiheadAttention,
        Made(8, 2, on=[Case(*SEQUENCES)]),
        Made(8, 2, bias=False, on=[Case(randn(3, 8), randn(5, 8), randn(5, 8))]),
        Made(
            *(8, 4),
            batch_first=True,
            on=[Case(randn(2, 3, 8), Again(0), Again(0)), Case(randn(2, 3, 8), Again(0), Again(0))],
            why="queries, keys and values of one tensor: torch projects them together",
        ),
        Made(8, 2, on=[Case(*SEQUENCES, average_attn_weights=False)]),
        Made(8, 2, on=[Case(*SEQUENCES, need_weights=False)]),
        Made(
            *(8, 2),
            on=[
                Case(*SEQUENCES, attn_mask=constant(randn(3, 5))),
                Case(*SEQUENCES, attn_mask=constant(randn(4, 3, 5)), need_weights=False),
            ],
        ),
        Made(
            *(8, 2),
            on=[
                Case(*SEQUENCES, attn_mask=bools(SOME)),
                Case(*SEQUENCES, attn_mask=bools([SOME] * 4)),
            ],
            why="True may not take part",
        ),
        Made(
            *(8, 2),
            batch_first=True,
            on=[
                Case(
                    *(randn(2, 4, 8), Again(0), Again(0)),
                    need_weights=False,
                    attn_mask=bools(LATER),
                    is_causal=True,
                )
            ],
        ),
        Made(
            *(8, 4),
            dropout=0.25,
            on=[Case(randn(16, 2, 8), randn(9, 2, 8), randn(9, 2, 8), average_attn_weights=False)],
            chance=Chance(0.25, output=1),
        ),
        Made(
            *(24, 2),
            initial={
                "in_proj_weight": Uniform(math.sqrt(6 / (4 * 24))),
                "in_proj_bias": Always(0),
                "out_proj.weight": Uniform(1 / math.sqrt(24)),
                "out_proj.bias": Always(0),
            },
        ),
        Made(8, 2, on=[Case(randn(3, 2, 8), Again(0), randn(3, 2, 8))]),
        Made(
            *(8, 2),
            on=[
                Case(
                    *(randn(4, 3, 8), randn(4, 3, 8), randn(4, 3, 8)),
                    need_weights=False,
                    attn_mask=bools([[False] * 4] * 4),
                    is_causal=True,
                )
            ],
            why="torch believes the hint, and not the mask",
        ),
    ),
    Layer(
        nn.Sequential,
        Made(
            *(New(nn.Linear, 5, 4), New(nn.Tanh), New(nn.Linear, 4, 3, bias=False)),
            on=[Case(randn(2, 5))],
        ),
        Made(
            New(nn.Conv2d, 4, 2, 3, bias=False),
            New(nn.Sequential, New(nn.BatchNorm2d, 2), New(nn.ReLU)),
            New(nn.Flatten),
            on=[Case(randn(3, 4, 5, 4)), Case(randn(2, 4, 5, 4))],
        ),
    ),
    Layer(
        nn.MSELoss,
        Made(on=[Case(randn(2, 3), randn(2, 3))]),
        Made(reduction="sum", on=[Case(randn(2, 3), randn(2, 3))]),
    ),
    Layer(
        nn.L1Loss,
        Made(on=[Case(randn(2, 3), randn(2, 3))]),
        Made(reduction="none", on=[Case(randn(2, 3), randn(2, 3))]),
    ),
    Layer(
        nn.CrossEntropyLoss,
        Made(on=[Case(randn(4, 3), ints([2, 0, 1, 1])), Case(randn(3), ints(1))]),
        Made(
            constant(uniform(3, low=0.5, high=2.0)),
            ignore_index=1,
            label_smoothing=0.2,
            on=[Case(randn(4, 3, 2), integers(4, 2, low=0, high=3))],
        ),
        Made(reduction="sum", on=[Case(randn(4, 3), uniform(4, 3, low=0.1, high=0.9))]),
    ),
    Layer(
        nn.NLLLoss,
        Made(on=[Case(randn(4, 3), ints([2, 0, 1, 1]))]),
        Made(
            constant(uniform(3, low=0.5, high=2.0)),
            ignore_index=1,
            reduction="sum",
            on=[Case(randn(4, 3), ints([2, 0, 1, 1]))],
        ),
    ),
    Layer(
        nn.BCELoss,
        Made(on=[_shares(4, 3)]),
        Made(constant(uniform(3, low=0.5, high=2.0)), reduction="none", on=[_shares(4, 3)]),
    ),
    Layer(
        nn.BCEWithLogitsLoss,
        Made(on=[Case(randn(4, 3), constant(uniform(4, 3, low=0.1, high=0.9)))]),
        Made(
            constant(uniform(3, low=0.5, high=2.0)),
            reduction="sum",
            pos_weight=constant(uniform(3, low=0.5, high=2.0)),
            on=[Case(randn(4, 3), constant(uniform(4, 3, low=0.1, high=0.9)))],
        ),
    ),
    Layer(
        nn.KLDivLoss,
        Made(on=[_shares(4, 3)]),
        Made(reduction="batchmean", on=[Case(randn(4, 3), uniform(4, 3, low=0.1, high=0.9))]),
        Made(reduction="sum", log_target=True, on=[Case(randn(4, 3), randn(4, 3))]),
    ),
)
