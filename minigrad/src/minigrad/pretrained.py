"""GPT-2 as transformers keeps it: a folder with config.json and model.safetensors.

Its linear layers hold their weights as (in, out), ours as (out, in), like torch's. The names are
the same, except that some of its files omit "transformer.".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .serialization import StrPath, library, replace_file

__all__ = ["read", "write"]

Array = np.ndarray[Any, Any]

CONFIG, MODEL = "config.json", "model.safetensors"
SIZES = {
    "vocab_size": "vocab_size",
    "block_size": "n_positions",
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
}  # a field of GPTConfig: its name in config.json
DROPOUTS = ("embd_pdrop", "resid_pdrop", "attn_pdrop")  # 0.1 if config.json leaves them out
# What GPT implements, in config.json's terms: any may be left out there; the first is written.
ACCEPTED: dict[str, tuple[Any, ...]] = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "reorder_and_upcast_attn": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
# What GPT-2 always has, so that config.json has no word for it.
ALWAYS = {"bias": True, "norm": "layer_norm", "activation": "gelu"}
TRANSPOSED = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
# Causal masks, which old files have; and the output layer, which is the embedding again.
SKIPPED = (".attn.bias", ".attn.masked_bias", "lm_head.weight")


def read(folder: StrPath, state: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of GPTConfig, and the state of a GPT; state: the arrays, if already read.

    Raises FileNotFoundError for a missing file, ValueError for a model that GPT does not implement.
    """
    config = _config(Path(folder) / CONFIG)
    arrays = _arrays(Path(folder) / MODEL) if state is None else state
    ours = {}
    for name, array in arrays.items():
        if not name.endswith(SKIPPED):
            key = f"transformer.{name.removeprefix('transformer.')}"
            ours[key] = np.transpose(array) if name.endswith(TRANSPOSED) else array
    if "transformer.wte.weight" in ours:
        ours["lm_head.weight"] = ours["transformer.wte.weight"]
    return config, ours


def write(folder: StrPath, config: Mapping[str, Any], state: Mapping[str, Array]) -> None:
    """Write the files of a GPT, given the fields of its GPTConfig, and its state.

    Raises ValueError, before anything is written, for what GPT-2 does not have.
    """
    for option, value in ALWAYS.items():
        if config[option] != value:
            raise ValueError(
                f"save_pretrained: GPT-2 always has {option}={value!r}, not {config[option]!r}"
            )
    theirs = {
        name: np.ascontiguousarray(np.transpose(array) if name.endswith(TRANSPOSED) else array)
        for name, array in state.items()
        if not name.endswith(SKIPPED)
    }
    data = library("GPT.save_pretrained").numpy.save(theirs, {"format": "pt"})
    Path(folder).mkdir(parents=True, exist_ok=True)
    replace_file(Path(folder) / MODEL, [data])
    end = 50256 if config["vocab_size"] == 50257 else None  # GPT-2's end-of-text token
    said = {
        "architectures": ["GPT2LMHeadModel"],
        **{name: accepted[0] for name, accepted in ACCEPTED.items()},
        **{name: config[size] for size, name in SIZES.items()},
        **dict.fromkeys(DROPOUTS, config["dropout"]),
        "bos_token_id": end,
        "eos_token_id": end,
    }
    replace_file(Path(folder) / CONFIG, [json.dumps(said, indent=2).encode()])


def _config(path: Path) -> dict[str, Any]:
    """The arguments of GPTConfig."""
    try:
        said = json.loads(_existing(path).read_text("utf-8"))
        dropouts = {said.get(name, 0.1) for name in DROPOUTS}
        sizes = {size: said[name] for size, name in SIZES.items()}
    except (AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a JSON object") from error
    except KeyError as error:
        raise ValueError(f"{path} does not say {error}") from error
    for size, number in sizes.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{path} says {SIZES[size]}={number!r}, which is not a size")
    accepted = {**ACCEPTED, "n_inner": (None, 4 * sizes["n_embd"])}
    for name, values in accepted.items():
        if said.get(name, values[0]) not in values:
            raise ValueError(f"{path} says {name}={said[name]!r}; GPT has {values[0]!r} only")
    if len(dropouts) > 1:
        raise ValueError(f"{path} says different {', '.join(DROPOUTS)}; GPT has one dropout")
    return {**sizes, "dropout": dropouts.pop()}


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of a safetensors file."""
    safetensors = library("GPT.from_pretrained")
    try:
        with safetensors.safe_open(_existing(path), "numpy") as file:
            arrays = dict(file.get_tensors())
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged, or is not a safetensors file: {error}") from error
    except TypeError as error:  # NumPy's, for bfloat16
        raise ValueError(f"{path} holds numbers of a kind that NumPy lacks: {error}") from error
    for array in arrays.values():
        if array.dtype.kind not in "biuf":  # of ml_dtypes, which something else has imported
            raise ValueError(f"{path} holds numbers of a kind that NumPy lacks: {array.dtype}")
    return arrays


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: a model is read from a folder with {CONFIG} and {MODEL} in it"
        )
    return path
