"""Layers, losses, initial values and clipping: their text, state, arguments and refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import pytest

import micrograd
from micrograd import nn, ops
from micrograd.lists import unnest
from micrograd.nn import init, utils


def randn(*shape: int) -> list:
    micrograd.manual_seed(len(shape))
    return ops.randn(shape)


def numbers(x: list) -> list[float]:
    return unnest(micrograd.tolist(x))[0]


def same(one: list, other: list) -> bool:
    expected = pytest.approx(numbers(other), rel=1e-12, abs=1e-12)
    return micrograd.shape(one) == micrograd.shape(other) and numbers(one) == expected


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Identity(), "Identity()"),
        (nn.Linear(2, 3, bias=False), "Linear(in_features=2, out_features=3, bias=False)"),
        (nn.Embedding(4, 2), "Embedding(4, 2)"),
        (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (nn.Dropout(0.1), "Dropout(p=0.1, inplace=False)"),
        (nn.Conv1d(2, 4, 3), "Conv1d(2, 4, kernel_size=(3,), stride=(1,))"),
        (
            nn.Conv2d(2, 4, (3, 2), 1, "same", 2, 2, False, "reflect"),
            "Conv2d(2, 4, kernel_size=(3, 2), stride=(1, 1), padding=same, dilation=(2, 2), "
            "groups=2, bias=False, padding_mode=reflect)",
        ),
        (
            nn.MaxPool2d(3, padding=1),
            "MaxPool2d(kernel_size=3, stride=3, padding=1, dilation=1, ceil_mode=False)",
        ),
        (nn.AvgPool2d((2, 3), 1), "AvgPool2d(kernel_size=(2, 3), stride=1, padding=0)"),
        (nn.AdaptiveAvgPool2d((None, 2)), "AdaptiveAvgPool2d(output_size=(None, 2))"),
        (
            nn.BatchNorm1d(3, momentum=None),
            "BatchNorm1d(3, eps=1e-05, momentum=None, affine=True, bias=True, "
            "track_running_stats=True)",
        ),
        (nn.LayerNorm(3), "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)"),
        (nn.RMSNorm((2, 3)), "RMSNorm((2, 3), eps=None, elementwise_affine=True)"),
        (nn.GroupNorm(2, 6), "GroupNorm(2, 6, eps=1e-05, affine=True, bias=True)"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.GELU("tanh"), "GELU(approximate='tanh')"),
        (nn.SiLU(), "SiLU()"),
        (nn.Softmax(-1), "Softmax(dim=-1)"),
        (nn.LogSoftmax(dim=1), "LogSoftmax(dim=1)"),
        (nn.BCEWithLogitsLoss(randn(3)), "BCEWithLogitsLoss()"),
        (
            nn.MultiheadAttention(4, 2),
            "MultiheadAttention(\n  (out_proj): NonDynamicallyQuantizableLinear("
            "in_features=4, out_features=4, bias=True)\n)",
        ),
    ],
)
def test_layers_print_as_torchs(module: nn.Module, text: str) -> None:
    assert repr(module) == text


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (nn.Conv2d(1, 1, 1), ["weight", "bias"]),
        (
            nn.BatchNorm2d(3),
            ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"],
        ),
        (nn.BatchNorm1d(3, affine=False, track_running_stats=False), []),
        (nn.LayerNorm(3, bias=False), ["weight"]),
        (nn.RMSNorm(3), ["weight"]),
        (nn.GroupNorm(1, 3, affine=False), []),
        (nn.BCEWithLogitsLoss(pos_weight=randn(3)), ["pos_weight"]),
        (
            nn.MultiheadAttention(4, 2),
            ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"],
        ),
        (nn.MultiheadAttention(4, 2, bias=False), ["in_proj_weight", "out_proj.weight"]),
    ],
)
def test_states_have_torchs_names(module: nn.Module, names: list[str]) -> None:
    assert list(module.state_dict()) == names


# What a layer hands on to its op


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (nn.Flatten(0, 1), lambda x: ops.flatten(x, 0, 1)),
        (nn.MaxPool2d(2, 1, 1, 2, False, True), lambda x: ops.max_pool2d(x, 2, 1, 1, 2, True)),
        (nn.AvgPool2d(2, 3, 1, True, False), lambda x: ops.avg_pool2d(x, 2, 3, 1, True, False)),
        (nn.AvgPool2d(2, None, 0, False, True, 3), lambda x: ops.mul(ops.avg_pool2d(x, 2), 4 / 3)),
        (nn.AdaptiveAvgPool2d((None, 2)), lambda x: ops.adaptive_avg_pool2d(x, (None, 2))),
        (nn.LeakyReLU(0.2), lambda x: ops.leaky_relu(x, 0.2)),
        (nn.GELU("tanh"), lambda x: ops.gelu(x, "tanh")),
        (nn.SiLU(), ops.silu),
        (nn.Sigmoid(), ops.sigmoid),
        (nn.Softmax(1), lambda x: ops.softmax(x, 1)),
        (nn.LogSoftmax(1), lambda x: ops.log_softmax(x, 1)),
        (nn.GroupNorm(2, 4, eps=0.1), lambda x: ops.group_norm(x, 2, eps=0.1)),
        (nn.LayerNorm((5, 6), 0.1), lambda x: ops.layer_norm(x, (5, 6), eps=0.1)),
        (nn.RMSNorm(6, 0.1), lambda x: ops.rms_norm(x, (6,), eps=0.1)),
    ],
)
def test_a_layer_is_its_op(module: nn.Module, function: Callable) -> None:
    x = randn(3, 4, 5, 6)

    assert same(module(x), function(x))


def test_pooling_can_return_places() -> None:
    x = randn(1, 2, 4, 6)
    values, places = nn.MaxPool2d(2, return_indices=True)(x)

    assert ops.getitem(ops.flatten(x[0][1]), ops.flatten(places[0][1])) == ops.flatten(values[0][1])


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (nn.MSELoss(reduction="sum"), ops.mse_loss),
        (nn.L1Loss(reduction="sum"), ops.l1_loss),
        (nn.BCEWithLogitsLoss(reduction="sum"), ops.binary_cross_entropy_with_logits),
        (nn.KLDivLoss(reduction="sum"), ops.kl_div),
    ],
)
def test_a_loss_is_its_op(module: nn.Module, function: Callable) -> None:
    x, target = randn(3, 4), ops.sigmoid(randn(3, 4))

    assert same(module(x, target), function(x, target, reduction="sum"))


def test_losses_of_classes_take_weights_and_ignore() -> None:
    x, target, weight = randn(3, 4), [0, 2, 3], ops.exp(randn(4))
    options = {"ignore_index": 2, "reduction": "sum"}
    entropy = nn.CrossEntropyLoss(weight, **options, label_smoothing=0.1)
    binary = nn.BCELoss(ops.exp(randn(4)), reduction="none")
    logits = nn.BCEWithLogitsLoss(binary.weight, reduction="none")
    doubled = nn.BCEWithLogitsLoss(pos_weight=[2.0] * 4)
    share = ops.sigmoid(randn(3, 4))

    assert same(
        entropy(x, target), ops.cross_entropy(x, target, weight, **options, label_smoothing=0.1)
    )
    assert same(
        nn.NLLLoss(weight, **options)(x, target), ops.nll_loss(x, target, weight, **options)
    )
    assert same(binary(ops.sigmoid(x), share), logits(x, share))
    assert same(
        doubled(x, share),
        ops.binary_cross_entropy_with_logits(x, share, pos_weight=doubled.pos_weight),
    )


# Convolutions


@pytest.mark.parametrize(
    ("mode", "padded"),
    [
        ("reflect", [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0]),
        ("replicate", [1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0]),
        ("circular", [3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0]),
    ],
)
def test_padding_comes_from_the_signal(mode: str, padded: list[float]) -> None:
    layer = nn.Conv1d(1, 2, 4, padding=2, padding_mode=mode)
    uneven = nn.Conv1d(1, 2, 4, padding="same", padding_mode=mode)
    none = nn.Conv1d(1, 2, 4, padding="valid", padding_mode=mode)
    x = [[1.0, 2.0, 3.0, 4.0]]

    assert same(layer(x), ops.conv1d([padded], layer.weight, layer.bias))
    assert same(uneven(x), ops.conv1d([padded[1:]], uneven.weight, uneven.bias))
    assert same(none(x), ops.conv1d(x, none.weight, none.bias))


def test_padding_comes_from_the_image() -> None:
    layer = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="circular")
    x = randn(2, 2, 4, 5)
    around = ops.cat([ops.narrow(x, 3, 3, 2), x, ops.narrow(x, 3, 0, 2)], 3)
    around = ops.cat([ops.narrow(around, 2, 3, 1), around, ops.narrow(around, 2, 0, 1)], 2)

    assert same(layer(x), ops.conv2d(around, layer.weight, layer.bias))


def test_padding_refuses_what_does_not_fit() -> None:
    for mode, n in (("reflect", 4), ("circular", 5)):
        layer = nn.Conv1d(1, 1, 1, padding=n, padding_mode=mode)
        with pytest.raises(ValueError, match=f"Conv1d: no {mode} padding of {n} and {n} for 4"):
            layer([[1.0, 2.0, 3.0, 4.0]])
    with pytest.raises(ValueError, match=r"Conv1d: expected 2 or 3 dims, not shape \(1,\)"):
        layer([1.0])


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ((-1, 2), ValueError, "must be at least 0, not -1"),
        ((2, -1), ValueError, "must be at least 0, not -1"),
        ((2.5, 2), TypeError, "must be an int, not float"),
        ((2, 2.5), TypeError, "must be an int, not float"),
    ],
)
def test_layers_are_as_wide_as_whole_numbers_say(
    sizes: tuple, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"Linear: (in|out)_features {message}"):
        nn.Linear(*sizes)
    with pytest.raises(error, match=f"Conv1d: (in|out)_channels {message}"):
        nn.Conv1d(*sizes, 1)
    with pytest.raises(error, match=f"Embedding: (num_embeddings|embedding_dim) {message}"):
        nn.Embedding(*sizes)
    with pytest.raises(error, match=f"BatchNorm1d: num_features {message}"):
        nn.BatchNorm1d(next(n for n in sizes if n != 2))


@pytest.mark.parametrize("name", ["kernel_size", "stride", "dilation"])
def test_a_window_has_at_least_one_place(name: str) -> None:
    for length in (0, (1, -3)):
        with pytest.raises(ValueError, match=f"Conv2d: {name} must be at least 1, not (0|-3)"):
            nn.Conv2d(2, 2, **{"kernel_size": 1, name: length})
    with pytest.raises(ValueError, match="Conv2d: padding must be at least 0, not -1"):
        nn.Conv2d(2, 2, 1, padding=-1)


def test_every_process_draws_other_numbers() -> None:
    program = "from micrograd import ops; print(ops.randn(1)[0].data)"
    commands = [sys.executable, "-c", program]
    assert len({subprocess.check_output(commands) for _ in range(2)}) == 2


def test_a_seed_is_an_int() -> None:
    for seed in ("%d", 1.5, None, True):
        with pytest.raises(TypeError, match="manual_seed: seed must be an int, not"):
            micrograd.manual_seed(seed)
    with pytest.raises(ValueError, match="manual_seed: seed must be at least"):
        micrograd.manual_seed(-(2**63) - 1)
    drawn = []
    for seed in (1, -1, 2**64 - 1):
        micrograd.manual_seed(seed)
        drawn.append(micrograd.tolist(ops.randn(1)))
    assert drawn[0] != drawn[1] == drawn[2]
    state = micrograd.get_rng_state()
    micrograd.set_rng_state(state)
    assert micrograd.get_rng_state() == state


def test_convolutions_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="Conv1d: 3 and 4 channels, 2 groups"):
        nn.Conv1d(3, 4, 1, groups=2)
    with pytest.raises(TypeError, match="Conv1d: groups must be an int, not NoneType"):
        nn.Conv1d(3, 4, 1, groups=None)
    with pytest.raises(ValueError, match="Conv2d: kernel_size must be an int, or 2 of them"):
        nn.Conv2d(1, 1, (1, 2, 3))
    with pytest.raises(ValueError, match="padding must be one of valid, same, not 'full'"):
        nn.Conv1d(1, 1, 1, padding="full")
    with pytest.raises(ValueError, match='padding "same" needs a stride of 1'):
        nn.Conv1d(1, 1, 1, stride=2, padding="same")
    with pytest.raises(ValueError, match="padding_mode must be one of zeros, reflect"):
        nn.Conv1d(1, 1, 1, padding_mode="constant")


# Normalization


def test_running_statistics_follow_the_batches() -> None:
    layer, x = nn.BatchNorm1d(3, momentum=0.25), randn(5, 3)
    variance, mean = ops.var_mean(x, 0)
    layer(x)
    layer(x)

    assert same(layer.running_mean, ops.mul(mean, 1 - 0.75**2))
    assert same(layer.running_var, ops.add(ops.mul(variance, 1 - 0.75**2), 0.75**2))
    assert layer.num_batches_tracked == 2
    layer.eval()
    scale = ops.sqrt(ops.add(layer.running_var, layer.eps))
    standard = ops.div(ops.sub(x, layer.running_mean), scale)
    assert same(layer(x), standard)
    layer.track_running_stats = False
    assert same(layer(x), standard)
    layer.train()(x)
    assert layer.num_batches_tracked == 2


def test_without_momentum_running_statistics_are_means_over_all_batches() -> None:
    layer = nn.BatchNorm2d(2, momentum=None)
    batches = [ops.add(randn(3, 2, 4, 5), float(i)) for i in range(3)]
    moments = [ops.var_mean(batch, (0, 2, 3)) for batch in batches]
    for batch in batches:
        layer(batch)

    assert same(layer.running_mean, ops.mean(ops.stack([mean for _, mean in moments]), 0))
    assert same(layer.running_var, ops.mean(ops.stack([variance for variance, _ in moments]), 0))


def test_what_is_not_tracked_is_of_the_batch_in_both_modes() -> None:
    layer, x = nn.BatchNorm1d(3, track_running_stats=False), randn(4, 3, 5)
    trained = layer(x)

    assert same(layer.eval()(x), trained)
    assert same(ops.mean(trained, (0, 2)), [0.0, 0.0, 0.0])


def test_normalizations_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"BatchNorm1d: expected 2 or 3 dims, not shape \(3,\)"):
        nn.BatchNorm1d(3)(randn(3))
    with pytest.raises(ValueError, match=r"BatchNorm2d: expected 4 dims, not shape \(2, 3, 4\)"):
        nn.BatchNorm2d(3)(randn(2, 3, 4))
    with pytest.raises(ValueError, match="GroupNorm: 5 channels, 2 groups"):
        nn.GroupNorm(2, 5)
    with pytest.raises(TypeError, match="GroupNorm: num_groups must be an int, not float"):
        nn.GroupNorm(2.0, 4)


# Attention


@pytest.fixture
def attention() -> nn.MultiheadAttention:
    micrograd.manual_seed(0)
    layer = nn.MultiheadAttention(6, 2, batch_first=True)
    layer.in_proj_bias = nn.Parameter([i / 10 for i in range(18)])
    return layer


def test_attention_is_that_of_each_head(attention: nn.MultiheadAttention) -> None:
    query, key, value = randn(2, 3, 6), ops.add(randn(2, 4, 6), 1.0), randn(2, 4, 6)
    output, weights = attention(query, key, value, average_attn_weights=False)
    parts = zip(
        (query, key, value),
        ops.chunk(attention.in_proj_weight, 3),
        ops.chunk(attention.in_proj_bias, 3),
        strict=True,
    )
    heads = [ops.stack(ops.chunk(ops.linear(x, w, b), 2, -1), 1) for x, w, b in parts]
    expected = ops.scaled_dot_product_attention(*heads)
    joined = ops.cat(ops.unbind(expected, 1), -1)

    assert micrograd.shape(weights) == (2, 2, 3, 4)
    assert same(ops.sum(weights, -1), ops.ones((2, 2, 3)))
    assert same(output, attention.out_proj(joined))
    assert same(attention(query, key, value)[1], ops.mean(weights, 1))


def test_attention_to_itself_takes_one_product(attention: nn.MultiheadAttention) -> None:
    x = randn(2, 3, 6)
    copies = [ops.clone(x) for _ in range(3)]

    assert same(attention(x, x, x)[0], attention(*copies)[0])


def test_layouts_of_attention(attention: nn.MultiheadAttention) -> None:
    x, y = randn(2, 3, 6), ops.add(randn(2, 4, 6), 1.0)
    output, weights = attention(x, y, y)
    alone, alone_weights = attention(x[1], y[1], y[1])
    attention.batch_first = False
    x, y = (ops.transpose(tensor, 0, 1) for tensor in (x, y))
    turned, turned_weights = attention(x, y, y)

    assert same(ops.transpose(turned, 0, 1), output)
    assert same(turned_weights, weights)
    assert same(alone, output[1])
    assert same(alone_weights, weights[1])


@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 4)])
def test_a_mask_says_what_may_not_be_attended_to(
    attention: nn.MultiheadAttention, shape: tuple[int, ...]
) -> None:
    x, y = randn(2, 3, 6), ops.add(randn(2, 4, 6), 1.0)
    mask = ops.gt(randn(*shape), 0.0)
    mask = ops.logical_and(mask, [False, True, True, True])
    output, weights = attention(x, y, y, attn_mask=mask, average_attn_weights=False)
    hidden = ops.reshape(mask, (2, 2, 3, 4)) if len(shape) == 3 else mask
    added = ops.masked_fill(ops.zeros(shape), mask, -math.inf)

    assert ops.eq(weights, 0.0) == ops.broadcast_to(hidden, (2, 2, 3, 4))
    assert same(attention(x, y, y, attn_mask=added)[0], output)
    for given in (added, mask):
        unweighted, none = attention(x, y, y, attn_mask=given, need_weights=False)
        assert same(unweighted, output)
        assert none is None


def test_a_causal_hint_spares_the_mask(attention: nn.MultiheadAttention) -> None:
    x = randn(2, 3, 6)
    mask = [[False, True, True], [False, False, True], [False, False, False]]
    expected, _ = attention(x, x, x, attn_mask=mask)

    for need_weights in (True, False):
        options = {"need_weights": need_weights, "is_causal": True}
        assert same(attention(x, x, x, attn_mask=mask, **options)[0], expected)
    with pytest.raises(ValueError, match="is_causal is a hint, it needs an attn_mask"):
        attention(x, x, x, is_causal=True)


def test_attention_drops_weights_in_training_alone(attention: nn.MultiheadAttention) -> None:
    x, attention.dropout = randn(2, 3, 6), 0.5
    _, weights = attention(x, x, x, average_attn_weights=False)
    micrograd.manual_seed(1)
    dropped = attention(x, x, x, need_weights=False)[0]
    attention.eval()
    _, kept = attention(x, x, x, average_attn_weights=False)

    assert 0 < numbers(weights).count(0.0) < len(numbers(weights))
    assert min(numbers(kept)) > 0
    assert not same(dropped, attention(x, x, x)[0])


def test_attention_refuses_what_does_not_fit(attention: nn.MultiheadAttention) -> None:
    x, y = randn(2, 3, 6), randn(2, 4, 6)
    with pytest.raises(ValueError, match="embed_dim 6 is not a multiple of num_heads 4"):
        nn.MultiheadAttention(6, 4)
    with pytest.raises(TypeError, match="MultiheadAttention: embed_dim must be an int"):
        nn.MultiheadAttention(None, 2)
    for key, value in ((x, y), (randn(3, 3, 6), randn(3, 3, 6)), (y[0], y[0])):
        with pytest.raises(ValueError, match=r"query \(2, 3, 6\), key .* do not fit"):
            attention(x, key, value)
    with pytest.raises(ValueError, match=r"attn_mask of shape \(4, 3\) for 3 queries, 4 keys"):
        attention(x, y, y, attn_mask=randn(4, 3))
    with pytest.raises(TypeError, match="attn_mask: expected floats, not ints"):
        attention(x, y, y, attn_mask=[[0] * 4] * 3)


# Initial values


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(48, 100), nn.Conv1d(32, 100, 3, groups=2), nn.Conv2d(4, 100, (3, 4))],
    ids=repr,
)
def test_weights_and_biases_lie_within_one_over_the_root_of_the_inputs(layer: nn.Module) -> None:
    bound = 1 / math.sqrt(48)

    for parameter in (layer.weight, layer.bias):
        deviation = ops.std(parameter, correction=0).data
        assert 0.9 * bound < max(map(abs, numbers(parameter))) <= bound
        assert deviation == pytest.approx(bound / math.sqrt(3), rel=0.2)


def test_attention_begins_with_xaviers_distribution_and_no_bias() -> None:
    layer = nn.MultiheadAttention(30, 2)
    bound = math.sqrt(6 / 120)

    assert 0.9 * bound < max(map(abs, numbers(layer.in_proj_weight))) <= bound
    assert not any(numbers(layer.in_proj_bias) + numbers(layer.out_proj.bias))


def test_initial_values_are_written_in_place_and_follow_the_seed() -> None:
    weight, like = (nn.Parameter(ops.ones((3, 2))) for _ in range(2))
    values, _ = unnest(weight)
    for draw in (init.uniform_, init.normal_, init.xavier_uniform_, init.kaiming_normal_):
        micrograd.manual_seed(2)
        assert draw(weight) is weight
        micrograd.manual_seed(2)
        assert numbers(draw(like)) == numbers(weight)
    assert numbers(init.constant_(weight, 2.5)) == [2.5] * 6
    assert numbers(init.zeros_(weight)) == [0.0] * 6
    assert numbers(init.ones_(weight)) == [1.0] * 6
    assert unnest(weight)[0] == values
    assert all(value.requires_grad and value.parents == () for value in values)


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda x: init.uniform_(x, 1.0, 3.0), 2 / math.sqrt(12)),
        (lambda x: init.normal_(x, 5.0, 0.3), 0.3),
        (lambda x: init.xavier_uniform_(x, 2.0), 2 * math.sqrt(2 / 300)),
        (init.xavier_normal_, math.sqrt(2 / 300)),
        (init.kaiming_uniform_, math.sqrt(2 / 100)),
        (lambda x: init.kaiming_uniform_(x, a=math.sqrt(5)), math.sqrt(1 / 300)),
        (lambda x: init.kaiming_normal_(x, mode="fan_out"), math.sqrt(2 / 200)),
        (lambda x: init.kaiming_normal_(x, nonlinearity="tanh"), 5 / 3 / 10),
    ],
)
def test_initial_values_have_the_promised_deviation(fill: Callable, std: float) -> None:
    micrograd.manual_seed(0)
    weight = fill(ops.zeros((100, 50, 2)))

    assert ops.std(weight).data == pytest.approx(std, rel=0.03)


def test_gains_are_torchs() -> None:
    assert init.calculate_gain("linear") == init.calculate_gain("sigmoid") == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == init.calculate_gain("leaky_relu", 0) == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert init.calculate_gain("selu") == 0.75


def test_initial_values_refuse_what_has_no_meaning() -> None:
    weight = nn.Parameter(ops.ones((3, 2)))
    with pytest.raises(ValueError, match=r"nonlinearity must be one of linear, .* not 'relu7'"):
        init.calculate_gain("relu7")
    with pytest.raises(ValueError, match="mode must be one of fan_in, fan_out"):
        init.kaiming_uniform_(weight, mode="fan_avg")
    with pytest.raises(ValueError, match=r"xavier_normal_: a tensor of shape \(3,\) has no fan"):
        init.xavier_normal_(nn.Parameter([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="no numbers lie in"):
        init.uniform_(weight, 1.0, 0.0)
    with pytest.raises(ValueError, match="std must not be negative, is -1"):
        init.normal_(weight, 0.0, -1)
    with pytest.raises(TypeError, match="uniform_: expected Values, not ints"):
        init.uniform_([1, 2])


def test_layers_without_inputs_are_made() -> None:
    layer = nn.Linear(0, 3)

    assert micrograd.tolist(layer.bias) == [0.0, 0.0, 0.0]
    assert micrograd.shape(layer([[], []])) == (2, 3)
    assert micrograd.shape(init.kaiming_normal_(layer.weight)) == (3, 0)


# Clipping


def parameters(*gradients: object) -> list[nn.Parameter]:
    found = [ops.zeros(micrograd.shape(gradient), requires_grad=True) for gradient in gradients]
    for tensor, gradient in zip(found, gradients, strict=True):
        for value, number in zip(unnest(tensor)[0], unnest(gradient)[0], strict=True):
            value.grad = number
    return found


@pytest.mark.parametrize(
    ("norm_type", "norm"), [(2.0, 13.0), (math.inf, 12.0), (1, 19.0), (3, 1819 ** (1 / 3))]
)
def test_gradients_are_scaled_alike(norm_type: float, norm: float) -> None:
    found = [*parameters([3.0, -4.0], [[12.0]], [[], []]), nn.Parameter([0.0, 0.0])]
    total = utils.clip_grad_norm_((p for p in found), 1.0, norm_type)

    assert math.isclose(total, norm)
    scale = 1 / (total + 1e-6)
    assert micrograd.grad(found[0]) == pytest.approx([3.0 * scale, -4.0 * scale])
    assert micrograd.grad(found[1])[0] == pytest.approx([12.0 * scale])
    assert micrograd.grad(found[3]) is None


def test_small_gradients_stay_and_nan_is_passed_on() -> None:
    small, wild = parameters([0.3, 0.4], [math.nan, 1.0])

    assert math.isclose(utils.clip_grad_norm_(small, 1.0), 0.5)
    assert micrograd.grad(small) == [0.3, 0.4]
    assert math.isnan(utils.clip_grad_norm_([small, wild], 1.0))
    assert all(map(math.isnan, micrograd.grad(small)))
    assert math.isnan(utils.clip_grad_norm_(wild, 1.0, math.inf))
    assert utils.clip_grad_norm_([], 1.0) == 0.0
    with pytest.raises(ValueError, match="norm_type must be positive, is 0"):
        utils.clip_grad_norm_(small, 1.0, 0)


def test_gradients_are_clipped_element_by_element() -> None:
    found = parameters([3.0, -0.5], -4.0)
    utils.clip_grad_value_(found, 1)

    assert [micrograd.grad(p) for p in found] == [[1.0, -0.5], -1.0]
