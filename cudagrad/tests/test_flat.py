"""Parameters side by side: one launch for all of them, and torch's semantics all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cudagrad
from cudagrad import arrays, device, flat, launches, nn, ops, optim

SHAPES = ((3, 70), (5,), (), (2, 0), (1, 4))
MAKERS: dict[str, Callable[..., optim.Optimizer]] = {
    "SGD": lambda params: optim.SGD(params, 0.1),
    "momentum": lambda params: optim.SGD(params, 0.1, momentum=0.9, weight_decay=0.1),
    "Adagrad": lambda params: optim.Adagrad(params, 0.1, lr_decay=0.1),
    "RMSprop": lambda params: optim.RMSprop(params, 0.1, momentum=0.5, centered=True),
    "Adam": lambda params: optim.Adam(params, 0.1, weight_decay=0.1, amsgrad=True),
    "AdamW": lambda params: optim.AdamW(params, 0.1),
}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The kernels, as they are launched."""
    kernels: list[Any] = []
    watchers = [*launches.watchers, lambda launcher, _: kernels.append(launcher.kernel)]
    monkeypatch.setattr(launches, "watchers", watchers)
    return kernels


def parameters(dtype: type = np.float32) -> list[nn.Parameter]:
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.standard_normal(shape).astype(dtype)) for shape in SHAPES]


def backward(params: list[nn.Parameter], seed: int, without: tuple[int, ...] = ()) -> None:
    """A gradient that comes to parameters as in training, but to those without."""
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal(x.shape).astype(x.dtype) for x in params]
    used = [i for i in range(len(params)) if i not in without]
    terms = [ops.sum(ops.mul(params[i], factors[i])) for i in used]
    total = terms[0]
    for term in terms[1:]:
        total = ops.add(total, term)
    total.backward()


def numbers(params: list[nn.Parameter], optimizer: optim.Optimizer) -> list[list[Any]]:
    state = optimizer.state_dict()["state"]
    kept = [[name, np.asarray(x).tolist()] for each in state.values() for name, x in each.items()]
    return [*kept, *([x.tolist()] for x in params)]


def trained(
    make: Callable[..., optim.Optimizer], without: dict[int, tuple[int, ...]]
) -> list[list[Any]]:
    """Where six steps lead; without: the parameters that have no gradient in a step."""
    params = parameters()
    optimizer = make(params)
    for step in range(6):
        backward(params, step, without.get(step, ()))
        optimizer.step()
        optimizer.zero_grad()
    return numbers(params, optimizer)


@pytest.mark.parametrize(
    "without", [{}, {0: (0, 2)}, {3: (1,)}, {0: (4,), 1: (0, 1)}, {2: (0,), 4: (0,)}]
)
@pytest.mark.parametrize("name", MAKERS)
def test_steps_are_those_of_parameters_apart(
    name: str, without: dict[int, tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = trained(MAKERS[name], without)
    for kind in (optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam):
        monkeypatch.setattr(kind, "elementwise", False)

    assert together == trained(MAKERS[name], without)


def test_parameters_that_are_too_many_for_one_array_stay_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = trained(MAKERS["AdamW"], {})
    monkeypatch.setattr(arrays, "COUNTABLE", 448)
    made: list[Any] = []
    monkeypatch.setattr(flat, "Flat", made.append)

    assert together == trained(MAKERS["AdamW"], {})
    assert not made


@pytest.mark.parametrize("name", MAKERS)
def test_from_the_second_step_on_one_launch_moves_all(name: str, launched: list[Any]) -> None:
    params = [x for x in parameters() if x.numel()]
    optimizer = MAKERS[name](params)
    for step in range(3):
        optimizer.zero_grad()
        backward(params, step)
        held, state = [x.data for x in params], numbers(params, optimizer)
        launched.clear()
        optimizer.step()

        assert step == 0 or len(launched) == 1
        assert step == 0 or all(x.data is data for x, data in zip(params, held, strict=True))
        assert numbers(params, optimizer) != state


def test_groups_and_dtypes_are_packed_apart(launched: list[Any]) -> None:
    first, second = parameters(np.float32), parameters(np.float64)
    groups = [{"params": first + second}, {"params": (third := parameters()), "lr": 0.5}]
    optimizer, every = optim.SGD(groups, 0.1), [*first, *second, *third]
    for _ in range(2):
        optimizer.zero_grad()
        for x in every:
            ops.sum(x).backward()
        launched.clear()
        optimizer.step()

    assert len([kernel for kernel in launched if "sgd" in str(kernel)]) == 3
    assert np.allclose(third[1].detach().numpy(), parameters()[1].detach().numpy() - 1.0)
    assert np.allclose(first[1].detach().numpy(), parameters()[1].detach().numpy() - 0.2)


def test_a_gradient_that_somebody_holds_stays_what_it_was() -> None:
    params = parameters()
    optimizer = optim.SGD(params, 0.1)
    held = []
    for step in range(4):
        params[0].grad = params[1].grad = None  # two ways to zero: optimizers do it otherwise
        if step % 2:
            optimizer.zero_grad()
        for x in params:
            x.grad = None
        backward(params, step)
        held.append((params[0].grad, params[0].grad.tolist()))
        optimizer.step()

    assert all(grad.tolist() == before for grad, before in held)


def test_gradients_of_several_batches_add_up_in_place(launched: list[Any]) -> None:
    params = [x for x in parameters() if x.numel()]
    optimizer = optim.SGD(params, 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        for seed in range(3):
            backward(params, seed)
        sums = [x.grad.numpy() for x in params]
        launched.clear()
        optimizer.step()
    count, apart = len(launched), parameters()
    expected = []
    for seed in range(3):
        for x in apart:
            x.grad = None
        backward([x for x in apart if x.numel()], seed)
        expected.append([x.grad.numpy() for x in apart if x.numel()])

    assert count == 1
    for got, terms in zip(sums, zip(*expected, strict=True), strict=True):
        assert np.allclose(got, sum(terms), rtol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_loaded_in_between_is_where_training_goes_on(name: str) -> None:
    one = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    x = cudagrad.tensor(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))
    optimizers = [MAKERS[name](model.parameters()) for model in (one, other)]

    def step(model: nn.Module, optimizer: optim.Optimizer) -> None:
        optimizer.zero_grad()
        ops.sum(ops.square(model(x))).backward()
        optimizer.step()

    for _ in range(3):
        step(one, optimizers[0])
    step(other, optimizers[1])
    other.load_state_dict(one.state_dict())
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    for _ in range(2):
        step(one, optimizers[0])
        step(other, optimizers[1])

    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        assert p.tolist() == q.tolist()
    other.to(np.float64)
    optimizers[1] = MAKERS[name](other.parameters())
    x = cudagrad.tensor(x.numpy().astype(np.float64))
    step(other, optimizers[1])
    assert {p.dtype for p in other.parameters()} == {np.dtype(np.float64)}


def test_two_optimizers_may_share_parameters() -> None:
    params = parameters()
    first, second = optim.SGD(params, 0.1), optim.SGD(params[:2], 0.1)
    apart = [x.detach().numpy() for x in params]
    for _ in range(3):
        for x in params:
            x.grad = cudagrad.tensor(np.ones(x.shape, np.float32))
        first.step()
        second.step()

    for i, (x, before) in enumerate(zip(params, apart, strict=True)):
        assert np.allclose(x.detach().numpy(), before - (0.6 if i < 2 else 0.3), atol=1e-6)


@pytest.mark.skipif(device.EXECUTOR == "gpu", reason="needs memory of the host")
def test_arrays_of_others_stay_where_they_are() -> None:
    shared = [np.ones(2, np.float32) for _ in range(2)]
    params = [cudagrad.as_tensor(x).requires_grad_() for x in shared] + parameters()
    optimizer = optim.SGD(params, lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        for x in params:
            ops.sum(x).backward()
        optimizer.step()

    assert [x.tolist() for x in shared] == [[0.0, 0.0]] * 2
    assert [x.tolist() for x in params[:2]] == [[0.0, 0.0]] * 2
    assert params[2].home is not None


@pytest.mark.launches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_norm_is_clipped_in_two_launches(dtype: type, launched: list[Any]) -> None:
    params = [*parameters(dtype), nn.Parameter(np.ones(2 * arrays.PART + 3, dtype))]
    params = [x for x in params if x.numel()]
    optimizer = optim.SGD(params, 0.1)
    for step in range(2):
        optimizer.zero_grad()
        backward(params, step)
        before = [x.grad.numpy() for x in params]
        launched.clear()
        total = nn.utils.clip_grad_norm_(params, 1.5)
        clipped = [x.grad.numpy() for x in params]
        count = len([kernel for kernel in launched if "fill" not in str(kernel)])
        optimizer.step()

    norm = np.sqrt(sum((grad.astype(np.float64) ** 2).sum() for grad in before))
    assert count == 2
    assert total.item() == pytest.approx(norm, rel=1e-6)
    for old, new in zip(before, clipped, strict=True):
        assert new.dtype == dtype
        assert np.allclose(new, old * 1.5 / norm, rtol=1e-5)


def test_a_norm_of_some_leaves_the_others_alone() -> None:
    params = parameters()
    optimizer = optim.SGD(params, 0.1)
    for step in range(2):
        optimizer.zero_grad()
        backward(params, step)
        if step == 0:
            optimizer.step()
    before = [x.grad.numpy() for x in params]
    nn.utils.clip_grad_norm_([params[0], params[0]], 0.5)
    nn.utils.clip_grad_value_(params[1:2], 0.1)

    assert np.linalg.norm(params[0].grad.numpy()) == pytest.approx(0.5, rel=1e-4)
    assert (params[1].grad.numpy() == before[1].clip(-0.1, 0.1)).all()
    assert all((x.grad.numpy() == old).all() for x, old in zip(params[2:], before[2:], strict=True))


def test_parts_lie_where_wide_loads_may_begin() -> None:
    params = parameters()
    optimizer = optim.SGD(params, 0.1)
    backward(params, 0)
    optimizer.step()
    flat = params[0].home.flat

    assert all(start * 4 % 256 == 0 for start, _ in flat.places)
    assert flat.data.size < sum(x.numel() for x in params) + 64 * len(params)
    padding = np.ones(flat.size, bool)
    for (start, shape), x in zip(flat.places, params, strict=False):
        padding[start : start + int(np.prod(shape))] = False
        assert shape in (x.shape, *SHAPES)
    assert not device.to_host(flat.data)[padding].any()
