"""Mutants are made, planted, killed and counted as promised."""

from __future__ import annotations

import ast
import dataclasses
import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

import cudagrad
import micrograd
import minigrad
from minigrad.rows import blocks
from parity import checks, engines, mutants
from parity.cli import main
from parity.mutants import conventions, judging, scoring
from parity.mutants.equivalents import EQUIVALENTS, Equivalent
from parity.mutants.gradients import functions, gradients, modules, parse
from parity.mutants.judging import Verdict
from parity.mutants.mutate import Mutant, Mutator
from parity.mutants.mutate import mutants as every_mutant
from parity.report import mutation
from parity.spec import BY_NAME

MINIGRAD = engines.load("minigrad")
SOFTMAX = [mutant for mutant in every_mutant(minigrad) if mutant.function == "softmax"]


@contextmanager
def quietly(title: str, total: int) -> Iterator[Callable[[], object]]:
    yield lambda: None


def of_source(code: str) -> list[Mutant]:
    tree = parse(textwrap.dedent(code))
    found = gradients([tree])
    mutator = Mutator("toy", tree, found)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [mutant for function in functions for mutant in mutator.mutants(function)]


def test_what_only_gradients_depend_on_is_mutated() -> None:
    found = of_source("""
        def op(x, shape):
            twice = 2 * x
            slope, power = 3 + x, x ** 5
            def pullback(dout):
                return helper(dout * slope + power, shape)
            return shared(twice), pullback
        def helper(dx, shape):
            return shared(dx[7])
        def shared(x):
            return x + 11
    """)

    assert {mutant.original for mutant in found} == {
        "slope, power = (3 + x, x ** 5)",
        "return helper(dout * slope + power, shape)",
        "return shared(dx[7])",
    }
    assert {mutant.within for mutant in found} == {"op", "op.<locals>.pullback", "helper"}


@pytest.mark.parametrize(
    "code",
    [
        "lambda grad: 2 * grad",
        "(lambda dout: dout, lambda grad: grad)",
        "back",
        "(None, back)",
    ],
)
def test_a_pullback_by_another_name_is_refused(code: str) -> None:
    """Or else its gradients would go without mutants, and nobody would notice."""
    ending = "returns a pullback that does not take dout: (lambda|def back)"

    with pytest.raises(mutants.NothingToJudgeError, match=f"^mish {ending}"):
        of_source(f"""
            @op(casts=True)
            def mish(x):
                def back(gradient):
                    return gradient
                return x, {code}
        """)


@pytest.fixture(scope="module")
def met() -> set[str]:
    """All names in the code of the engines' gradients."""
    found: set[str] = set()
    for engine in (micrograd, minigrad, cudagrad):
        trees = modules(engine).values()
        inside = gradients(trees).inside
        for node in (node for tree in trees for node in ast.walk(tree) if id(node) in inside):
            match node:
                case ast.Name(name) | ast.Attribute(_, name) | ast.keyword(str(name)):
                    found.add(name)
    return found


def test_every_name_that_mutations_know_is_in_use(met: set[str]) -> None:
    names = {
        *conventions.COMMUTATIVE,
        *conventions.CONTAINERS,
        *conventions.NAUGHT,
        *conventions.AXES,
        *(name for group in conventions.OMITTED.values() for name in group),
        *(conventions.APPLY, conventions.ASSERTION, conventions.COTANGENT),
    }

    assert names <= met
    assert [pair for pair in conventions.PAIRS if not met.intersection(pair)] == []


def test_every_name_that_code_is_found_by_is_in_use() -> None:
    assert {f"micrograd.{name}" for name in conventions.PRIMITIVES} <= set(modules(micrograd))
    for engine in (minigrad, cudagrad):
        defined = [each for tree in modules(engine).values() for each in functions(tree)]
        decorators = [ast.unparse(d) for each in defined for d in each.decorator_list]
        assert conventions.OP in decorators


@pytest.mark.parametrize(
    ("name", "engine"), [("PULLBACK", minigrad), ("NODE", micrograd), ("EACH", micrograd)]
)
def test_without_a_name_gradients_are_overlooked(
    name: str, engine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = modules(engine).values()
    before = gradients(trees).inside

    monkeypatch.setattr(mutants.gradients, name, "another")

    assert gradients(trees).inside < before


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        (
            "lambda dout: a - b",
            {"b - a", "a + b", "a", "-b", "None", "0 * (a - b)", "-1 * (a - b)"},
        ),
        ("lambda dout: a * b", {"a", "b", "2 * (a * b)", "0.5 * (a * b)"}),
        ("lambda dout: a / b", {"b / a", "a * b", "a"}),
        ("lambda dout: a @ b", {"b @ a", "a @ b.swapaxes(-1, -2)", "a.swapaxes(-1, -2) @ b"}),
        ("lambda dout: a.T", {"a"}),
        ("lambda dout: a.swapaxes(0, 2)", {"a", "a.swapaxes(1, 2)", "a.swapaxes(0, 3)"}),
        (
            "lambda dout: a.sum(axis=-1, keepdims=True)",
            {"a", "a.sum(keepdims=True)", "a.sum(axis=-1)", "a.sum(axis=0, keepdims=True)"},
        ),
        ("lambda dout: where(a < b, a, b)", {"where(a <= b, a, b)", "where(a >= b, a, b)"}),
        ("lambda dout: where(c, a, b)", {"where(c, b, a)", "a", "b"}),
        ("lambda dout: a if c else b", {"b if c else a", "-1 * a if c else b"}),
        ("lambda dout: (a, b)", {"(b, a)", "(None, b)", "(a, None)", "(a, 0 * b)"}),
        ("lambda dout: a[i]", {"a"}),
        ("lambda dout: ~a", {"a"}),
    ],
)
def test_what_goes_wrong(code: str, wrong: set[str]) -> None:
    found = of_source(f"def op(a, b, c, i):\n    return value, {code}")

    assert {f"lambda dout: {text}" for text in wrong} <= {mutant.mutated for mutant in found}


def test_an_op_is_not_taken_for_what_a_gradient_calls_by_its_name() -> None:
    found = of_source("""
        @op
        def view(x):
            return x + 7, lambda dout: dout.view(int)
    """)

    assert {mutant.original for mutant in found} == {"lambda dout: dout.view(int)"}


def test_gradients_of_arguments_are_swapped() -> None:
    found = of_source("def op(a):\n    return a, (lambda dout: dout, None)")

    assert "return (a, (None, lambda dout: dout))" in {mutant.mutated for mutant in found}


def test_slopes_are_mutated_in_micrograd_and_nothing_else() -> None:
    found = [mutant for mutant in every_mutant(micrograd) if mutant.function == "mul"]

    assert {mutant.original for mutant in found} == {
        "return node(x.data * y.data, (x, y), (y.data, x.data))"
    }
    assert "return node(x.data * y.data, (x, y), (x.data, y.data))" in {m.mutated for m in found}


def test_a_planted_mutant_is_what_everyone_calls() -> None:
    zero = next(mutant for mutant in SOFTMAX if mutant.kind == "zero")
    x = minigrad.tensor([0.5, 1.5], requires_grad=True)

    for planted, moves in ((True, False), (False, True)):
        x.grad = None
        with judging._planted(zero) if planted else quietly("", 0):
            x.softmax(0)[0].backward()
        assert bool(x.grad.numpy().any()) is moves


@pytest.mark.parametrize(
    ("engine", "op"),
    [
        *(("minigrad", op) for op in ("gelu", "layer_norm", "group_norm", "embedding", "gather")),
        *(("cudagrad", op) for op in ("layer_norm", "scaled_dot_product_attention")),
    ],
)
def test_the_right_code_passes_where_small_arrays_count_as_large(engine: str, op: str) -> None:
    with judging._enlarged(engine):
        results = checks.judge(engines.load(engine), BY_NAME[op])

    assert [result.message for result in results if result.status == "failed"] == []


def test_small_arrays_count_as_large_while_a_mutant_is_judged() -> None:
    for within in (False, True, False):
        with judging._enlarged("minigrad") if within else quietly("", 0):
            assert (len(blocks(100)) > 1) is within


def test_the_gradient_that_only_a_gpt_has_is_judged_by_it() -> None:
    found = judging.tried("minigrad", "GPT")
    where = str(judging.path("minigrad.ops.attention")), "self_attention.<locals>.pullback"

    assert {each.trial.check for each in found if where in each.reached} == {"trained"}


def test_the_spec_kills_every_mutant_of_softmax() -> None:
    found = mutants.score(MINIGRAD, ["softmax"], 1, quietly)

    assert found.passed
    assert len(SOFTMAX) >= 15
    assert [verdict.mutant for verdict in found.by_function()["softmax"]] == SOFTMAX
    assert {verdict.killer.split("[")[0] for verdict in found.verdicts} == {"softmax"}
    assert {verdict.how for verdict in found.verdicts} == {"wrong", "raised"}


def test_primitives_are_judged_by_all_ops_that_use_them() -> None:
    found = mutants.score(engines.load("micrograd"), ["tanh", "mul"], 1, quietly)

    assert found.passed
    functions = {name: verdicts[0].ops for name, verdicts in found.by_function().items()}
    assert functions["scalar.tanh"] == ("tanh",)
    assert "mul" in functions["scalar.mul"]


def test_what_ops_share_is_judged_by_the_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """var() sums what has no gradient: whether total() is right only sum() can tell."""
    monkeypatch.setattr(scoring, "BY_NAME", {name: BY_NAME[name] for name in ("var", "sum")})

    found = mutants.score(engines.load("micrograd"), ["var"], 1, quietly)

    totals = found.by_function()["scalar.total"]
    assert {verdict.killer.partition("[")[0] for verdict in totals} == {"var", "sum"}
    assert all("var" in verdict.ops for verdict in totals)


def test_several_processes_say_the_same() -> None:
    alone, together = (mutants.score(MINIGRAD, ["exp"], jobs, quietly) for jobs in (1, 2))

    assert [v.mutant for v in alone.verdicts] == [v.mutant for v in together.verdicts]
    assert [bool(v.killer) for v in alone.verdicts] == [bool(v.killer) for v in together.verdicts]


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spec that looks at values alone."""
    right = checks.cases
    monkeypatch.setattr(
        checks, "cases", lambda *args: [i for i in right(*args) if i.check == "forward"]
    )


COMMAND = "mutants --engine minigrad --op softmax --jobs 1"


@pytest.mark.usefixtures("blind")
def test_a_blind_spec_kills_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "score.json"

    assert main([*COMMAND.split(), "--json", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "activation.py:" in printed
    dropped = "lambda dout: p * (dout - _sum(dout, along, p)) → lambda dout: p * dout\n"
    assert f"term dropped: {dropped}" in printed
    (data,) = json.loads(file.read_text(encoding="utf-8"))
    assert (data["engine"], data["passed"], data["score"]) == ("minigrad", False, 0.0)
    assert len(data["mutants"]) == len(SOFTMAX)
    assert not any(mutant["killed_by"] for mutant in data["mutants"])


@pytest.mark.parametrize(
    ("op", "survivors", "passes"),
    [("softmax", 0, True), ("softmax", 1, False), ("tanh", 2, True), ("tanh", 3, False)],
)
def test_of_a_hundred_mutants_two_may_survive_but_none_of_what_a_gpt_runs(
    op: str, survivors: int, passes: bool
) -> None:
    verdicts = [
        Verdict(dataclasses.replace(SOFTMAX[0], line=i), (op,), "" if i < survivors else "a trial")
        for i in range(100)
    ]

    assert mutants.Score("minigrad", verdicts, {}, [], 0.0).passed is passes


def excuse(mutant: Mutant) -> Equivalent:
    return Equivalent("minigrad", mutant.function, mutant.original, mutant.mutated, "a reason")


@pytest.mark.usefixtures("blind")
def test_equivalents_are_excused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "EQUIVALENTS", tuple(map(excuse, SOFTMAX)))

    found = mutants.score(MINIGRAD, ["softmax"], 1, quietly)

    assert found.passed
    assert not found.survivors
    assert len(found.equivalents) == len(SOFTMAX)


def test_what_is_excused_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by the command nor by the report that reads its file."""
    file, blind = tmp_path / "mutants.json", SOFTMAX[0]
    right = scoring.judge
    monkeypatch.setattr(scoring, "EQUIVALENTS", (excuse(blind),))
    monkeypatch.setattr(
        scoring,
        "judge",
        lambda name, mutant, trials: right(name, mutant, [] if mutant == blind else trials),
    )

    assert main([*COMMAND.split(), "--json", str(file)]) == 0
    counted = len(SOFTMAX) - 1
    assert f"100.00% of {counted} mutants, 1 excused, " in capsys.readouterr().out
    (score,) = mutation.read(file)
    assert mutation.sentence(score) == f"100 % of {counted} mutants were killed, 1 excused."


@pytest.mark.parametrize("original", [SOFTMAX[0].original, "return 0"])
def test_an_excuse_that_does_not_hold_is_an_error(
    original: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It excuses a mutant that is killed, or one that there is not."""
    false = dataclasses.replace(excuse(SOFTMAX[0]), original=original)
    monkeypatch.setattr(scoring, "EQUIVALENTS", (false,))

    assert main(COMMAND.split()) == 1
    assert "✗ equivalents.py has an entry that matches no survivor: " in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted({entry.engine for entry in EQUIVALENTS}))
def test_every_excuse_is_of_a_mutant(name: str) -> None:
    """parity mutants says so as well, but only of the engine that it judges, and after minutes."""
    entries = [entry for entry in EQUIVALENTS if entry.engine == name]
    trees = modules(engines.load(name).package)
    found = gradients(trees.values())
    made = {
        (mutant.function, mutant.original, mutant.mutated)
        for module, tree in trees.items()
        for function in functions(tree)
        if function.name in {entry.function for entry in entries}
        for mutant in Mutator(module, tree, found).mutants(function)
    }

    stale = [e for e in entries if (e.function, e.original, e.mutated) not in made]
    assert stale == []


def test_every_excuse_has_its_reason() -> None:
    assert all(entry.reason for entry in EQUIVALENTS)
    assert len({dataclasses.replace(entry, reason="") for entry in EQUIVALENTS}) == len(EQUIVALENTS)


def test_a_mutant_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "PATIENCE", 0.1)
    source = "def softmax(x, dim):\n    while True:\n        pass"
    hanging = dataclasses.replace(SOFTMAX[0], source=source, within="softmax")
    trials = judging.reaching(hanging, judging.tried("minigrad", "softmax"))

    verdict = judging.judge("minigrad", hanging, trials)

    assert verdict.killer
    assert verdict.how == "raised"


def test_an_engine_that_is_wrong_already_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minigrad.ops, "softmax", minigrad.ops.log_softmax)

    assert main(COMMAND.split()) == 2
    assert "parity: wrong without any mutation: minigrad softmax[0] " in capsys.readouterr().err


def test_an_op_without_a_gradient_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "--engine", "minigrad", "--op", "zeros", "--jobs", "1"]) == 2
    assert "parity: minigrad has no gradient in zeros to mutate\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("mutants --engine torch", "torch has no pullbacks and no slopes to mutate"),
        ("mutants --op sofmax", "no op 'sofmax'; did you mean softmax"),
        ("mutants --jobs 0", "Invalid value for '--jobs'"),
        ("mutants --json {tmp}/file/score.json", "cannot write to "),
    ],
)
def test_bad_usage_is_one_sentence(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert main(command.format(tmp=tmp_path).split()) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"parity: {sentence}")
    assert printed.count("\n") == 1
