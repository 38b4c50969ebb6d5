"""nn.init and nn.utils of every engine beside torch's: distributions, gains, clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from parity import engines
from parity.checks.measure import EPS
from parity.engines import Adapter

SIGMAS = 5  # one honest run in two million is further off, and the seed is fixed
# Of the largest distance between two empirical distributions, over sqrt(2 / n): with the same
# chance for an honest one. https://en.wikipedia.org/wiki/Kolmogorov-Smirnov_test
KOLMOGOROV = math.sqrt(-math.log(1e-6) / 2)
MATRIX, WINDOWS = (200, 100), (40, 25, 4, 5)
DRAWN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("uniform_", {}),
    ("uniform_", {"a": -2.0, "b": 0.5}),
    ("normal_", {}),
    ("normal_", {"mean": 1.5, "std": 0.25}),
    ("xavier_uniform_", {}),
    ("xavier_uniform_", {"gain": 2.5}),
    ("xavier_normal_", {}),
    ("xavier_normal_", {"gain": 0.5}),
    ("kaiming_uniform_", {}),
    ("kaiming_uniform_", {"a": math.sqrt(5)}),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", {}),
    ("kaiming_normal_", {"a": 0.5, "mode": "fan_out"}),
    ("kaiming_normal_", {"nonlinearity": "tanh"}),
)
GRADIENTS = (
    np.array([[0.5, -1.25, 2.0], [0.0, 3.0, -0.75]]),
    None,  # a parameter that has none
    np.array([4.0]),
    np.array([[[-0.125], [1.5]]]),
)


@pytest.fixture(params=[*engines.OURS, "torch"])
def engine(request: pytest.FixtureRequest) -> Adapter:
    return engines.load(request.param)


def drawn(engine: Adapter, name: str, shape: tuple[int, ...], seed: int, **options: Any) -> Any:
    parameter = engine.package.nn.Parameter(engine.tensor(np.zeros(shape)))
    engine.package.manual_seed(seed)
    returned = getattr(engine.package.nn.init, name)(parameter, **options)
    assert returned is parameter
    return engine.numpy(parameter)


@pytest.mark.parametrize("shape", [MATRIX, WINDOWS], ids=["matrix", "windows"])
@pytest.mark.parametrize(("name", "options"), DRAWN, ids=lambda value: str(value))
def test_the_numbers_are_distributed_as_torchs(
    engine: Adapter, name: str, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    got = drawn(engine, name, shape, 0, **options).ravel()
    want = drawn(engines.load("torch"), name, shape, 1, **options).ravel()

    n, std = want.size, want.std()
    assert got.size == n
    assert abs(got.mean() - want.mean()) < SIGMAS * std * math.sqrt(2 / n)
    assert abs(got.std() / std - 1) < SIGMAS / math.sqrt(n)
    every = np.sort(np.concatenate([got, want]))
    shares = [np.searchsorted(np.sort(numbers), every, "right") / n for numbers in (got, want)]
    assert np.abs(np.subtract(*shares)).max() < KOLMOGOROV * math.sqrt(2 / n)


@pytest.mark.parametrize("name", sorted({name for name, _ in DRAWN}))
def test_a_seed_repeats_them_and_another_does_not(engine: Adapter, name: str) -> None:
    first, again, other = (drawn(engine, name, (4, 3), seed) for seed in (7, 7, 8))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first)) == first.size


@pytest.mark.parametrize("name", ["minigrad", "cudagrad"])  # micrograd has no shape (0, 0)
def test_where_there_is_nothing_to_draw_nothing_is_divided(name: str) -> None:
    for drawing in sorted({drawing for drawing, _ in DRAWN}):
        assert drawn(engines.load(name), drawing, (0, 0), 0).size == 0


def test_constants_are_everywhere(engine: Adapter) -> None:
    for name, options, want in (
        ("zeros_", {}, 0.0),
        ("ones_", {}, 1.0),
        ("constant_", {"val": -2.5}, -2.5),
    ):
        assert (drawn(engine, name, (2, 3), 0, **options) == want).all()


@pytest.mark.parametrize(
    "arguments",
    [
        *(("linear",), ("conv1d",), ("conv2d",), ("sigmoid",), ("tanh",), ("relu",), ("selu",)),
        *(("leaky_relu",), ("leaky_relu", 0), ("leaky_relu", 0.2), ("leaky_relu", -3.0)),
    ],
)
def test_gains_are_torchs(engine: Adapter, arguments: tuple[Any, ...]) -> None:
    own, want = (
        each.package.nn.init.calculate_gain(*arguments) for each in (engine, engines.load("torch"))
    )

    assert own == pytest.approx(want, rel=1e-15)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("uniform_", {"a": 1.0, "b": 0.0}, "no numbers lie in"),
        ("uniform_", {"b": math.inf}, "no finite length"),
        ("normal_", {"std": -1.0}, "must not be negative"),
        ("xavier_uniform_", {}, "it needs 2 dims"),
        ("kaiming_normal_", {}, "it needs 2 dims"),
        ("kaiming_uniform_", {"mode": "fan"}, "fan_in, fan_out"),
        ("kaiming_uniform_", {"nonlinearity": "step"}, "relu"),
    ],
)
@pytest.mark.parametrize("engine", engines.OURS, indirect=True)
def test_what_has_no_distribution_is_refused(
    engine: Adapter, name: str, options: dict[str, Any], message: str
) -> None:
    shape = (2, 3) if options else (3,)  # a vector has no fans

    with pytest.raises(ValueError, match=message):
        drawn(engine, name, shape, 0, **options)


@pytest.mark.parametrize("engine", engines.OURS, indirect=True)
def test_only_a_number_fills_a_tensor(engine: Adapter) -> None:
    for val in (None, "1"):
        with pytest.raises(TypeError, match="must be a number"):
            drawn(engine, "constant_", (3,), 0, val=val)


def with_gradients(
    engine: Adapter, gradients: Sequence[np.ndarray[Any, Any] | None], dtype: str
) -> list[Any]:
    found = []
    for gradient in gradients:
        array = np.ones((2,) if gradient is None else gradient.shape, dtype)
        found.append(engine.package.nn.Parameter(engine.tensor(array)))
        if gradient is not None:
            engine.backward(engine.call("clone", found[-1]), gradient.astype(dtype))
    return found


def clipped(
    engine: Adapter,
    dtype: str,
    function: str,
    *arguments: Any,
    gradients: Sequence[np.ndarray[Any, Any] | None] = GRADIENTS,
) -> tuple[Any, list[Any]]:
    """What the function of nn.utils returns, and the gradients that it leaves."""
    parameters = with_gradients(engine, gradients, dtype)
    returned = getattr(engine.package.nn.utils, function)(iter(parameters), *arguments)
    return returned, [engine.grad(parameter) for parameter in parameters]


def require_close(engine: Adapter, dtype: str, function: str, *arguments: Any, **how: Any) -> None:
    (returned, got), (wanted, want) = (
        clipped(each, dtype, function, *arguments, **how)
        for each in (engine, engines.load("torch"))
    )
    assert (returned is None) == (wanted is None)
    if wanted is not None:
        assert float(returned) == pytest.approx(float(wanted), rel=8 * EPS[dtype], nan_ok=True)
    for own, of_torch in zip(got, want, strict=True):
        assert (own is None) == (of_torch is None)
        if of_torch is not None:
            assert own.dtype == of_torch.dtype
            np.testing.assert_allclose(own, of_torch, rtol=8 * EPS[dtype], atol=0)


@pytest.mark.parametrize("norm_type", [2.0, 1, 3, 0.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.75, 1e3, 0])
def test_norms_are_clipped_as_torchs(engine: Adapter, max_norm: float, norm_type: float) -> None:
    for dtype in engine.dtypes:
        require_close(engine, dtype, "clip_grad_norm_", max_norm, norm_type)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_clipped_as_torchs(engine: Adapter, number: float) -> None:
    for norm_type in (2.0, 1.0, math.inf):
        require_close(
            engine,
            "float64",
            "clip_grad_norm_",
            1.0,
            norm_type,
            gradients=[np.array([1.0, number]), np.array([3.0])],
        )
    require_close(
        engine, "float64", "clip_grad_value_", 1.0, gradients=[np.array([1.0, number, -2.0])]
    )


def test_norms_of_nothing_are_0(engine: Adapter) -> None:
    require_close(engine, "float64", "clip_grad_norm_", 1.0, gradients=[None, None])
    require_close(engine, "float64", "clip_grad_norm_", 1.0, gradients=[])


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_an_endless_norm_is_refused_if_asked_for(engine: Adapter, number: float) -> None:
    parameters = with_gradients(engine, [np.array([1.0, number]), np.array([3.0])], "float64")

    with pytest.raises(RuntimeError, match="norm"):
        engine.package.nn.utils.clip_grad_norm_(parameters, 1.0, 2.0, True)

    kept = engine.grad(parameters[0])
    assert kept is not None
    assert kept[0] == 1.0
    finite = with_gradients(engine, [np.array([3.0, 4.0])], "float64")
    norm = engine.package.nn.utils.clip_grad_norm_(finite, 1.0, error_if_nonfinite=True)
    assert float(norm) == 5.0


def test_a_single_parameter_is_clipped_too(engine: Adapter) -> None:
    (parameter,) = with_gradients(engine, [np.array([3.0, -4.0])], "float64")

    assert float(engine.package.nn.utils.clip_grad_norm_(parameter, 1e-3)) == 5.0
    engine.package.nn.utils.clip_grad_value_(parameter, 7e-4)

    gradient = engine.grad(parameter)
    assert gradient is not None
    np.testing.assert_allclose(gradient, [6e-4, -7e-4], rtol=1e-3)


@pytest.mark.parametrize("bound", [1.0, 0, 100, math.nan])
def test_values_are_clipped_as_torchs(engine: Adapter, bound: float) -> None:
    for dtype in engine.dtypes:
        require_close(engine, dtype, "clip_grad_value_", bound)
