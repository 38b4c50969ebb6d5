"""The table of launches: names that lead to kernels, types that numba reads, nothing missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from recording import recorded

from cudagrad import device, gpt, nn, optim, random
from cudagrad.compile import table
from cudagrad.compile.table import Launch
from cudagrad.kernels import functions as f
from cudagrad.kernels import index, map, reduction, sort

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")

CONFIGS: list[dict[str, Any]] = [
    {},
    {"dropout": 0.1, "bias": False, "norm": "rms_norm", "activation": "relu"},
    {"dropout": 0.1, "gradient_checkpointing": True},
]


@needs_emulator
@pytest.mark.launches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("changes", CONFIGS)
def test_training_a_gpt_launches_what_the_table_has(changes: dict[str, Any], dtype: type) -> None:
    model = gpt.GPT(gpt.GPTConfig(11, 5, 1, 2, 6, **changes))
    model.load_state_dict({name: x.astype(dtype) for name, x in model.state_dict().items()})
    optimizer = optim.AdamW(model.parameters())
    idx = np.arange(10).reshape(2, 5)
    _, loss = model(idx, idx)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    model.eval()
    model.generate(idx[:1, :2], 2)

    assert np.isfinite(loss.item())


def test_the_table_is_in_order_without_repetition() -> None:
    launches = table.launches()

    assert launches == sorted(set(launches))


@pytest.mark.parametrize("name", sorted({launch.kernel for launch in table.launches()}))
def test_every_name_leads_to_its_kernel(name: str) -> None:
    assert table.name_of(table.find(name)) == name


def test_names_tell_what_a_kernel_is_made_of() -> None:
    folded = reduction.fold_rows(np.float32, f.add)
    sorted_rows = sort.order_chunks(np.int64, sort.lower)

    assert table.name_of(map.fill) == "map.fill"
    assert table.name_of(folded) == "reduction.fold_rows(float32, functions.add)"
    assert table.find("reduction.fold_rows(float32, functions.add)") is folded
    assert table.name_of(sorted_rows) == "sort.order_chunks(int64, sort.lower)"


@pytest.mark.parametrize("name", ["map.nothing", "nothing.fill", "map.map1(functions.nothing)"])
def test_a_kernel_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(LookupError, match="there is no kernel"):
        table.find(name)


def test_a_kernel_of_no_factory_is_refused() -> None:
    def make() -> Any:
        @device.jit
        def nameless(x):
            x[0] = index.divide(1, 1)[0]

        return nameless

    with pytest.raises(LookupError, match="must be a @factory"):
        table.name_of(make())


def test_types_are_numbas() -> None:
    kinds = [("f", 1), ("?", 3), int, float, bool, np.uint64, (int, int)]

    assert [table.type_of(kind) for kind in kinds] == [
        "float32[::1]",
        "boolean[:,:,::1]",
        "int64",
        "float64",
        "boolean",
        "uint64",
        "UniTuple(int64, 2)",
    ]
    with pytest.raises(TypeError, match="different types: int64, float64"):
        table.type_of((int, float))


@needs_emulator
def test_a_launch_is_recorded_if_the_kernel_is_cudagrads() -> None:
    @device.jit
    def nobodys(x):
        x[0] = 1

    array = device.empty((1,), np.float32)
    seen: set[Launch] = set()
    with recorded(seen):
        random.uniform((2,), 0.0, 1.0)
        nobodys[1, 1](array)
    random.normal((2,), 0.0, 1.0)

    types = "uint64, uint64, float32, float32, float32[::1]"
    assert seen == {Launch("random.uniform(float32)", types)}


@pytest.mark.parametrize("capability", [(7, 5), (9, 0)])
def test_a_gpu_is_warmed_up_with_all_that_it_can_run(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]
) -> None:
    done: list[Launch] = []

    def find(name: str) -> SimpleNamespace:
        return SimpleNamespace(compile=lambda signature: done.append(Launch(name, signature)))

    monkeypatch.setattr(table, "find", find)
    monkeypatch.setattr(device, "EXECUTOR", "gpu")
    monkeypatch.setattr(device, "has", lambda needed: capability >= needed)
    table.warm_up()
    expected = [
        Launch(kernel, f"void({types})")
        for kernel, types in table.launches()
        if capability >= (8, 0) or not kernel.startswith(("matmul.tensor_core", "matmul.stored"))
    ]

    assert done == expected


@needs_emulator
def test_without_a_gpu_there_is_nothing_to_warm_up() -> None:
    with pytest.raises(RuntimeError, match="nothing to warm up: emulator: "):
        table.warm_up()
