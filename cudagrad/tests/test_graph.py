"""A captured step does what the step does, bit for bit; what it cannot repeat is an error."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graph_steps
import numpy as np
import pytest

import cudagrad
from cudagrad import arrays, device, graph, launches, nn, ops, optim
from cudagrad.graph import CaptureError, CUDAGraph, graphed
from cudagrad.kernels import map as kernels

Step = Callable[..., Any]
X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]], np.float32)


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    yield
    assert launches.recorder.get() is None


@pytest.mark.launches
def test_a_gpt_trains_to_the_same_bits() -> None:
    assert graph_steps.train(as_graph=True) == graph_steps.train(as_graph=False)


@pytest.mark.skipif(device.EXECUTOR != "emulator", reason="compares with the emulator")
def test_the_same_on_a_made_up_gpu() -> None:
    """Through the executor for GPUs: parameters, kernels, nodes of a graph, their updates."""
    code = """
import made_up_gpu
made_up_gpu.install()
import graph_steps
from cudagrad import device
assert device.EXECUTOR == "gpu", device.describe()
graphs = graph_steps.train(as_graph=True)
assert graphs == graph_steps.train(as_graph=False)
calls = made_up_gpu.DRIVER.calls
print(calls.count("cuGraphLaunch"), calls.count("cuGraphExecKernelNodeSetParams") > 0)
print(graphs["losses"])
"""
    paths = [str(Path(__file__).parent), *sys.path]
    environment = {"CUDAGRAD_BLOCK": str(device.BLOCK), "CUDAGRAD_TILE": str(device.TILE)}
    environment |= {"CUDAGRAD_DEVICE": "gpu", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )

    assert not done.returncode, done.stderr
    replays, losses = done.stdout.splitlines()
    assert replays == f"{graph_steps.STEPS - 1} True"
    assert losses == str(graph_steps.train(as_graph=False)["losses"])


def test_a_graph_captures_without_running() -> None:
    x = cudagrad.tensor(X)
    ops.exp(x)
    captured = CUDAGraph()
    with graph.graph(captured), device.counting() as counts:
        y = ops.exp(ops.exp(x))
    assert counts.launches == 0
    captured.replay()
    np.testing.assert_allclose(y.numpy(), np.exp(np.exp(X)), rtol=1e-6)

    device.write(np.zeros_like(X), x.data)
    captured.replay()
    np.testing.assert_allclose(y.numpy(), np.full_like(X, np.e), rtol=1e-6)


def test_other_threads_go_on_while_a_graph_is_captured() -> None:
    """Their launches are made, and their memory is not what replays write."""
    x, cuda_graph = cudagrad.tensor(X), CUDAGraph()
    found: list[Any] = []

    def elsewhere() -> None:
        z = x * 3
        found.extend([z, z.numpy()])

    with graph.graph(cuda_graph):
        y = x * 2
        del y  # now its memory is free, but for the graph alone
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        y = x * 5
    cuda_graph.replay()

    z, at_once = found
    np.testing.assert_array_equal(at_once, 3 * X)
    np.testing.assert_array_equal(z.numpy(), 3 * X)
    np.testing.assert_array_equal(y.numpy(), 5 * X)


def test_a_capture_ends_where_it_began() -> None:
    cuda_graph = CUDAGraph()
    cuda_graph.capture_begin()
    cuda_graph.capture_end()
    with pytest.raises(CaptureError, match="ends once"):
        cuda_graph.capture_end()


def test_replays_are_counted() -> None:
    step = graphed(lambda x: ops.add(ops.exp(x), 1.0))
    for _ in range(2):
        step(X)
    with device.counting() as counts:
        step(cudagrad.tensor(X))

    assert (counts.replays, counts.launches) == (1, 3)  # a copy of the input, exp and add
    assert counts.bytes == (2 + 2 + 2) * X.nbytes + 4


@pytest.mark.usefixtures("collector_off")
def test_memory_is_used_again_within_a_graph_and_by_nobody_else() -> None:
    x = cudagrad.tensor(np.zeros((64, 64), np.float32))

    def deep() -> cudagrad.Tensor:
        y = x
        for _ in range(20):
            y = ops.exp(y)
        return y

    deep()
    captured = CUDAGraph()
    before = cudagrad.memory_allocated()
    with graph.graph(captured):
        y = deep()
    places = {
        device.executor.address(args[-1])
        for launcher, args in captured.launched
        if launcher.kernel.__module__.endswith("map")
    }
    assert len(places) == 2  # of 20 results, two are needed at any time
    assert cudagrad.memory_allocated() == before + 64 * 64 * 4
    others = [device.empty((64, 64), np.float32) for _ in range(10)]
    assert not places & set(map(device.executor.address, others))

    del captured
    again = [device.empty((64, 64), np.float32) for _ in range(10)]
    assert places & set(map(device.executor.address, again))  # that of y stays
    assert device.executor.address(y.data) not in map(device.executor.address, again)


def test_the_memory_of_graphs_does_not_add_up() -> None:
    x = cudagrad.tensor(np.zeros((64, 64), np.float32))
    reserved = []
    for _ in range(6):
        step = graphed(lambda y: ops.exp(ops.exp(y)).sum())
        for _ in range(3):
            y = step(x)
        del step, y  # the result goes after its graph, or before
        reserved.append(cudagrad.memory_reserved())

    assert len(set(reserved[1:])) == 1


def test_a_capture_ends_with_its_graph() -> None:
    for leave in (CUDAGraph.reset, id):  # with id, which does nothing, it is only dropped
        cuda_graph = CUDAGraph()
        cuda_graph.capture_begin()
        ops.zeros((2,))
        leave(cuda_graph)
        del cuda_graph

        assert (ops.zeros((2,)) + 1).numpy().tolist() == [1, 1]


def test_a_graph_dropped_in_another_thread_is_told_to_the_one_that_captures() -> None:
    held = [CUDAGraph()]
    held[0].capture_begin()
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()

    with pytest.raises(CaptureError, match=r"has not run and never will; .* launches run again"):
        ops.zeros((2,))
    assert (ops.zeros((2,)) + 1).numpy().tolist() == [1, 1]


def test_another_capture_may_begin_after_one_that_was_dropped_elsewhere() -> None:
    held = [CUDAGraph()]
    held[0].capture_begin()
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    captured = CUDAGraph()
    with graph.graph(captured):
        y = ops.zeros((2,)) + 1
    captured.replay()

    assert y.numpy().tolist() == [1, 1]


def test_inputs_stay_what_they_were_captured_for() -> None:
    step = graphed(ops.exp)
    for _ in range(2):
        step(X)

    with pytest.raises(ValueError, match=r"captured for \(2, 3\) float32, not for \(3, 2\) float"):
        step(X.T)
    with pytest.raises(ValueError, match=r"not for \(2, 3\) float64"):
        step(X.astype(np.float64))
    with pytest.raises(TypeError, match="takes arrays and tensors, not float"):
        step(1.0)
    with pytest.raises(ValueError, match="no gradient reaches an argument"):
        step(cudagrad.tensor(X, requires_grad=True))
    with pytest.raises(ValueError, match="warmup must be at least 1"):
        graphed(ops.exp, warmup=0)
    with pytest.raises(TypeError, match="warmup must be an int, not float"):
        graphed(ops.exp, warmup=1.5)


def test_results_are_overwritten() -> None:
    step = graphed(ops.exp)
    step(X)
    first = step(X)
    second = step(np.zeros_like(X))

    assert first is second
    assert (first.numpy() == 1).all()


def test_batch_norm_goes_on_in_place() -> None:
    eager, captured = (nn.BatchNorm1d(3) for _ in range(2))
    step = graphed(captured)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x = rng.normal(size=(5, 3)).astype(np.float32)
        assert step(x).tolist() == eager(cudagrad.tensor(x)).tolist()
    own, other = captured.state_dict(), eager.state_dict()

    assert own["num_batches_tracked"] == 4
    assert all((own[name] == other[name]).all() for name in other)


@pytest.mark.parametrize("within", [False, True], ids=["between steps", "by the step"])
@pytest.mark.parametrize("what", ["mode", "bias"])
def test_no_graph_takes_another_mode_or_frozen_parameters_for_its_own(
    what: str, within: bool
) -> None:
    layer, dropout = nn.Linear(3, 2), nn.Dropout(0.5)

    def change(on: bool) -> None:
        if what == "mode":
            dropout.train(on)
        else:
            layer.bias.requires_grad_(on)

    def step(x: cudagrad.Tensor) -> cudagrad.Tensor:
        if within:
            change(False)
        layer.zero_grad()
        out = dropout(layer(x))
        out.sum().backward()
        if within:
            change(True)
        return out

    take = graphed(step)
    for _ in range(3):
        take(X)
    assert (layer.bias.grad is None) == (within and what == "bias")
    if within:
        return
    change(False)
    thing, name = ("Dropout", "training") if what == "mode" else ("a tensor of shape (2,)", "grad")
    with pytest.raises(CaptureError, match=rf"^{re.escape(thing)} had \w*{name}=True when"):
        take(X)
    change(True)
    take(X)


def test_a_graph_keeps_the_precision_of_its_capture() -> None:
    take = graphed(nn.Linear(3, 2))
    for _ in range(3):
        take(X)
    with cudagrad.autocast(), pytest.raises(CaptureError, match=r"^autocast was False when"):
        take(X)
    cudagrad.set_float32_matmul_precision("high")
    try:
        with pytest.raises(CaptureError, match=r"_precision was highest when .* and is high now"):
            take(X)
    finally:
        cudagrad.set_float32_matmul_precision("highest")
    take(X)


@pytest.mark.parametrize("by", ["the first step of an optimizer", "to"])
def test_a_graph_of_arrays_that_others_have_replaced_is_refused(by: str) -> None:
    layer = nn.Linear(3, 2)
    take = graphed(layer)
    for _ in range(3):
        take(X)
    if by == "to":
        layer.to(np.float64)
    else:
        ops.sum(layer(cudagrad.tensor(X))).backward()
        optim.SGD(layer.parameters(), lr=1.0).step()

    with pytest.raises(CaptureError, match=r"^a tensor of shape \(2, 3\) has another array than"):
        take(X)


def test_weights_that_are_loaded_or_drawn_anew_are_those_of_the_next_replay() -> None:
    layer = nn.Linear(3, 2)
    step = graphed(layer)
    for _ in range(2):
        step(X)
    places = [device.executor.address(p.data) for p in layer.parameters()]
    layer.load_state_dict({"weight": np.full((2, 3), 2.0), "bias": np.array([1, -1])})
    assert step(X).tolist() == [[4.0, 2.0], [3.5, 1.5]]

    for change in (
        lambda: nn.init.ones_(layer.weight),
        lambda: nn.init.uniform_(layer.weight, -1, 1),
        lambda: nn.init.normal_(layer.bias),
    ):
        change()
        assert step(X).tolist() == layer(cudagrad.tensor(X)).tolist()
    assert places == [device.executor.address(p.data) for p in layer.parameters()]


@pytest.mark.parametrize("size", [1, 2], ids=["alone", "packed"])
@pytest.mark.parametrize(
    "make",
    [
        lambda parameters: optim.SGD(parameters, 0.1, momentum=0.9),
        lambda parameters: optim.AdamW(parameters, 0.1, amsgrad=True),
    ],
    ids=["SGD", "AdamW"],
)
def test_a_replay_goes_on_from_the_optimizer_that_was_loaded(make: Any, size: int) -> None:
    """As a step without a graph does, from numbers of another run, and of more steps."""

    def run(as_graph: bool) -> list[Any]:
        cudagrad.manual_seed(0)
        layer = nn.Linear(3, 2, bias=size == 2)
        optimizer = make(layer.parameters())

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ops.sum(ops.square(layer(x)))
            loss.backward()
            optimizer.step()
            return loss

        call = graphed(step) if as_graph else step
        found = [call(cudagrad.tensor(X)).item() for _ in range(4)]
        saved = layer.state_dict(), optimizer.state_dict()
        found += [call(cudagrad.tensor(X)).item() for _ in range(3)]
        layer.load_state_dict(saved[0])
        optimizer.load_state_dict(saved[1])
        again = [call(cudagrad.tensor(X)).item() for _ in range(3)]
        assert again == found[4:]
        return [found, optimizer.state_dict()["state"][0]]

    (eager, own), (replayed, other) = run(as_graph=False), run(as_graph=True)

    assert replayed == eager
    assert own.keys() == other.keys()
    assert all(np.array_equal(own[name], other[name]) for name in own)


def test_no_gradient_goes_by_weights_that_have_been_written_over() -> None:
    layer = nn.Linear(3, 2)
    for change in (
        lambda: layer.load_state_dict(layer.state_dict()),
        lambda: nn.init.ones_(layer.weight),
    ):
        loss = ops.sum(layer(cudagrad.tensor(X)))
        change()
        with pytest.raises(RuntimeError, match=r"linear.*overwritten"):
            loss.backward()


PICKS: dict[str, Callable[[Any, Any], Any]] = {
    "getitem": lambda x, ids: x[ids],
    "index_select": lambda x, ids: ops.index_select(x, 0, ids),
    "gather": lambda x, ids: ops.gather(x, 0, ops.reshape(ids, (2, 1))),
    "take_along_dim": lambda x, ids: ops.take_along_dim(x, ops.reshape(ids, (2, 1)), 0),
    "scatter": lambda x, ids: ops.scatter(x, 0, ops.reshape(ids, (2, 1)), x[:2, :1]),
    "scatter_add": lambda x, ids: ops.scatter_add(x, 0, ops.reshape(ids, (2, 1)), x[:2, :1]),
    "embedding": lambda x, ids: ops.embedding(ids, x),
    "nll_loss": lambda x, ids: ops.nll_loss(ops.t(x)[:2], ids),
    "cross_entropy": lambda x, ids: ops.cross_entropy(ops.t(x)[:2], ids),
}


@pytest.mark.parametrize("name", PICKS)
def test_an_index_out_of_range_is_refused_after_the_replay(name: str) -> None:
    """By the op, whose kernels have read and written nothing outside, there and back."""
    x = cudagrad.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)

    def step(ids: Any) -> Any:
        x.grad = None
        y = PICKS[name](x, ids)
        ops.sum(ops.square(y)).backward()
        return y

    replayed = graphed(step)
    for ids in ([0, 3], [1, 2], [3, 0]):
        got = replayed(np.array(ids)).tolist()
        assert got == PICKS[name](x, cudagrad.tensor(ids)).tolist()

    for outside in (4, 2**40, -(2**40)):
        with pytest.raises(IndexError, match=f"{name}: .* out of range"):
            replayed(np.array([0, outside]))
    assert replayed(np.array([3, 0])).tolist() == got


def test_what_an_op_refuses_is_refused_after_the_replay() -> None:
    step = graphed(lambda x, y: ops.binary_cross_entropy(x, ops.mul(y, 1.0)))
    good = np.full((2, 2), 0.5, np.float32)
    for _ in range(3):
        step(good, good)

    with pytest.raises(ValueError, match="binary_cross_entropy: a probability lies in"):
        step(good, good + 1)
    step(good, good)


def test_a_late_number_is_the_same_wherever_it_is_passed() -> None:
    """As dropout's is that a backward pass draws again, in a tuple with other numbers."""

    @device.jit
    def put(x, numbers):
        x[0] = numbers[0] + numbers[1]

    turns = iter(range(1, 100))

    def step() -> None:
        number = device.late(lambda: next(turns))
        for x in (first, second):
            put[1, 1](x, (number, 10))

    first, second = (device.empty((1,), np.int64) for _ in range(2))
    step()
    captured = CUDAGraph()
    with graph.graph(captured):
        step()
    for expected in (12, 13, 14):
        captured.replay()
        assert [device.to_host(x)[0] for x in (first, second)] == [expected] * 2


def test_a_kernel_is_given_arrays_in_a_tuple() -> None:
    @device.jit
    def add(pair, out):
        i = device.cuda.grid(1)
        if i < out.size:
            out[i] = pair[0][i] + pair[1][i]

    def step(x: cudagrad.Tensor) -> cudagrad.Tensor:
        out = ops.zeros(3)
        add[1, 4]((ops.exp(x).data, x.data), out.data)
        return out

    captured = graphed(step)
    for x in X[0], X[1], -X[0]:
        assert captured(x).tolist() == step(cudagrad.tensor(x)).tolist()

    kept = cudagrad.tensor(X[0])

    def goes_on(x: cudagrad.Tensor) -> None:
        out = ops.zeros(3)
        add[1, 4]((kept.data, x.data), out.data)
        kept.data = out.data

    refused(goes_on, r"goes on from an array that it made the last time \(add takes it", X[0])


# What a graph cannot repeat


def refused(step: Step, message: str, *inputs: Any) -> None:
    captured = graphed(step)
    captured(*(inputs or (X,)))
    with pytest.raises(CaptureError, match=message):
        captured(*(inputs or (X,)))
    assert captured.graph is None


def test_no_number_comes_to_the_host() -> None:
    refused(lambda x: ops.mul(x, ops.sum(x).item()), "a copy from the device to the host within")


def test_no_array_comes_from_the_host() -> None:
    refused(lambda x: ops.add(x, cudagrad.tensor(X)), "a copy to the device within the step")


def test_numbers_that_change_are_not_frozen_unseen() -> None:
    new = iter([1.0, 2.0625, 3.0625])
    refused(lambda x: ops.mul(x, next(new)), "fill was launched with 2.0625, and then with 3.0625")
    for number in (1.0, 2.0, 3.0):
        ops.mul(cudagrad.tensor(X), number)  # from now on they are on the device
    known = iter([1.0, 2.0, 3.0])
    refused(lambda x: ops.mul(x, next(known)), "with one array, or number, and then another")

    @device.jit
    def scale(x, by):
        i = device.cuda.grid(1)
        if i < x.size:
            x[i] *= by

    factors = iter([1.0, 2.0, 3.0])

    def scaled(x: cudagrad.Tensor) -> cudagrad.Tensor:
        y = ops.mul(x, 1.0)
        arrays.launch(scale, y.data.size, arrays.flat(y.data), np.float32(next(factors)))
        return y

    refused(scaled, r"scale was launched with 2\.0, and then with 3\.0: a graph would")


def test_nan_is_the_same_number_each_time() -> None:
    step = graphed(lambda x: ops.full((3,), float("nan")) * x)
    for _ in range(3):
        assert np.isnan(step(X).numpy()).all()
    assert step.graph is not None


def test_a_number_first_met_in_a_graph_is_the_graphs() -> None:
    number, captured = 7.03125, CUDAGraph()
    x = cudagrad.tensor(X)
    with graph.graph(captured):
        inside = ops.mul(x, number)
    assert ops.mul(x, number).tolist() == (X * number).tolist()

    captured.replay()
    assert inside.tolist() == (X * number).tolist()


def test_other_kernels_are_another_graph() -> None:
    turns = iter([0, 0, 1])
    refused(
        lambda x: ops.sum(x) if next(turns) else ops.exp(x),
        "launched other kernels the second time",
    )
    again = iter([0, 0, 1])
    refused(  # by kernels of one name, of one factory
        lambda x: ops.sin(x) if next(again) else ops.exp(x),
        "launched other kernels the second time",
    )


def test_gradients_that_add_up_are_no_graph() -> None:
    layer = nn.Linear(3, 2)

    def step(x: cudagrad.Tensor) -> None:
        ops.sum(layer(x)).backward()

    refused(step, r"goes on from an array that it made the last time \(map2_kernel")


def test_parameters_that_are_replaced_are_no_graph() -> None:
    w = cudagrad.tensor(np.ones(3, np.float32), requires_grad=True)

    def step(x: cudagrad.Tensor) -> None:
        w.grad = None
        ops.sum(ops.mul(x, w)).backward()
        assert w.grad is not None
        w.data = ops.sub(w.detach(), w.grad).data

    refused(step, "goes on from an array that it made the last time")


def test_a_step_returns_tensors() -> None:
    step = graphed(lambda x: (ops.exp(x), 3))
    step(X)
    with pytest.raises(TypeError, match="a step returns tensors, not int"):
        step(X)


def test_a_step_is_a_function() -> None:
    class Model:
        @graphed
        def step(self, x: cudagrad.Tensor) -> cudagrad.Tensor:
            return ops.exp(x)

    with pytest.raises(TypeError, match="a step is a function, not int"):
        graphed(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"step is a method: .* graphed\(it.step\)"):
        Model().step(X)
    with pytest.raises(TypeError, match="expected a CUDAGraph, not int"), graph.graph(3):  # type: ignore[arg-type]
        pass


def test_an_optimizer_needs_its_state_first() -> None:
    layer = nn.Linear(3, 2)
    optimizer = optim.Adam(layer.parameters())
    ops.sum(layer(cudagrad.tensor(X))).backward()

    with (
        pytest.raises(CaptureError, match="take the step once without a graph"),
        graph.graph(CUDAGraph()),
    ):
        optimizer.step()


def test_live_parts_launch_the_same_on_the_same_arrays() -> None:
    first, second = (device.empty((3,), np.float32) for _ in range(2))
    filled = [first, second]

    @device.live
    def part() -> None:
        for x in filled:
            arrays.launch(kernels.fill, 3, x, np.float32(1))

    captured = CUDAGraph()
    with graph.graph(captured):
        part()
    captured.replay()
    filled.reverse()
    with pytest.raises(CaptureError, match="fill is launched with another array"):
        captured.replay()
    filled.pop()
    with pytest.raises(
        CaptureError, match="launched fill, fill when it was captured, and now fill:"
    ):
        captured.replay()
    filled[:] = [first, second]
    captured.replay()


def test_a_live_part_of_a_live_part_is_called_once_for_each_replay() -> None:
    out, turns = device.empty((1,), np.float32), iter(range(1, 9))

    @device.live
    def inner() -> None:
        arrays.launch(kernels.fill, 1, out, np.float32(next(turns)))

    @device.live
    def outer() -> None:
        inner()

    captured = CUDAGraph()
    with graph.graph(captured):
        outer()
    for expected in (1, 2, 3):
        captured.replay()
        assert device.to_host(out).tolist() == [expected]


def test_an_optimizer_without_gradients_is_seen() -> None:
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    @graphed
    def step(x: cudagrad.Tensor) -> None:
        optimizer.zero_grad()
        ops.sum(layer(x)).backward()
        optimizer.step()

    for _ in range(3):
        step(X)
    optimizer.zero_grad()
    with pytest.raises(CaptureError, match="when it was captured, and now nothing"):
        step(X)


def test_a_live_part_may_only_launch() -> None:
    out = device.empty((3,), np.float32)
    act: list[Callable[[], Any]] = [lambda: None]

    @device.live
    def part() -> None:
        arrays.launch(kernels.fill, 3, out, np.float32(1))
        act[0]()

    part()
    captured = CUDAGraph()
    with graph.graph(captured):
        part()
    captured.replay()
    for action, message in (
        (lambda: device.empty((3,), np.float32), "memory is allocated in a live part"),
        (lambda: device.to_host(out), "a copy from the device in a live part"),
        (lambda: arrays.refuse(out, ValueError), "memory is allocated"),
    ):
        act[0] = action
        with pytest.raises(CaptureError, match=message):
            captured.replay()
    act[0] = lambda: None
    captured.replay()
    assert device.to_host(out).tolist() == [1, 1, 1]


def test_graphs_do_not_nest() -> None:
    outer, inner = CUDAGraph(), CUDAGraph()
    with (
        pytest.raises(CaptureError, match="within another"),
        graph.graph(outer),
        graph.graph(inner),
    ):
        pass
    with graph.graph(inner):
        pass
    with pytest.raises(CaptureError, match="while one is captured"), graph.graph(outer):
        inner.replay()


def test_a_graph_must_be_captured() -> None:
    with pytest.raises(RuntimeError, match="must be captured before"):
        CUDAGraph().replay()


def test_an_error_within_ends_the_capture() -> None:
    captured = CUDAGraph()
    with pytest.raises(ZeroDivisionError), graph.graph(captured):
        ops.exp(cudagrad.tensor(X)) if False else 1 / 0
    ops.exp(cudagrad.tensor(X))
    with pytest.raises(RuntimeError, match="must be captured"):
        captured.replay()


def test_the_docs_example() -> None:
    results = doctest.testmod(graph)

    assert results.attempted
    assert not results.failed
