"""parity data: make or download the data of the tasks."""

from __future__ import annotations

from pathlib import Path

import click

from ...usage import Commands, refusing

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(cls=Commands)
def data() -> None:
    """Make or download data for the tasks."""


@data.command()
@click.option("--out", type=FILE, required=True, help="File to write.")
@click.option(
    "--rows", type=click.IntRange(min=1), default=366_000, show_default=True, help="Sales to write."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the sales."
)
def sales(out: Path, rows: int, seed: int) -> None:
    """Write a year of made-up sales as tab-separated text.

    It has ten columns; about one row in 5000 is malformed.
    """
    from . import shop

    with refusing(OSError):
        shop.write(out, rows, seed)
    click.echo(out)


def download(name: str, text: str) -> None:
    """Add the command that downloads a set of files."""

    @data.command(name, help=text)
    @click.option("--out", type=FOLDER, help="Directory to write to.  [default: the cache]")
    def command(out: Path | None) -> None:
        from . import downloads

        with refusing(OSError):
            for path in downloads.fetch(name, out):
                click.echo(path)


download("shakespeare", "Download Tiny Shakespeare, a million characters of plays.")
download("mnist", "Download MNIST, 70,000 images of handwritten digits.")
