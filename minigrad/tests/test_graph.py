"""A captured step does what the step does, bit for bit; what it cannot repeat is an error."""

from __future__ import annotations

import doctest
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import capture, gpt, graph, nn, ops, optim
from minigrad.graph import CaptureError, graphed

Step = Callable[..., Any]
X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]], np.float32)
UNPATCHED = np.asanyarray
NUMPYS = {name: getattr(np, name) for name in graph.MAKERS}


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    yield
    assert capture.current.get() is None
    assert all(getattr(np, name) is function for name, function in NUMPYS.items())
    assert type(vars(minigrad.Tensor)["data"]).__name__ == "member_descriptor"


def trained(as_graph: bool, checkpointed: bool = False) -> dict[str, Any]:
    """Losses, norms, weights, state and generator after steps in which all that can change does."""
    minigrad.manual_seed(3)
    config = gpt.GPTConfig(11, 8, 2, 2, 16, 0.1, gradient_checkpointing=checkpointed)
    model = gpt.GPT(config)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    schedule = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def step(inputs: minigrad.Tensor, targets: minigrad.Tensor) -> tuple[minigrad.Tensor, ...]:
        optimizer.zero_grad()
        _, loss = model(inputs, targets)
        assert loss is not None
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        return loss, norm

    run = graphed(step) if as_graph else step
    rng = np.random.default_rng(0)
    numbers = []
    for _ in range(7):
        tokens = minigrad.tensor(rng.integers(0, 11, (2, 9)))
        numbers.append([x.item() for x in run(tokens[:, :-1], tokens[:, 1:])])
    return {
        "numbers": numbers,
        "weights": {name: x.tobytes() for name, x in model.state_dict().items()},
        "optimizer": {
            (index, name): np.asarray(x).tobytes()
            for index, state in optimizer.state_dict()["state"].items()
            for name, x in state.items()
        },
        "gradients": [p.grad.numpy().tobytes() for p in model.parameters()],
        "rate": optimizer.param_groups[0]["lr"],
        "generator": minigrad.get_rng_state(),
    }


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_gpt_trains_to_the_same_bits(checkpointed: bool) -> None:
    assert trained(True, checkpointed) == trained(False, checkpointed)


def test_a_replay_runs_no_python_of_the_step() -> None:
    runs: list[int] = []

    @graphed
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        runs.append(1)
        return ops.exp(x) + 1

    for k in range(6):
        assert step(X * k).tolist() == (np.exp(X * k) + 1).tolist()
    assert len(runs) == 3


def test_a_graph_holds_calls_of_numpy() -> None:
    step = graphed(lambda x: ops.exp(x).sum())
    for _ in range(3):
        step(X)

    assert step.graph is not None
    functions = [call.func for call in step.graph.calls]  # type: ignore[attr-defined]
    assert functions[0] is graph._copy
    assert [f.__name__ for f in functions[1:]] == ["exp", "sum"]


@pytest.mark.parametrize("make", [optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam])
def test_eager_steps_and_replays_go_on_from_each_other(make: Any) -> None:
    def run(as_graph: bool) -> list[Any]:
        minigrad.manual_seed(0)
        layer = nn.Linear(3, 2)
        optimizer = make(layer.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ops.square(layer(x)).sum()
            loss.backward()
            optimizer.step()
            return loss

        call = graphed(step) if as_graph else step
        found = [(call if i % 3 else step)(minigrad.tensor(X)).item() for i in range(12)]
        saved = layer.state_dict(), optimizer.state_dict()
        after = [call(minigrad.tensor(X)).item() for _ in range(3)]
        layer.load_state_dict(saved[0])
        optimizer.load_state_dict(saved[1])
        assert [call(minigrad.tensor(X)).item() for _ in range(3)] == after
        return [found, after, layer.weight.tolist()]

    assert run(as_graph=True) == run(as_graph=False)


def test_gradients_are_those_of_the_step_wherever_it_forgets_them() -> None:
    """First or last; and those of two passes add up."""
    for forget in ("first", "last"):

        def run(as_graph: bool, forget: str = forget) -> list[Any]:
            minigrad.manual_seed(0)
            layer = nn.Linear(3, 2)
            optimizer = optim.SGD(layer.parameters(), lr=0.1)

            def step(x: Any) -> Any:
                if forget == "first":
                    optimizer.zero_grad()
                ops.square(layer(x)).sum().backward()
                loss = ops.exp(layer(x) * 0.1).sum()
                loss.backward()
                nn.utils.clip_grad_norm_(layer.parameters(), 3.0)
                optimizer.step()
                if forget == "last":
                    optimizer.zero_grad()
                return loss

            call = graphed(step) if as_graph else step
            losses = [call(minigrad.tensor(X / k)).item() for k in (1, 2, 8, 1, 8, 2)]
            return [losses, [str(p.grad) for p in layer.parameters()]]

        assert run(as_graph=True) == run(as_graph=False)


def test_gradients_that_are_not_reset_add_up() -> None:
    """Though they were reset outside of the step while it was captured."""

    def run(as_graph: bool) -> list[Any]:
        w = minigrad.tensor(X[0], requires_grad=True)
        step = lambda x: ops.square(x @ w).sum().backward()  # noqa: E731
        call, found = graphed(step) if as_graph else step, []
        for k in range(8):
            if k not in (5, 6):
                w.grad = None
            call(minigrad.tensor(X * k))
            assert w.grad is not None
            found.append(w.grad.tolist())
        return found

    assert run(as_graph=True) == run(as_graph=False)


def test_weights_are_read_anew_after_they_have_moved() -> None:
    """One of them by itself, in a new array, or two together, in place."""
    for size in (1, 2):

        def make(size: int = size) -> Step:
            minigrad.manual_seed(0)
            layer = nn.Linear(3, 2, bias=size == 2)
            optimizer = optim.SGD(layer.parameters(), lr=0.1)

            def step(x: minigrad.Tensor) -> tuple[minigrad.Tensor, minigrad.Tensor]:
                optimizer.zero_grad()
                before = ops.square(layer(x)).sum()
                before.backward()
                optimizer.step()
                return before, ops.square(layer(x)).sum()

            return step

        alike(make)


def test_weights_moved_by_hand_are_moved_by_replays() -> None:
    def run(as_graph: bool) -> Any:
        w = minigrad.tensor([1.0, 2.0, 3.0], requires_grad=True)

        def step(x: Any) -> Any:
            nonlocal w
            w.grad = None
            loss = ops.square(x @ w).sum()
            loss.backward()
            with minigrad.no_grad():
                w -= 0.01 * w.grad
            return loss, w * 2

        call = graphed(step) if as_graph else step
        return [[x.tolist() for x in call(minigrad.tensor(X))] for _ in range(6)], w.tolist()

    assert run(as_graph=True) == run(as_graph=False)


def test_batch_norm_goes_on() -> None:
    eager, captured = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    step = graphed(captured)
    rng = np.random.default_rng(0)
    for _ in range(6):
        x = rng.normal(size=(5, 3)).astype(np.float32)
        assert step(x).tolist() == eager(minigrad.tensor(x)).tolist()
    own, other = captured.state_dict(), eager.state_dict()

    assert own["num_batches_tracked"] == 6
    assert all((own[name] == other[name]).all() for name in other)


@pytest.mark.parametrize("within", [False, True], ids=["between steps", "by the step"])
@pytest.mark.parametrize("what", ["mode", "bias"])
def test_modes_and_frozen_parameters_are_those_of_now(what: str, within: bool) -> None:
    def run(as_graph: bool) -> tuple[list[Any], int]:
        minigrad.manual_seed(0)
        layer, calls = nn.Linear(3, 3), []
        model = nn.Sequential(layer, nn.BatchNorm1d(3), nn.Dropout(0.5))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def change(on: bool) -> None:
            if what == "mode":
                model.train(on)
            else:
                layer.bias.requires_grad_(on)

        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            calls.append(None)
            if within:
                change(False)
            optimizer.zero_grad()
            out = model(x)
            (out * out).mean().backward()
            optimizer.step()
            if within:
                change(True)
            return out

        take, found = (graphed(step) if as_graph else step), []
        for number in range(8):
            if not within:
                change(number < 5 or number == 7)
            out = take(minigrad.tensor(X) + number)
            grads = [None if p.grad is None else p.grad.tolist() for p in model.parameters()]
            found.append((out.tolist(), grads, model.training))
        return found, len(calls)

    found, calls = run(as_graph=True)

    assert found == run(as_graph=False)[0]
    assert calls == (3 if within else 5)  # one as it is, two captured; two in the other mode


def test_weights_that_are_loaded_or_drawn_anew_are_those_of_the_next_replay() -> None:
    layer = nn.Linear(3, 2)
    step = graphed(layer)
    for _ in range(3):
        step(X)
    layer.load_state_dict({"weight": np.full((2, 3), 2.0), "bias": np.array([1, -1])})
    assert step(X).tolist() == [[4.0, 2.0], [3.5, 1.5]]

    nn.init.normal_(layer.weight)
    assert step(X).tolist() == layer(minigrad.tensor(X)).tolist()
    layer.weight.data = X[:, :2]
    with pytest.raises(
        CaptureError, match=r"\(2, 3\) and float32 .* has shape \(2, 2\) and float32"
    ):
        step(X)


def test_a_function_of_ones_own_is_captured() -> None:
    class Cube(minigrad.Function):
        @staticmethod
        def forward(ctx: Any, x: minigrad.Tensor) -> minigrad.Tensor:
            ctx.save_for_backward(x)
            return minigrad.tensor(x.numpy() ** 3)

        @staticmethod
        def backward(ctx: Any, dout: minigrad.Tensor) -> minigrad.Tensor:
            (x,) = ctx.saved_tensors
            return dout * x * x * 3

    w = minigrad.tensor([1.0, 2.0, 3.0], requires_grad=True)

    @graphed
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        w.grad = None
        loss = Cube.apply(w * x).sum()
        loss.backward()
        return loss

    for k in range(1, 6):
        x = np.array([k, 1.0, 2.0], np.float32)
        w.data = np.array([1.0, k, 3.0], np.float32)
        assert step(x).item() == ((w.data * x) ** 3).sum()
        assert w.grad is not None
        assert w.grad.tolist() == (3 * w.data**2 * x**3).tolist()


def test_numpy_may_be_called_in_any_way() -> None:
    """With results in several arrays, in views, in given arrays, by position and by name."""

    def step(x: minigrad.Tensor) -> tuple[minigrad.Tensor, ...]:
        a, rows, given = x.numpy(), np.array([0, 1]), np.empty((2, 3), np.float32)
        arrays = [*np.frexp(a), *np.modf(a), *np.divmod(a, 0.3), *np.split(a, 3, axis=1)]
        arrays += [a.take(rows, 0, None, "clip"), a.take(rows, 0, given, "clip"), given]
        arrays += [a.dot(np.ones(3, np.float32), None), np.sum(a, 0, None, given[0]), given]
        arrays += [np.add.outer(a[0], a[1]), np.add.reduce(a), np.clip(a, -0.5, 0.5)]
        arrays += [np.einsum("ij,kj->ik", a, a), np.concatenate([a, a]), np.stack((a, a), axis=1)]
        arrays += [np.maximum(a, 0.1, where=a > 0, out=np.zeros_like(a)), np.where(a > 0, a, 0)]
        arrays += [np.piecewise(a, [a < 0], [lambda v: -v, lambda v: v * rows[1]]), a[a > -99]]
        order = np.argsort(a, axis=1)
        arrays += [order, np.take_along_axis(a, order, 1), a.T[1:, ::-1], np.median(a), a[1, 2]]
        b = a.copy()
        b.sort()
        np.add.at(b, (rows, rows), 1.5)
        b[b > 1] = 7
        b[:, 0] += a[:, 1]
        return tuple(minigrad.Tensor(np.asarray(each, np.float32)) for each in [*arrays, b])

    captured = graphed(step)
    for k in (1, 2, 3, -1, -2, 5):
        found, wanted = captured(X * k), step(minigrad.tensor(X * k))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), strict=True)


def alike(make: Callable[[], Step], inputs: Any = (X, -X, X * 2, X, -X / 3, X * 5, -X)) -> None:
    """Require the bits of a step of its graph; make returns the step, with tensors of its own."""

    def numbers(call: Step) -> list[Any]:
        found = []
        for x in inputs:
            results = call(minigrad.tensor(x))
            each = results if isinstance(results, tuple) else (results,)
            found.append([str(np.asarray(y.detach()).tolist()) for y in each])
        return found

    assert numbers(graphed(make())) == numbers(make())


def test_layouts_decide_how_sums_add() -> None:
    gaps = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)[:, ::2]

    def make() -> Step:
        w = minigrad.Tensor(gaps)
        return lambda x: (w * 1.1 + x[0, 0]).sum()

    alike(make)

    def relaid(as_graph: bool) -> list[float]:
        w = minigrad.Tensor(gaps)
        call, found = graphed(w.sum) if as_graph else w.sum, []
        for order in ("C", "C", "C", "F", "C"):
            w.data = np.array(gaps, order=order)
            found.append(call().item())
        return found

    assert relaid(as_graph=True) == relaid(as_graph=False)


def test_what_numpy_returns_is_as_it_is() -> None:
    def decomposed(x: minigrad.Tensor) -> tuple[minigrad.Tensor, ...]:
        a = x.numpy()
        values, vectors = np.linalg.eigh(a.T @ a)
        total = a.sum()
        first = total
        total += 1  # another number: first stays
        return tuple(map(minigrad.Tensor, map(np.asarray, (values, vectors, first, total))))

    alike(lambda: decomposed)

    def cleaned(x: minigrad.Tensor) -> minigrad.Tensor:
        y = x.numpy() * 1
        np.nan_to_num(y, copy=False)
        return minigrad.Tensor(y)

    alike(lambda: cleaned, [X, X + 1, X + 2, X * np.float32(np.inf), X * np.float32(np.nan), X])


def test_tensors_that_a_step_writes_to() -> None:
    def reset() -> Step:
        h, start = minigrad.Tensor(np.zeros((2, 3), np.float32)), X.copy()

        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            h.data = start
            h.data = h.data + x.data
            return h * 1.0

        return step

    alike(reset)

    def shared() -> Step:
        h = minigrad.Tensor(np.zeros((2, 3), np.float32))

        def step(x: minigrad.Tensor) -> tuple[minigrad.Tensor, minigrad.Tensor]:
            before, a = h * 1.0, x.data * 2
            h.data = a
            a += 1
            return before, h * 1.0

        return step

    alike(shared)


def test_gradients_between_clipping_and_freezing() -> None:
    def clipped() -> Step:
        w = minigrad.tensor(X[0], requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            optimizer.zero_grad()
            (x @ w).sum().backward()
            norm = nn.utils.clip_grad_norm_([w], 2.5)
            (w * w).sum().backward()
            optimizer.step()
            return norm * w

        return step

    alike(clipped)

    def twice() -> Step:
        w = minigrad.tensor(X[0], requires_grad=True)

        def step(x: minigrad.Tensor) -> tuple[minigrad.Tensor, minigrad.Tensor]:
            w.grad = None
            (x @ w).sum().backward()
            nn.utils.clip_grad_norm_([w], 2.5)
            assert w.grad is not None
            before = w.grad * 1.0
            nn.utils.clip_grad_value_([w], 0.5)
            return before, w.grad * 1.0

        return step

    alike(twice, [X / 9, X / 8, X / 7, X, X * 2, X / 6])

    def frozen() -> Step:
        w = minigrad.tensor(X[0], requires_grad=True)

        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            w.grad = None
            with minigrad.no_grad():
                (x * w).sum()
            w.requires_grad_(False)
            a = (x * w).sum()
            w.requires_grad_(True)
            (x * w).sum().backward()
            assert w.grad is not None
            return a + w.grad * 1.0

        return step

    alike(frozen)


def test_gradients_that_a_step_gives_or_changes_itself() -> None:
    def given() -> Step:
        w, grad = minigrad.tensor(X[0], requires_grad=True), minigrad.tensor(X[1])
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            w.grad = None
            before = x @ w
            w.grad = grad
            optimizer.step()
            return before

        return step

    alike(given)

    def changed() -> Step:
        w = minigrad.tensor(X[0], requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: minigrad.Tensor) -> tuple[minigrad.Tensor, minigrad.Tensor]:
            optimizer.zero_grad()
            (x @ w / ops.clamp(x[0, 0], min=0)).sum().backward()
            assert w.grad is not None
            try:
                nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
            except RuntimeError:
                w.grad.data = x.data[0] * 2
            optimizer.step()
            w.grad.data += 1
            return x @ w, w.grad

        return step

    alike(changed, [X, X * 2, X * 3, X, -X, X])
    alike(changed, [-X, -X * 2, -X * 3, -X, X, -X])


def test_replays_begin_without_the_gradients_that_the_step_makes_and_with_all_others() -> None:
    def run(as_graph: bool) -> list[Any]:
        kept, used, made = (minigrad.tensor(X[0], requires_grad=True) for _ in range(3))
        kept.grad = minigrad.tensor(X[1])
        optimizer = optim.SGD([used], lr=0.1)

        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            optimizer.step()
            optimizer.zero_grad()
            made.grad = None
            (x @ made * (x @ kept.detach())).sum().backward()
            return x @ used

        call, found = graphed(step) if as_graph else step, []
        for k in range(1, 7):
            used.grad = minigrad.tensor(X[1] * k)
            out = call(minigrad.tensor(X * k))
            found.append([str(y) for y in (out.detach(), kept.grad, used.grad, made.grad)])
        return found

    assert run(as_graph=True) == run(as_graph=False)


def test_an_exception_that_a_step_catches() -> None:
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        try:
            return minigrad.Tensor(np.linalg.cholesky(x.numpy()[:, :2]))
        except np.linalg.LinAlgError:
            return x * 2

    good = np.array([[2, 1, 0], [1, 2, 0]], np.float32)
    for inputs in ([good, good * 2, good * 3, X, good], [X, -X, X * 2, good, X, good]):
        alike(lambda: step, inputs)


def test_targets_may_be_ignored_in_any_number() -> None:
    weight = minigrad.tensor(np.arange(20.0).reshape(4, 5) ** 0.5)
    targets = [
        [0, 1, 2, 3],
        [-100, 1, 2, 3],
        [0, -100, -100, 4],
        [-100, -100, -100, 2],
        [4, 3, 2, 1],
    ]
    alike(
        lambda: lambda t: ops.cross_entropy(weight, t, label_smoothing=0.1),
        [np.array(target) for target in targets],
    )


@pytest.mark.parametrize("turn", [0, 3])
def test_an_evaluation_leaves_gradients_alone(turn: int) -> None:
    """Whether they are made before it is captured or after."""
    layer, known, runs = nn.Linear(3, 2), None, []

    @graphed
    def evaluated(x: minigrad.Tensor) -> minigrad.Tensor:
        runs.append(1)
        with minigrad.no_grad():
            return layer(x)

    for number in range(6):
        if number == turn:
            ops.square(layer(minigrad.tensor(X))).sum().backward()
            known = str(layer.weight.grad)
        evaluated(X + number)
    assert str(layer.weight.grad) == known
    assert len(runs) == 3


def test_results_are_overwritten() -> None:
    step = graphed(ops.exp)
    for number in range(2):
        step(X + number)
    third, fourth = step(X), step(np.zeros_like(X))

    assert third is fourth
    assert (third.numpy() == 1).all()


def test_inputs_are_not() -> None:
    x = X.copy()
    step = graphed(lambda x: ops.square(x) + 1)
    for _ in range(5):
        assert step(x).tolist() == (X * X + 1).tolist()
        assert step(np.asfortranarray(x)).tolist() == (X * X + 1).tolist()
    assert x.tolist() == X.tolist()


def test_inputs_stay_what_they_were_captured_for() -> None:
    step = graphed(ops.exp)
    for _ in range(3):
        step(X)

    with pytest.raises(ValueError, match=r"captured for \(2, 3\) float32, not for \(3, 2\) float"):
        step(X.T)
    with pytest.raises(ValueError, match=r"not for \(2, 3\) float64"):
        step(X.astype(np.float64))
    with pytest.raises(TypeError, match="takes arrays and tensors, not float"):
        step(1.0)
    with pytest.raises(ValueError, match="no gradient reaches an argument"):
        step(minigrad.tensor(X, requires_grad=True))
    with pytest.raises(ValueError, match="warmup must be at least 1"):
        graphed(ops.exp, warmup=0)
    with pytest.raises(TypeError, match="warmup must be an int, not float"):
        graphed(ops.exp, warmup=1.5)


def test_gradients_that_share_memory_are_not_added_to() -> None:
    """The one of an addition goes to both sides, here as a view."""
    w, z = minigrad.tensor(X[0], requires_grad=True), minigrad.tensor(X[:1].T, requires_grad=True)

    def step(x: minigrad.Tensor) -> tuple[minigrad.Tensor, ...]:
        w.grad = z.grad = None
        twice = w * 2
        (((ops.reshape(w, (3, 1)) + z) * x[0, 0]).sum() + twice.sum()).backward()
        assert w.grad is not None
        assert z.grad is not None
        return w.grad, z.grad

    alike(lambda: step)


def test_memory_is_used_again_within_a_graph() -> None:
    def deep(x: Any) -> Any:
        for _ in range(20):
            x = ops.exp(x)
        return x

    step = graphed(deep)
    for _ in range(3):
        step(X)

    assert step.graph is not None
    outs = [call.args[-1] for call in step.graph.calls[1:]]  # type: ignore[attr-defined]
    assert len(outs) == 20
    assert len({out.ctypes.data for out in outs}) == 2  # to and fro


def test_nothing_of_a_graph_outlives_it_with_the_collector_off() -> None:
    gc.collect()
    gc.disable()
    try:
        trained(as_graph=True)
        assert gc.collect() == 0
    finally:
        gc.enable()


# What is asked for on the way


def test_an_answer_that_changes_leads_to_the_step_itself() -> None:
    minigrad.manual_seed(0)
    runs: list[int] = []

    @graphed
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        runs.append(1)
        kept = ops.dropout(x, 0.5)
        return x * 2 if (x > 0).any() else kept

    for number in range(3):
        step(X * (1 + number))
    state = minigrad.get_rng_state()
    low = step(-abs(X)).tolist()
    minigrad.set_rng_state(state)
    assert low == ops.dropout(minigrad.tensor(-abs(X)), 0.5).tolist()
    assert step(X).tolist() == (X * 2).tolist()
    assert len(runs) == 4


def test_nan_is_the_same_number_both_times() -> None:
    @graphed
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        return ops.masked_fill(x, x < 0, float("nan"))

    for number in range(4):
        assert np.isnan(step(X - number).numpy()).tolist() == (X < number).tolist()


def test_what_a_step_writes_to_an_input_is_not_the_callers() -> None:
    @graphed
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        x.data *= 2
        return x + 1

    for number in range(4):
        mine = X + number
        assert step(mine).tolist() == (2 * (X + number) + 1).tolist()
        assert mine.tolist() == (X + number).tolist()


def test_an_input_that_was_always_the_same_is_seen_to_change() -> None:
    table = np.arange(10.0, dtype=np.float32)
    ids, others = np.array([1, 2]), np.array([3, 4])

    @graphed
    def past_numpy(ids: minigrad.Tensor, offset: minigrad.Tensor) -> minigrad.Tensor:
        return minigrad.tensor(table[ids.data]) + offset

    for number in range(4):
        offset = np.array([number, 0.5], np.float32)
        assert past_numpy(ids, offset).tolist() == [1.0 + number, 2.5]
    with pytest.raises(CaptureError, match="one array, or number, the first time, and with anothe"):
        past_numpy(others, offset)

    runs: list[int] = []

    @graphed
    def asking(ids: minigrad.Tensor) -> minigrad.Tensor:
        runs.append(1)
        return ids * 2 if (ids < 4).all() else ids

    for given in (*[ids] * 4, others, ids, ids * 0, ids * 3, ids * 0):
        assert asking(given).tolist() == (given * (2 if max(given) < 4 else 1)).tolist()
    # Three at first; others are answered otherwise; ids * 0 is the third capture; ids * 3.
    assert len(runs) == 6


def test_but_not_once_a_tensor_has_changed() -> None:
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.0)

    @graphed
    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        optimizer.zero_grad()
        loss = ops.square(layer(x)).sum()
        loss.backward()
        optimizer.step()
        return x * 2 if (x > 0).any() else x

    for number in range(3):
        step(X + number)
    with pytest.raises(CaptureError, match="cannot begin again, since it has changed tensors"):
        step(-abs(X))


@pytest.mark.parametrize("outside", [4, 2**40, -(2**40)])
def test_an_index_out_of_range_is_refused_by_its_op(outside: int) -> None:
    weight = minigrad.tensor(np.ones((4, 2)), requires_grad=True)
    step = graphed(lambda ids: ops.embedding(ids, weight))
    for _ in range(3):
        step(np.array([0, 3]))

    with pytest.raises(IndexError, match=r"embedding: .* out of range"):
        step(np.array([0, outside]))
    assert step(np.array([0, 1])).tolist() == [[1.0, 1.0], [1.0, 1.0]]


# What a graph cannot repeat


def refused(step: Step, message: str) -> None:
    captured = graphed(step)
    for k in (1, 2):
        captured(X * k)
    with pytest.raises(CaptureError, match=message):
        captured(X * 3)
    assert captured.graph is None


def test_numbers_that_change_are_not_frozen_unseen() -> None:
    numbers = iter([1.0, 2.0, 3.0])
    refused(lambda x: x * next(numbers), "asarray came with one array")
    arrays = iter([X, X + 1, X + 2])
    refused(lambda x: x * next(arrays), "array came with one array")
    refused(lambda x: x * x.sum().item(), "item came with one array")
    refused(lambda x: ops.full((2,), float(x.sum())), "item came with one array")
    refused(
        lambda x: minigrad.tensor([next(iter(x.sum(1).tolist()))]), "tolist came with one array"
    )


def test_numpy_sees_no_array_that_it_is_not_told_of() -> None:
    """Methods and indices of plain arrays, and NumPy's numbers: found by what comes of them."""
    ones, ids = np.ones(2, np.float32), np.arange(6)
    refused(lambda x: x + ones.dot(x.numpy()), "array came with one array")
    refused(lambda x: x * np.float32(x.numpy()[0, 0]), "asarray came with one array")
    turns = iter([0, 1, 2])
    refused(lambda x: x * ids[np.array([next(turns)])], "array came with one array")
    refused(lambda x: x * minigrad.tensor(UNPATCHED(x.data, np.float64)), "with one array")


def test_a_table_is_seen_once_numpy_has_copied_it() -> None:
    """As CONTRIBUTING says: of indices NumPy tells neither by table[x] nor by np.take."""
    table = np.arange(6, dtype=np.float32)

    def at(x: minigrad.Tensor) -> Any:
        return np.asarray(x.numpy(), np.int64).reshape(-1)[:2]

    refused(lambda x: x * minigrad.tensor(table[at(x)]).sum(), "array came with one array")
    refused(lambda x: x * minigrad.tensor(np.take(table, at(x))).sum(), "array came with one array")
    step = graphed(lambda x: minigrad.tensor(np.array(table)[at(x)]))
    for k in range(5):
        assert step(np.array([k, 1.0], np.float32)).tolist() == [k, 1.0]
    assert step.graph is not None


def test_what_goes_past_numpy_is_refused() -> None:
    def written(write: Callable[[Any], object]) -> Step:
        def step(x: minigrad.Tensor) -> minigrad.Tensor:
            y = x.numpy() * 1
            write(y)
            return minigrad.Tensor(y)

        captured = graphed(step)
        captured(X)
        return captured

    rng = np.random.default_rng(0)
    for write in (
        lambda y: memoryview(y).__setitem__((0, 0), 1.0),
        lambda y: rng.random(out=y, dtype=np.float32),
    ):
        with pytest.raises((TypeError, ValueError), match=r"read-?only|writable"):
            written(write)(X)
    with pytest.raises(CaptureError, match=r"what goes through \.flat"):
        written(lambda y: y.flat)(X)
    with pytest.raises(CaptureError, match="takes a part at a computed place"):
        written(lambda y: y[:, y.argmax() % 2 :])(X)


def test_a_step_that_keeps_its_argument_is_no_graph() -> None:
    kept = [minigrad.tensor(X)]

    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        before, kept[0] = kept[0], x
        return x - before

    captured = graphed(step)
    for k in (1, 2):
        captured(X * k)
    with pytest.raises(CaptureError, match="read other tensors the second time"):
        captured(X * 3)


def test_arrays_of_before_the_step_are_not_written_to() -> None:
    total = np.zeros((2, 3), np.float32)

    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        np.add(total, x.numpy(), out=total)
        return x

    captured = graphed(step)
    captured(X)
    with pytest.raises(CaptureError, match="add writes to an array that was there before the step"):
        captured(X)


def test_other_calls_are_another_graph() -> None:
    turns = iter([0, 0, 1])
    refused(
        lambda x: ops.sum(x) if next(turns) else ops.exp(x),
        "came to exp the first time, and to sum the second: it has no one graph",
    )
    again = iter([1, 1, 2])
    refused(
        lambda x: sum([x] * next(again), x),
        "came to return the first time, and to add the second",
    )


def test_a_tensor_of_the_last_step_is_no_input() -> None:
    state = [minigrad.tensor(X)]

    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        state[0] = ops.tanh(state[0].detach() + x)
        return state[0]

    refused(step, "read other tensors the second time, such as one that it made the first time")


def test_gradients_that_add_up_are_no_graph() -> None:
    layer = nn.Linear(3, 2)
    step = graphed(lambda x: ops.sum(layer(x)).backward())
    step(X)
    with pytest.raises(CaptureError, match="has a gradient already: call zero_grad"):
        step(X)


def test_gradients_of_the_step_before_are_no_input() -> None:
    """They would be gone: a replay begins without those that the step makes."""
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x: minigrad.Tensor) -> None:
        optimizer.step()
        optimizer.zero_grad()
        layer(x).sum().backward()

    captured = graphed(step)
    captured(X)
    with pytest.raises(CaptureError, match="uses gradients of the one before"):
        captured(X)


def test_memory_that_tensors_share_is_not_written_to() -> None:
    w = minigrad.tensor(X)
    part, other = minigrad.Tensor(w.data[0]), minigrad.tensor(X)

    def written(x: minigrad.Tensor) -> minigrad.Tensor:
        sums, array = part + x, w.data
        array += 1
        return sums

    def given(x: minigrad.Tensor) -> minigrad.Tensor:
        other.data = w.data
        return other + x

    for step, message in (
        (written, "writes to a tensor that shares memory with another"),
        (given, "gets the memory of another"),
    ):
        captured = graphed(step)
        captured(X)
        with pytest.raises(CaptureError, match=message):
            captured(X)


def test_objects_are_not_kept() -> None:
    captured = graphed(lambda x: minigrad.tensor((x.data.astype(object) * 2).astype(np.float32)))
    captured(X)
    with pytest.raises(CaptureError, match="astype makes objects of numbers"):
        captured(X)


def test_a_graph_is_not_used_within_another() -> None:
    inner = graphed(ops.exp)
    for _ in range(3):
        inner(X)
    outer = graphed(lambda x: inner(x) + 1)
    outer(X)
    with pytest.raises(CaptureError, match="used while another is captured"):
        outer(X)


def test_a_step_returns_tensors() -> None:
    step = graphed(lambda x: (ops.exp(x), 3))
    step(X)
    with pytest.raises(TypeError, match="a step returns tensors, not int"):
        step(X)


def test_a_step_is_a_function() -> None:
    class Model:
        @graphed
        def step(self, x: minigrad.Tensor) -> minigrad.Tensor:
            return ops.exp(x)

    with pytest.raises(TypeError, match="a step is a function, not int"):
        graphed(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"step is a method: .* graphed\(it.step\)"):
        Model().step(X)


def test_an_error_in_a_step_ends_its_capture() -> None:
    fails = [False]

    def step(x: minigrad.Tensor) -> minigrad.Tensor:
        y = ops.exp(x)
        if fails[0]:
            raise KeyError
        return y

    captured = graphed(step)
    captured(X)
    fails[0] = True
    with pytest.raises(KeyError):
        captured(X)
    fails[0] = False
    for _ in range(4):
        assert captured(X).tolist() == np.exp(X).tolist()


# Beside it


def test_other_threads_go_on_while_a_graph_is_captured() -> None:
    found: list[Any] = []
    x = minigrad.tensor(X, requires_grad=True)

    def elsewhere() -> None:
        loss = ops.square(x).sum() + np.zeros(1, np.float32)
        loss.backward()
        found.extend([type(loss.data), type(np.empty(2)), x.grad])
        x.grad = None

    def step(y: minigrad.Tensor) -> minigrad.Tensor:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return ops.exp(y)

    captured = graphed(step)
    for k in range(5):
        assert captured(X * k).tolist() == np.exp(X * k).tolist()
    assert [each.tolist() for each in found[2::3]] == [(2 * X).tolist()] * 3
    assert {*found[::3], *found[1::3]} == {np.ndarray}


def test_every_method_of_an_array_is_kept_or_looks_at_no_numbers() -> None:
    """Attributes are views, or tell of shape and memory, which stay."""
    views = {"T", "mT", "real", "imag", "base"}
    forms = {"dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides", "device"}
    memory = {"ctypes", "data", "flat", "__array_interface__", "__array_struct__"}
    notes = {"__doc__", "__array_priority__", "__hash__"}
    attributes = {name for name in dir(np.ndarray) if not callable(getattr(np.ndarray, name))}

    assert attributes == views | forms | memory | notes
    own = {"__array_finalize__", "__array_ufunc__", "__array_function__"}
    kept = {name for name, member in vars(capture.Traced).items() if callable(member)} - own
    assert {name for name in dir(np.ndarray) if not name.startswith("__")} - attributes <= kept
    assert {"__getitem__", "__setitem__", "__bool__", "__float__", "__array__"} <= kept
    assert kept & capture.NATIVE == {f"__i{name}__" for name in capture.OPERATORS} - {"__idivmod__"}


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(graph).attempted > 0
    assert doctest.testmod(graph).failed == 0
