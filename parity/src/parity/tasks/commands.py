"""parity train, which has a command for each task, and parity generate."""

from __future__ import annotations

from pathlib import Path

import click

from ..usage import Commands, refusing, trainable
from .options import ABOVE, FOLDER, NATURAL, POSITIVE, Plan, Real, trains
from .presets import PRESETS
from .settings import Settings

FILE = click.Path(path_type=Path)
REST, SHARE = Real(min=0, max=1, max_open=True), Real(min=0, max=1, min_open=True)
CORPORA = ("python", "shakespeare")
CORPUS = "Python's own help, or Tiny Shakespeare, which is downloaded.  [default: python]"
PRESET = """Model size and training settings; cpu takes minutes, baby is for a GPU.
[default: small, or tiny with micrograd]"""
TOKENIZER = "char, byte, or a file: tokenizer.json, merges.txt or *.tiktoken."


@click.group(cls=Commands)
def train() -> None:
    """Train one engine, or several side by side, on a task."""


XOR = Settings(steps=5000, batch_size=4, optimizer="SGD", lr=0.3, eval_every=500)


@train.command()
@trains(XOR)
def xor(plan: Plan) -> int:
    """Learn the truth table of XOR, with a network of four sigmoids."""
    from .launching import launch
    from .xor import Xor

    return launch(plan, plan.settings(XOR), Xor)


MOONS = Settings(steps=500, batch_size=50, optimizer="Adam", lr=1e-2)


@train.command()
@trains(MOONS)
def moons(plan: Plan) -> int:
    """Classify points of two half moons, with two hidden layers."""
    from .launching import launch
    from .moons import Moons

    return launch(plan, plan.settings(MOONS), Moons)


SALES = Settings(steps=1, batch_size=256, optimizer="Adam", schedule="cosine")


@train.command()
@trains(SALES, steps="5 epochs", eval_every="1 epoch", lr="0.003; 0.1 with SGD")
@click.option("--data", "file", type=FILE, help="Tab-separated file of sales.  [required]")
def sales(plan: Plan, file: Path | None) -> int:
    """Predict the total of a sale, with one hidden layer."""
    if file is None:
        raise click.UsageError("name a file with --data; parity data sales can write one")
    from .data.sales import read
    from .launching import launch
    from .sales import SalesTotals, defaults

    with refusing(OSError, ValueError):
        found = read(file)
        settings = plan.settings(SALES, lambda chosen: defaults(found, chosen))
    if skipped := found.skipped():
        click.echo(skipped, err=True)
    return launch(plan, settings, lambda settings: SalesTotals(settings, found))


DIGITS = Settings(steps=1000, batch_size=64, optimizer="Adam", lr=5e-3, schedule="cosine")


@train.command()
@trains(DIGITS)
@click.option(
    "--data",
    "folder",
    type=FOLDER,
    help="Folder with MNIST's four files.  [default: scikit-learn's 1797 small images]",
)
@click.option("--download", is_flag=True, help="Download MNIST to --data, or to the cache.")
def digits(plan: Plan, folder: Path | None, download: bool) -> int:
    """Classify images of handwritten digits, with two convolutions."""
    from .data.downloads import fetch
    from .digits import Digits
    from .launching import launch

    if download:
        with refusing(OSError):
            folder = fetch("mnist", folder)[0].parent
    return launch(plan, plan.settings(DIGITS), lambda settings: Digits(settings, folder))


@train.command()
@trains(None)
@click.option("--preset", type=click.Choice(tuple(PRESETS)), help=PRESET)
@click.option("--corpus", type=click.Choice(CORPORA), help=CORPUS)
@click.option("--data", type=FILE, help="Your own UTF-8 text, instead of --corpus.")
@click.option("--tokenizer", default="char", show_default=True, help=TOKENIZER)
@click.option("--dropout", type=REST, help="Probability of dropout.  [default: the preset's]")
def text(
    plan: Plan,
    preset: str | None,
    corpus: str | None,
    data: Path | None,
    tokenizer: str,
    dropout: float | None,
) -> int:
    """Train a GPT on text, tokenized by characters, bytes or BPE."""
    if data is not None and corpus is not None:
        raise click.UsageError("--data and --corpus exclude each other")
    size = PRESETS[preset or ("tiny" if "micrograd" in plan.engines else "small")]
    from .launching import launch
    from .text import Text, read, text_of
    from .tokenizers import chosen

    def build(settings: Settings) -> Text:
        written = text_of(corpus or CORPORA[0]) if data is None else read(data)
        sizes = {**size.sizes, **({} if dropout is None else {"dropout": dropout})}
        return Text(settings, sizes, written, chosen(tokenizer, written))

    return launch(plan, plan.settings(size.settings), build)


NAMES = Settings(1000, 1, "Adam", 1e-2, schedule="linear", eval_every=100, checkpoint_every=100)


@train.command()
@trains(NAMES)
@click.option("--data", type=FILE, help="Your own names, one per line.  [default: built-in names]")
def names(plan: Plan, data: Path | None) -> int:
    """Make up names, with a GPT that micrograd trains in a minute."""
    from .launching import launch
    from .names import Names, listed

    return launch(plan, plan.settings(NAMES), lambda settings: Names(settings, listed(data)))


@click.command()
@click.option("--checkpoint", type=FILE, required=True, help="A checkpoint, or a train --out.")
@click.option("--prompt", default="", help="Text to continue; the task names needs none.")
@click.option("--engine", help="Engine to generate with.  [default: the one that trained]")
@click.option("--tokens", type=NATURAL, default=200, show_default=True, help="Tokens at most.")
@click.option("--greedy", is_flag=True, help="Always take the likeliest token; do not sample.")
@click.option("--temperature", type=ABOVE, help="Below 1 favours likely tokens.  [default: 1]")
@click.option("--top-k", type=POSITIVE, help="Sample only from this many likeliest tokens.")
@click.option("--top-p", type=SHARE, help="Sample from the likeliest that reach this probability.")
@click.option("--seed", type=NATURAL, help="Seed of the sampling, the same text on any engine.")
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
    """Generate text with a model that parity train has saved."""
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    given = {name: value for name, value in drawing.items() if value is not None}
    if greedy and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"--greedy does not sample: leave out {options}")
    if engine:
        trainable([engine])
    from .generating import generate

    with refusing(OSError, ValueError, ImportError):
        sampling = {"do_sample": not greedy, **given}
        click.echo(generate(checkpoint, engine, prompt, tokens, sampling))
