"""Layers, losses, initial values and clipping: their text, state, arguments and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import minigrad
from minigrad import nn, ops
from minigrad.nn import init, utils


def randn(*shape: int) -> minigrad.Tensor:
    return minigrad.tensor(np.random.default_rng(len(shape)).standard_normal(shape))


def same(one: minigrad.Tensor, other: minigrad.Tensor | np.ndarray) -> bool:
    array = other.data if isinstance(other, minigrad.Tensor) else other
    return one.shape == array.shape and np.allclose(one.data, array, rtol=1e-12, atol=1e-12)


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
        (nn.AvgPool2d(2, None, 0, False, True, 3), lambda x: ops.avg_pool2d(x, 2) * 4 / 3),
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

    assert same(module.to("float64")(x), function(x))


def test_pooling_can_return_places() -> None:
    x = randn(1, 2, 4, 6)
    values, places = nn.MaxPool2d(2, return_indices=True)(x)

    assert np.array_equal(np.take(x.data[0, 1], places.data[0, 1]), values.data[0, 1])


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
    x, target, weight = randn(3, 4), minigrad.tensor([0, 2, 3]), ops.exp(randn(4))
    options = {"ignore_index": 2, "reduction": "sum"}
    entropy = nn.CrossEntropyLoss(weight, **options, label_smoothing=0.1)
    binary = nn.BCELoss(ops.exp(randn(4)), reduction="none")
    logits = nn.BCEWithLogitsLoss(binary.weight, reduction="none")
    doubled = nn.BCEWithLogitsLoss(pos_weight=ops.full((4,), 2.0, dtype=float))
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
    ("mode", "numpys"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
@pytest.mark.parametrize(
    ("padding", "ends"), [("valid", ((0, 0), (0, 0))), ("same", ((1, 2), (2, 2))), ((1, 3), None)]
)
def test_padding_comes_from_the_image(
    mode: str, numpys: str, padding: object, ends: tuple | None
) -> None:
    layer = nn.Conv2d(2, 3, (4, 3), padding=padding, dilation=(1, 2), padding_mode=mode)
    x, layer = randn(2, 2, 6, 7), layer.to("float64")
    around = np.pad(x.data, ((0, 0), (0, 0), *(ends or ((1, 1), (3, 3)))), numpys)
    plain = ops.conv2d(minigrad.tensor(around), layer.weight, layer.bias, dilation=(1, 2))

    assert same(layer(x), plain)


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


def test_a_seed_is_an_int() -> None:
    for seed in ("%d", 1.5, None):
        with pytest.raises(TypeError, match="manual_seed: seed must be an int, not"):
            minigrad.manual_seed(seed)
    minigrad.manual_seed(-1)
    state = minigrad.get_rng_state()
    minigrad.set_rng_state(state)
    assert minigrad.get_rng_state() == state


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


def test_padding_refuses_what_does_not_fit() -> None:
    for mode, n in (("reflect", 4), ("circular", 5)):
        layer = nn.Conv1d(1, 1, 1, padding=n, padding_mode=mode)
        with pytest.raises(ValueError, match=f"Conv1d: no {mode} padding of {n} and {n} for 4"):
            layer(minigrad.tensor([[1.0, 2.0, 3.0, 4.0]]))
    with pytest.raises(ValueError, match=r"Conv1d: expected 2 or 3 dims, not shape \(1,\)"):
        layer(minigrad.tensor([1.0]))


# Normalization


def test_running_statistics_follow_the_batches() -> None:
    layer, x = nn.BatchNorm1d(3, momentum=0.25).to("float64"), randn(5, 3)
    layer(x)
    layer(x)

    assert same(layer.running_mean, (1 - 0.75**2) * x.data.mean(axis=0))
    assert same(layer.running_var, 0.75**2 + (1 - 0.75**2) * x.data.var(axis=0, ddof=1))
    assert layer.num_batches_tracked.item() == 2
    layer.eval()
    scale = np.sqrt(layer.running_var.data + layer.eps)
    assert same(layer(x), (x.data - layer.running_mean.data) / scale)
    layer.track_running_stats = False
    assert same(layer(x), (x.data - layer.running_mean.data) / scale)
    layer.train()(x)
    assert layer.num_batches_tracked.item() == 2


def test_without_momentum_running_statistics_are_means_over_all_batches() -> None:
    layer = nn.BatchNorm2d(2, momentum=None).to("float64")
    batches = [randn(3, 2, 4, 5).data + i for i in range(3)]
    for batch in batches:
        layer(minigrad.tensor(batch))

    assert same(layer.running_mean, np.mean([b.mean(axis=(0, 2, 3)) for b in batches], axis=0))
    assert same(
        layer.running_var, np.mean([b.var(axis=(0, 2, 3), ddof=1) for b in batches], axis=0)
    )


def test_what_is_not_tracked_is_of_the_batch_in_both_modes() -> None:
    layer, x = nn.BatchNorm1d(3, track_running_stats=False).to("float64"), randn(4, 3, 5)
    trained = layer(x)

    assert same(layer.eval()(x), trained)
    assert same(ops.mean(trained, (0, 2)), np.zeros(3))


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
    minigrad.manual_seed(0)
    layer = nn.MultiheadAttention(6, 2, batch_first=True).to("float64")
    layer.in_proj_bias.data = np.arange(18.0) / 10
    return layer


def test_attention_is_that_of_each_head(attention: nn.MultiheadAttention) -> None:
    query, key, value = randn(2, 3, 6), randn(2, 4, 6) + 1.0, randn(2, 4, 6)
    output, weights = attention(query, key, value, average_attn_weights=False)
    parts = zip(
        (query.data, key.data, value.data),
        np.split(attention.in_proj_weight.data, 3),
        np.split(attention.in_proj_bias.data, 3),
        strict=True,
    )
    heads = [np.stack(np.split(x @ w.T + b, 2, axis=-1), axis=1) for x, w, b in parts]
    expected = ops.scaled_dot_product_attention(*map(minigrad.tensor, heads))
    joined = np.concatenate(np.split(expected.data, 2, axis=1), axis=-1)[:, 0]

    assert weights.shape == (2, 2, 3, 4)
    assert same(ops.sum(weights, -1), np.ones((2, 2, 3)))
    assert same(output, attention.out_proj(minigrad.tensor(joined)))
    assert same(attention(query, key, value)[1], weights.data.mean(axis=1))


def test_attention_to_itself_takes_one_product(attention: nn.MultiheadAttention) -> None:
    x = randn(2, 3, 6)
    copies = [minigrad.tensor(x) for _ in range(3)]

    assert same(attention(x, x, x)[0], attention(*copies)[0])


def test_layouts_of_attention(attention: nn.MultiheadAttention) -> None:
    x, y = randn(2, 3, 6), randn(2, 4, 6) + 1.0
    output, weights = attention(x, y, y)
    alone, alone_weights = attention(x[1], y[1], y[1])
    attention.batch_first = False
    turned, turned_weights = attention(x.transpose(0, 1), y.transpose(0, 1), y.transpose(0, 1))

    assert same(turned.transpose(0, 1), output)
    assert same(turned_weights, weights)
    assert same(alone, output[1])
    assert same(alone_weights, weights[1])


@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 4)])
def test_a_mask_says_what_may_not_be_attended_to(
    attention: nn.MultiheadAttention, shape: tuple[int, ...]
) -> None:
    x, y = randn(2, 3, 6), randn(2, 4, 6) + 1.0
    mask = np.random.default_rng(0).random(shape) < 0.5
    mask[..., 0] = False
    output, weights = attention(
        x, y, y, attn_mask=minigrad.tensor(mask), average_attn_weights=False
    )
    hidden = np.broadcast_to(mask.reshape(-1, 2, 3, 4) if mask.ndim == 3 else mask, (2, 2, 3, 4))
    added = minigrad.tensor(np.where(mask, -math.inf, 0.0))

    assert np.array_equal(weights.data == 0, hidden)
    assert same(attention(x, y, y, attn_mask=added)[0], output)
    for given in (added, minigrad.tensor(mask)):
        unweighted, none = attention(x, y, y, attn_mask=given, need_weights=False)
        assert same(unweighted, output)
        assert none is None


def test_a_causal_hint_spares_the_mask(attention: nn.MultiheadAttention) -> None:
    x = randn(2, 3, 6)
    mask = minigrad.tensor(np.triu(np.ones((3, 3), bool), 1))
    expected, _ = attention(x, x, x, attn_mask=mask)

    for need_weights in (True, False):
        options = {"need_weights": need_weights, "is_causal": True}
        assert same(attention(x, x, x, attn_mask=mask, **options)[0], expected)
    with pytest.raises(ValueError, match="is_causal is a hint, it needs an attn_mask"):
        attention(x, x, x, is_causal=True)


def test_attention_drops_weights_in_training_alone(attention: nn.MultiheadAttention) -> None:
    x, attention.dropout = randn(2, 3, 6), 0.5
    _, weights = attention(x, x, x, average_attn_weights=False)
    minigrad.manual_seed(1)
    dropped = attention(x, x, x, need_weights=False)[0]
    attention.eval()
    _, kept = attention(x, x, x, average_attn_weights=False)

    assert 0 < np.mean(weights.data == 0) < 1
    assert np.all(kept.data > 0)
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
    with pytest.raises(TypeError, match="attn_mask is int64, not bool or float64"):
        attention(x, y, y, attn_mask=minigrad.tensor(np.zeros((3, 4), int)))


# Initial values


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(48, 100), nn.Conv1d(32, 100, 3, groups=2), nn.Conv2d(4, 100, (3, 4))],
    ids=repr,
)
def test_weights_and_biases_lie_within_one_over_the_root_of_the_inputs(layer: nn.Module) -> None:
    bound = 1 / math.sqrt(48)

    for parameter in (layer.weight, layer.bias):
        assert parameter.dtype == np.float32
        assert 0.9 * bound < np.abs(parameter.data).max() <= bound * (1 + 1e-6)
        assert np.isclose(np.std(parameter.data), bound / math.sqrt(3), rtol=0.2)


def test_attention_begins_with_xaviers_distribution_and_no_bias() -> None:
    layer = nn.MultiheadAttention(30, 2)
    bound = math.sqrt(6 / 120)

    assert 0.9 * bound < np.abs(layer.in_proj_weight.data).max() <= bound
    assert not layer.in_proj_bias.data.any()
    assert not layer.out_proj.bias.data.any()


def test_initial_values_are_written_in_place_and_follow_the_seed() -> None:
    weight, like = nn.Parameter(np.ones((3, 2))), nn.Parameter(np.ones((3, 2)))
    for draw in (init.uniform_, init.normal_, init.xavier_uniform_, init.kaiming_normal_):
        minigrad.manual_seed(2)
        assert draw(weight) is weight
        minigrad.manual_seed(2)
        assert draw(like).tolist() == weight.tolist()
    assert weight.is_leaf
    assert weight.requires_grad
    assert weight.dtype == np.float64
    assert init.constant_(weight, 2.5).tolist() == [[2.5, 2.5]] * 3
    assert not init.zeros_(weight).data.any()
    assert init.ones_(weight).data.all()


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
    minigrad.manual_seed(0)
    weight = fill(minigrad.tensor(np.zeros((100, 50, 2))))

    assert np.isclose(weight.data.std(), std, rtol=0.03)


def test_gains_are_torchs() -> None:
    assert init.calculate_gain("linear") == init.calculate_gain("sigmoid") == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == init.calculate_gain("leaky_relu", 0) == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert init.calculate_gain("selu") == 0.75


def test_initial_values_refuse_what_has_no_meaning() -> None:
    weight = nn.Parameter(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"nonlinearity must be one of linear, .* not 'relu7'"):
        init.calculate_gain("relu7")
    with pytest.raises(ValueError, match="mode must be one of fan_in, fan_out"):
        init.kaiming_uniform_(weight, mode="fan_avg")
    with pytest.raises(ValueError, match=r"xavier_normal_: a tensor of shape \(3,\) has no fan"):
        init.xavier_normal_(nn.Parameter(np.ones(3)))
    with pytest.raises(ValueError, match="no numbers lie in"):
        init.uniform_(weight, 1.0, 0.0)
    with pytest.raises(ValueError, match="std must not be negative, is -1"):
        init.normal_(weight, 0.0, -1)
    with pytest.raises(TypeError, match="expected a floating tensor, not int64"):
        init.uniform_(minigrad.tensor([1, 2]))


def test_layers_without_inputs_are_made() -> None:
    layer = nn.Linear(0, 3)

    assert layer.bias.tolist() == [0.0, 0.0, 0.0]
    assert layer(minigrad.tensor(np.zeros((2, 0), np.float32))).shape == (2, 3)
    assert init.kaiming_normal_(layer.weight).shape == (3, 0)


# Clipping


def parameters(*gradients: object) -> list[nn.Parameter]:
    found = []
    for gradient in gradients:
        parameter = nn.Parameter(np.zeros(np.shape(gradient)))
        parameter.grad = minigrad.tensor(np.asarray(gradient, float))
        found.append(parameter)
    return found


@pytest.mark.parametrize(
    ("norm_type", "norm"), [(2.0, 13.0), (math.inf, 12.0), (1, 19.0), (3, 1819 ** (1 / 3))]
)
def test_gradients_are_scaled_alike(norm_type: float, norm: float) -> None:
    found = [*parameters([3.0, -4.0], [[12.0]], np.zeros((0, 2))), nn.Parameter(np.zeros(2))]
    total = utils.clip_grad_norm_((p for p in found), 1.0, norm_type)

    assert math.isclose(total.item(), norm)
    assert same(found[0].grad, np.array([3.0, -4.0]) / (total.item() + 1e-6))
    assert same(found[1].grad, np.array([[12.0]]) / (total.item() + 1e-6))
    assert found[3].grad is None


def test_small_gradients_stay_and_nan_is_passed_on() -> None:
    small, wild = parameters([0.3, 0.4], [math.nan, 1.0])

    assert math.isclose(utils.clip_grad_norm_(small, 1.0).item(), 0.5)
    assert small.grad.tolist() == [0.3, 0.4]
    assert math.isnan(utils.clip_grad_norm_([small, wild], 1.0).item())
    assert np.isnan(small.grad.data).all()
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0
    with pytest.raises(ValueError, match="norm_type must be positive, is 0"):
        utils.clip_grad_norm_(small, 1.0, 0)


def test_gradients_are_clipped_element_by_element() -> None:
    found = parameters([3.0, -0.5], -4.0)
    utils.clip_grad_value_(found, 1.0)

    assert [p.grad.tolist() for p in found] == [[1.0, -0.5], -1.0]
