"""pytest --engine NAME: the spec as test items, beside other tests or alone."""

from __future__ import annotations

import sys
from typing import Any

import pytest

# Optimizers import it with their first step, and it cannot be imported twice; pytester forgets
# whatever a run in this process has imported.
import torch._dynamo  # noqa: F401

from parity import checks, engines
from parity.spec import BUILT, BY_NAME
from parity.spec.runs import RUNS
from parity.usage import UNUSABLE

pytest_plugins = ["pytester"]

DTYPES = ("float64", "float32")
NAMES = (*BY_NAME, *BUILT)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def expected(engine: str, *ops: str) -> list[str]:
    return [item.id for item in checks.cases(engines.load(engine), ops)]


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line and " " not in line]


def test_without_an_engine_nothing_is_added_or_imported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_light(): assert 'torch' not in sys.modules\n")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=1)
    assert "engine:" not in result.stdout.str()


def test_the_spec_comes_alone_unless_a_path_is_named(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test_own(): pass\n")
    options = ("--engine", "minigrad", "--op", "exp", "--collect-only", "-q")

    alone = collected(pytester.runpytest_inprocess(*options))
    beside = collected(pytester.runpytest_inprocess(*options, path))

    assert alone == expected("minigrad", "exp")
    assert sorted(beside) == sorted([f"{path.name}::test_own", *alone])


def test_engines_and_ops_may_be_several(pytester: pytest.Pytester) -> None:
    names = ("--engine", "torch", "--engine", "minigrad", "--op", "neg", "--op", "relu")

    result = pytester.runpytest_inprocess(*names, "--collect-only", "-q")

    assert collected(result) == [
        *expected("torch", "neg", "relu"),
        *expected("minigrad", "neg", "relu"),
    ]


def test_layers_and_optimizers_are_items_too(pytester: pytest.Pytester) -> None:
    parts = ("--layer", "GELU", "--optimizer", "Adam", "--optimizer", "StepLR", "--layer", "GPT")
    names = ("--engine", "minigrad", "--op", "neg", *parts)

    result = pytester.runpytest_inprocess(*names, "--collect-only", "-q")

    assert collected(result) == expected("minigrad", "neg", "GELU", "Adam", "StepLR", "GPT")


def test_runs_are_items_too(pytester: pytest.Pytester) -> None:
    names = ("--engine", "minigrad", "--run", "xor", "--run", "gpt-tiny", "--op", "neg")

    result = pytester.runpytest_inprocess(*names, "--collect-only", "-q")

    runs = [f"minigrad::{run}::run::{d}" for run in ("xor", "gpt-tiny") for d in DTYPES]
    assert collected(result) == [*runs, *expected("minigrad", "neg")]


def test_runs_pass_or_are_skipped_with_their_reason(pytester: pytest.Pytester) -> None:
    names = ("--run", "xor", "--run", "gpt-small")

    result = pytester.runpytest_inprocess("--engine", "micrograd", *names, "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *its 100 000 weights*"])


def test_without_a_selection_every_run_is_there(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--engine", "minigrad", "--collect-only", "-q")

    runs = [f"minigrad::{run.name}::run::{dtype}" for run in RUNS for dtype in DTYPES]
    assert collected(result)[: len(runs)] == runs
    assert collected(result)[len(runs) :] == expected("minigrad", *NAMES)


def test_a_failed_run_is_the_judges_sentence(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines.load("minigrad")
    monkeypatch.setattr(engine, "grad", lambda parameter: 0 * parameter.grad.numpy(), raising=False)

    result = pytester.runpytest_inprocess("--engine", "minigrad", "-k", "xor and float64")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "minigrad xor float64: step 1: the gradient of 0.weight is *",
            "  parity check --engine minigrad --run xor --dtype float64",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_the_header_says_who_is_judged_by_what(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--engine", "cudagrad", "--op", "neg", "--collect-only")

    result.stdout.fnmatch_lines(
        ["engine: cudagrad * on *", "judged by: threegrad-parity *, torch *, numpy *"]
    )


def test_items_pass_and_are_selected_by_keyword(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(
        "--engine", "minigrad", "--op", "exp", "-v", "-k", "backward and float32"
    )

    every = expected("minigrad", "exp")
    wanted = [id for id in every if "backward::float32" in id]
    result.assert_outcomes(passed=len(wanted), deselected=len(every) - len(wanted))
    result.stdout.fnmatch_lines([f"{id.replace('[', '[[]')} PASSED*" for id in wanted])


def test_items_run_in_parallel(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--engine", "minigrad", "--op", "exp", "-n", "2")

    result.assert_outcomes(passed=len(expected("minigrad", "exp")))


def test_skips_are_shown_with_their_reason(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--engine", "torch", "--op", "neg", "-rs")

    skipped = len(BY_NAME["neg"].rejects)
    result.assert_outcomes(passed=len(expected("torch", "neg")) - skipped, skipped=skipped)
    result.stdout.fnmatch_lines(["SKIPPED *torch's errors are of its own kinds*"])


def break_neg(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    engine = engines.load("minigrad")
    call = engine.call
    monkeypatch.setattr(
        engine,
        "call",
        lambda name, *args: function(*args) if name == "neg" else call(name, *args),
        raising=False,
    )


def test_a_failure_is_the_judges_sentence_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_neg(monkeypatch, lambda x: x)

    result = pytester.runpytest_inprocess("--engine", "minigrad", "-k", "neg[0]::forward::float64")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "minigrad neg[[]0]* forward float64: output 0 (contiguous) is off by *",
            '  parity check --engine minigrad --case "neg[[]0]" --check forward --dtype float64',
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "plugin.py" not in result.stdout.str()


def test_an_unexpected_exception_comes_with_its_traceback(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(x: Any) -> Any:
        raise ZeroDivisionError("why")

    break_neg(monkeypatch, explode)

    result = pytester.runpytest_inprocess("--engine", "minigrad", "-k", "neg[0]::forward::float64")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*in explode*", "ZeroDivisionError: why", "*raised ZeroDivision*"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--engine", "tinier"], "ERROR: no engine 'tinier'; there are micrograd, minigrad,*"),
        (["--engine", "minigrad", "--op", "conv9d"], "ERROR: no op 'conv9d'; did you mean conv*"),
        (["--engine", "minigrad", "--layer", "Lin"], "ERROR: no layer 'Lin'; did you mean Linear*"),
        (
            ["--engine", "torch", "--optimizer", "Adams"],
            "ERROR: no optimizer 'Adams'; did you mean Adam*",
        ),
        (["--engine", "torch", "--run", "gpt-5"], "ERROR: no run 'gpt-5'; did you mean gpt-*"),
        (["--op", "exp"], "ERROR: --op needs an --engine to judge"),
        (["--optimizer", "Adam"], "ERROR: --optimizer needs an --engine to judge"),
    ],
)
def test_bad_usage_is_one_sentence(
    pytester: pytest.Pytester, arguments: list[str], sentence: str
) -> None:
    result = pytester.runpytest_inprocess(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_engine_that_cannot_be_used_is_one_sentence(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def unusable(name: str) -> Any:
        raise kind("CUDAGRAD_DEVICE=gpu, but no GPU")

    monkeypatch.setattr(engines, "load", unusable)

    result = pytester.runpytest_inprocess("--engine", "cudagrad")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: CUDAGRAD_DEVICE=gpu, but no GPU"])


def test_without_torch_there_is_one_sentence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(notorch="import sys\nsys.modules['torch'] = None\n")
    pytester.syspathinsert()

    result = pytester.runpytest_subprocess("-p", "notorch", "--engine", "minigrad")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines == ["ERROR: parity needs the package torch: pip install torch", ""]


def test_a_missing_package_is_one_sentence(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines.load.cache_clear()
    monkeypatch.delitem(sys.modules, "parity.engines.minigrad", raising=False)
    monkeypatch.setitem(sys.modules, "minigrad", None)

    result = pytester.runpytest_inprocess("--engine", "minigrad")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: engine minigrad needs the package minigrad: pip install*"])
