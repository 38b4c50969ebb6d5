"""Random graphs: the engines are right on them, and a wrong engine is found out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import minigrad
from parity import engines, fuzz
from parity.cli import main
from parity.fuzz.arguments import ROWS
from parity.fuzz.graph import Graph, Step, Value
from parity.fuzz.hunting import graphs
from parity.fuzz.judging import judge, wanted
from parity.report.work import hunted
from parity.spec import BY_NAME
from parity.spec.case import Case, Op, randn

OPS = [name for name in BY_NAME if name not in fuzz.UNDRAWN]
few = settings(max_examples=20, database=None, deadline=None, derandomize=True)


@pytest.mark.parametrize("name", [name for name in engines.names() if name not in engines.RIVALS])
def test_engines_are_right_on_random_graphs(name: str) -> None:
    engine = engines.load(name)

    found = fuzz.hunt(engine, OPS, seeds=range(6))

    assert found.failure is None, found.failure.program()
    assert found.graphs >= 200
    assert len(found.ops) > len(OPS) / 3


@pytest.mark.parametrize("op", OPS)
def test_graphs_of_every_op_are_drawn(op: str) -> None:
    drawn: list[Graph] = []

    few(given(graphs([op]))(lambda graph: drawn.append(graph)))()

    assert all(isinstance(graph.output.step, Step) for graph in drawn)
    assert len({repr(graph.output.array) for graph in drawn}) > 1


def test_what_is_not_drawn_says_why_and_rows_are_of_ops() -> None:
    assert set(fuzz.UNDRAWN) | set(ROWS) <= set(BY_NAME)
    assert all(fuzz.UNDRAWN.values())
    assert not set(fuzz.UNDRAWN) & set(ROWS)


right = {name: inspect.unwrap(getattr(minigrad.ops, name)) for name in minigrad.ops.__all__}


@minigrad.op
def softmax(x: Any, dim: Any) -> Any:
    """Has a gradient of zero, as a cotangent of ones would have it."""
    value, _ = right["softmax"](x, dim)
    return value, lambda dout: np.zeros_like(dout)


@minigrad.op
def sum(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Repeats its gradient in the order of memory, but for keepdim."""
    value, pullback = right["sum"](x, dim, keepdim)
    return value, pullback if keepdim else lambda dout: np.resize(dout, x.shape)


@minigrad.op
def relu(x: Any) -> Any:
    """Is a little off, in float64 only."""
    value, pullback = right["relu"](x)
    return value, lambda dout: pullback(dout) * dout.dtype.type(1 + 1e-12)


@minigrad.op
def transpose(x: Any, dim0: int, dim1: int) -> Any:
    """Cannot carry back what is 3-d."""
    value, pullback = right["transpose"](x, dim0, dim1)
    return value, pullback if x.ndim < 3 else None


@minigrad.op
def exp(x: Any) -> Any:
    """Returns float64 whatever the dtype of x."""
    value, pullback = right["exp"](x)
    return value.astype(np.float64), lambda dout: pullback(dout).astype(x.dtype)


@pytest.mark.parametrize("wrong", [softmax, sum, relu, transpose, exp], ids=lambda op: op.__name__)
def test_a_fault_is_found_and_shrunk_to_its_op(
    wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = wrong.__name__
    ops = ["mul", "exp", "reshape", "getitem", "matmul", "sum", "softmax", "relu", "transpose"]
    monkeypatch.setattr(minigrad.ops, name, wrong)
    failures = [fuzz.hunt(engines.load("minigrad"), ops, range(50)).failure for _ in range(2)]

    first, again = failures
    assert first is not None, wrong.__doc__
    assert again is not None
    assert [node.op for node in first.graph.nodes if isinstance(node, Step)] == [name]
    assert first.program() == again.program()
    with pytest.raises((AssertionError, RuntimeError)):
        run(first.program())
    monkeypatch.undo()
    run(first.program())


def test_graphs_are_counted_up_to_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, failed = engines.load("minigrad"), []

    def watched(*judged: Any) -> Any:
        failed.append(judge(*judged))
        return failed[-1]

    monkeypatch.setattr(minigrad.ops, "softmax", softmax)
    monkeypatch.setattr(fuzz.hunting, "judge", watched)
    found = fuzz.hunt(engine, ["mul", "exp", "matmul", "softmax"], range(50))

    first = next(i for i, failure in enumerate(failed) if failure)
    assert found.graphs == first // len(engine.dtypes)
    assert failed[first:].count(None) >= len(engine.dtypes), "none was right after the first wrong"


def test_a_report_repeats_its_graphs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minigrad.ops, "softmax", softmax)
    found = hunted("minigrad", ["zeros", "softmax", "exp"], 1)

    assert found["reproduce"] == "parity fuzz --engine minigrad --op softmax,exp"
    assert main(found["reproduce"].split()[1:]) == 1
    assert found["program"] in capsys.readouterr().out
    assert hunted("minigrad", (), 0)["reproduce"] == "parity fuzz --engine minigrad"


def run(program: str) -> None:
    exec(compile(program, "program", "exec"), {"__name__": "program"})


@few
@given(graphs(OPS))
def test_a_program_does_what_its_graph_does(graph: Graph) -> None:
    torch = engines.load("torch")
    for i, want in enumerate(graph.run(torch, "float64")):
        scope: dict[str, Any] = {}
        code = graph.program("torch", "float64", i, 0.0)
        exec(compile(code, "program", "exec"), scope)
        np.testing.assert_array_equal(scope["got"] if scope["got"] is not None else 0 * want, want)


def leaf(*numbers: float) -> Value:
    return Value(np.array(numbers), live=True)


def chain(x: Value, *ops: str) -> Graph:
    for op in ops:
        x = Value(x.array, True, Step(op, (x,), {}))
    return Graph(x, np.array([0.5, -1.25]))


def test_what_rounding_decides_is_not_judged() -> None:
    """Whether log(exp(x)) is just below a whole number or not: floor makes that a whole one."""
    output, gradient = wanted(chain(leaf(1.0, 2.0), "exp", "log", "floor"))

    assert output is None
    assert gradient is not None
    assert not gradient.array.any()


@pytest.mark.filterwarnings("error")
def test_what_is_infinite_is_not_judged() -> None:
    """exp(exp(exp(3))) is beyond float64: no distance from it says anything."""
    assert wanted(chain(leaf(0.5, 3.0), "exp", "exp", "exp")) == [None, None]


def test_the_more_an_op_loses_the_more_it_may_be_off() -> None:
    """Of 1 - tanh(x)**2 few digits are left where tanh(x) is near 1."""
    errors = []
    for x in (0.5, 3.0):
        _, gradient = wanted(chain(leaf(x, x / 2), "tanh"))
        assert gradient is not None
        errors.append(gradient.error / np.abs(gradient.array).max())

    assert errors[0] < errors[1] / 2


def test_a_wrong_dtype_is_wrong(altered: Callable[..., Any]) -> None:
    torch = engines.load("torch")
    engine = altered(numpy=lambda tensor: torch.numpy(tensor).astype(np.float32))

    failure = judge(chain(leaf(0.5, 2.0), "exp"), engine, "float64")

    assert failure is not None
    assert failure.complaint == "the output is float32 (2,), should be float64 (2,)"


def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--engine", "torch", "--op", "exp,softmax", "--seconds", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("✓ torch: right on ")
    assert printed.out.endswith(" graphs of 2 ops\n")
    assert printed.err == "torch: random graphs for 1 s\n"


def test_the_command_prints_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minigrad.ops, "softmax", softmax)

    assert (
        main(["fuzz", "--engine", "minigrad", "--op", "softmax", "--seconds", "5", "--seed", "3"])
        == 1
    )
    printed = capsys.readouterr().out
    assert printed.startswith("✗ minigrad: right on ")
    assert "# minigrad is not torch in float64: the gradient of leaf 1 is off by " in printed
    assert "ops.softmax(a, 0)" in printed


def test_a_case_that_torch_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = Op("softmax", torch.softmax, Case(randn(2, 3), dim=1), Case(randn(2, 3), dim=5))
    monkeypatch.setitem(BY_NAME, "softmax", refused)

    assert main(["fuzz", "--engine", "minigrad", "--op", "exp,softmax", "--seconds", "1"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("parity: softmax[1]: invalid case: torch gives no answer: Dimension")
    assert printed.count("\n") == 1


def test_a_report_hunts_without_ops_that_torch_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_NAME, "softmax", Op("softmax", torch.softmax, Case(randn(2), dim=5)))
    found = hunted("minigrad", ["softmax", "exp"], 1)

    assert (found["status"], found["graphs"], found["ops"]) == ("passed", fuzz.hunting.BATCH, 1)
    assert found["reproduce"] == "parity fuzz --engine minigrad --op exp"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("fuzz --op sofmax", "no op 'sofmax'; did you mean softmax"),
        ("fuzz --op zeros", "no random graph has zeros: it takes no tensor"),
        ("fuzz --seconds 0", "Invalid value for '--seconds'"),
    ],
)
def test_bad_usage_is_one_sentence(
    command: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"parity: {sentence}")
    assert printed.count("\n") == 1
