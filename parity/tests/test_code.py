"""The code that the report shows of an op: down to where each engine computes."""

from __future__ import annotations

import pytest

from parity import engines
from parity.report import code


@pytest.mark.parametrize(
    ("engine", "op", "shown"),
    [
        ("micrograd", "tanh", {"scalar.py:tanh"}),
        ("micrograd", "softmax", {"rowwise.py:exps_of", "rowwise.py:ratios"}),
        ("micrograd", "layer_norm", {"rowwise.py:scaled_ratios", "scalar.py:root_mean_square"}),
        ("micrograd", "matmul", {"rowwise.py:dots"}),
        ("minigrad", "gelu", {"ops/activation.py:_gelu_tanh_back"}),
        ("minigrad", "embedding", {"ops/indexing.py:summed_rows"}),
        ("cudagrad", "tanh", {"kernels/functions.py:tanh_dx"}),
        ("cudagrad", "sum", {"kernels/reduction.py:fold_rows"}),
        ("cudagrad", "softmax", {"kernels/softmax.py:forward_held", "kernels/softmax.py:backward"}),
        (
            "cudagrad",
            "matmul",
            {"kernels/matmul/__init__.py:choose", "kernels/matmul/tiled.py:matmul"},
        ),
        ("cudagrad", "conv2d", {"kernels/convolution/implicit.py:gather"}),
        ("cudagrad", "dropout", {"kernels/random.py:philox"}),
        ("cudagrad", "embedding", {"kernels/gather.py:take", "kernels/gather.py:add_at"}),
    ],
)
def test_the_code_of_an_op_goes_down_to_its_arithmetic(
    engine: str, op: str, shown: set[str]
) -> None:
    first, *called = code.pieces(engines.load(engine), op)
    found = {f"{piece.file.partition('/')[2]}:{piece.name}" for piece in called}

    assert first.name == op
    assert shown <= found
    assert len(called) <= code.MOST


def test_what_only_launches_is_not_shown() -> None:
    for op in ("tanh", "matmul", "dropout", "conv2d"):
        pieces = code.pieces(engines.load("cudagrad"), op)
        rooms = {piece.file.split("/")[1] for piece in pieces}

        assert rooms == {"ops", "kernels"}, op
        assert "kernels/storage.py" not in {piece.file.partition("/")[2] for piece in pieces}
