"""parity train, with one command for each task, and parity generate."""

from __future__ import annotations

from pathlib import Path

import click

from ..usage import loaded
from .options import ABOVE, NATURAL, POSITIVE, Plan, trains
from .presets import PRESETS
from .settings import Settings

FILE = click.Path(path_type=Path)
REST = click.FloatRange(min=0, max=1, max_open=True)
SHARE = click.FloatRange(min=0, max=1, min_open=True)
CORPORA = ("python", "shakespeare")
CORPUS = "Python's own help, or Tiny Shakespeare, which is downloaded.  [default: python]"
PRESET = "Size of the model, and how it is trained: tiny suits micrograd, baby a GPU."
TOKENIZER = "char, byte, or a file: tokenizer.json, merges.txt or *.tiktoken."


@click.group()
def train() -> None:
    """Train an engine, or several side by side, on one of the tasks."""


XOR = Settings(steps=5000, batch_size=4, optimizer="SGD", lr=0.3, eval_every=500)


@train.command()
@trains(XOR)
def xor(plan: Plan) -> int:
    """The truth table of XOR, by a network of four sigmoids."""
    from .launching import launch
    from .xor import Xor

    return launch(plan, plan.settings(XOR), Xor)


@train.command()
@trains(None)
@click.option(
    "--preset", type=click.Choice(tuple(PRESETS)), default="small", show_default=True, help=PRESET
)
@click.option("--corpus", type=click.Choice(CORPORA), help=CORPUS)
@click.option("--data", type=FILE, help="A text of your own, in UTF-8, instead of a corpus.")
@click.option("--tokenizer", default="char", show_default=True, help=TOKENIZER)
@click.option("--dropout", type=REST, help="What dropout leaves out.  [default: the preset's]")
def text(
    plan: Plan,
    preset: str,
    corpus: str | None,
    data: Path | None,
    tokenizer: str,
    dropout: float | None,
) -> int:
    """A GPT that writes on from any text, character by character, byte by byte or by BPE."""
    if data is not None and corpus is not None:
        raise click.UsageError("--data is instead of --corpus: leave out one of them")
    from .launching import launch
    from .text import Text, read, text_of
    from .tokenizers import chosen

    def build(settings: Settings) -> Text:
        written = text_of(corpus or CORPORA[0]) if data is None else read(data)
        sizes = {**PRESETS[preset].sizes, **({} if dropout is None else {"dropout": dropout})}
        return Text(settings, sizes, written, chosen(tokenizer, written))

    return launch(plan, plan.settings(PRESETS[preset].settings), build)


NAMES = Settings(
    steps=1000, batch_size=1, optimizer="Adam", lr=1e-2, schedule="linear", eval_every=100
)


@train.command()
@trains(NAMES)
@click.option("--data", type=FILE, help="Names of your own, one a line.  [default: some of ours]")
def names(plan: Plan, data: Path | None) -> int:
    """Made-up names, by a GPT of one layer that micrograd trains in a minute."""
    from .launching import launch
    from .names import Names, listed

    return launch(plan, plan.settings(NAMES), lambda settings: Names(settings, listed(data)))


@click.command()
@click.option("--checkpoint", type=FILE, required=True, help="What --out was, or a file in it.")
@click.option("--prompt", default="", help="What the model writes on from.")
@click.option("--engine", help="What writes.  [default: what trained it]")
@click.option("--tokens", type=NATURAL, default=200, show_default=True, help="How many, at most.")
@click.option("--greedy", is_flag=True, help="Always the likeliest token, instead of a drawn one.")
@click.option("--temperature", type=ABOVE, help="Below 1, the likely is likelier.  [default: 1]")
@click.option("--top-k", type=POSITIVE, help="Draw among so many of the likeliest tokens alone.")
@click.option("--top-p", type=SHARE, help="Draw among the likeliest that make up this share.")
@click.option("--seed", type=NATURAL, help="Writes the same again, on any engine.")
def generate(
    checkpoint: Path,
    prompt: str,
    engine: str | None,
    tokens: int,
    greedy: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int | None,
) -> None:
    """Let a model that parity train has kept write on from a prompt."""
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    given = {name: value for name, value in drawing.items() if value is not None}
    if greedy and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"--greedy draws nothing: leave out {options}")
    if engine:
        loaded([engine])
    from .generating import generate
    from .launching import refusing

    with refusing(OSError, ValueError, ImportError):
        sampling = {"do_sample": not greedy, **given}
        click.echo(generate(checkpoint, engine, prompt, tokens, sampling))
