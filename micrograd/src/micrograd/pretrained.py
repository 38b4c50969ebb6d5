"""GPT-2 as transformers keeps it: a folder with config.json, and the weights in a file beside it.

Here that is model.json, as the standard library cannot read model.safetensors; arrays that were
read from the latter can be handed over. Linear layers there hold their weights as (in, out), ours
as (out, in), as in torch. The names are the same, except that some files omit "transformer.".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .lists import shape
from .serialization import StrPath, load, replace_file, save

__all__ = ["read", "write"]

CONFIG, MODEL = "config.json", "model.json"
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
    arrays = load(_existing(Path(folder) / MODEL)) if state is None else state
    ours = {}
    for name, array in arrays.items():
        if not name.endswith(SKIPPED):
            key = f"transformer.{name.removeprefix('transformer.')}"
            ours[key] = _transposed(array) if name.endswith(TRANSPOSED) else array
    if "transformer.wte.weight" in ours:
        ours["lm_head.weight"] = ours["transformer.wte.weight"]
    return config, ours


def write(folder: StrPath, config: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write the files of a GPT, given the fields of its GPTConfig, and its state.

    Raises ValueError, before anything is written, for what GPT-2 does not have.
    """
    for option, value in ALWAYS.items():
        if config[option] != value:
            raise ValueError(
                f"save_pretrained: GPT-2 always has {option}={value!r}, not {config[option]!r}"
            )
    theirs = {
        name: _transposed(array) if name.endswith(TRANSPOSED) else array
        for name, array in state.items()
        if not name.endswith(SKIPPED)
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    save(theirs, Path(folder) / MODEL)
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


def _transposed(array: Any) -> Any:
    """The matrix transposed; anything else unchanged, for load_state_dict to refuse."""
    rows = array.tolist() if hasattr(array, "tolist") else array
    return list(map(list, zip(*rows, strict=True))) if len(shape(rows)) == 2 else rows


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    other = path.with_name("model.safetensors")
    if path.name == MODEL and other.is_file():
        raise FileNotFoundError(
            f"micrograd cannot read {other}: read it with the package safetensors, "
            "and hand over the arrays as state"
        )
    raise FileNotFoundError(
        f"there is no {path}: a model is read from a folder with {CONFIG} and {MODEL} in it"
    )
