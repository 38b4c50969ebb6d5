"""Make up a year of sales in a shop, with the flaws that exported files have."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ... import files

Array = np.ndarray[Any, Any]

NEW_YEAR = datetime.datetime(2024, 1, 1)
DAYS = 366
BAD = 5_000  # about one row in BAD is malformed
NOISE = 0.01  # relative noise of a total: discounts, tips and mistakes
CHUNK = 20_000  # rows drawn and written at a time

# A typical price in each category, and its products.
CATEGORIES = {
    "Bakery": (3.2, "Bread Roll Bagel Croissant Muffin Pretzel"),
    "Beverages": (4.5, "Juice Cola Tea Coffee Lemonade Water"),
    "Books": (17.0, "Novel Atlas Cookbook Dictionary Biography"),
    "Candles": (9.0, "Candle Lantern Tealight Holder"),
    "Dairy": (5.0, "Milk Butter Yoghurt Cheese Cream"),
    "Fruit": (4.0, "Apples Pears Plums Cherries Grapes"),
    "Garden": (21.0, "Shovel Rake Hose Planter Trellis"),
    "Hardware": (14.0, "Hammer Pliers Wrench Screws Drill-Bits"),
    "Kitchen": (25.0, "Pan Kettle Whisk Board Grater"),
    "Pets": (11.0, "Leash Bowl Kibble Treats Brush"),
    "Seafood": (16.0, "Salmon Trout Shrimp Herring Mussels"),
    "Stationery": (6.0, "Notebook Pencil Marker Envelope Stapler"),
    "Textiles": (28.0, "Towel Blanket Cushion Curtain Apron"),
    "Toys": (19.0, "Puzzle Blocks Kite Doll Marbles"),
    "Vegetables": (3.5, "Carrots Leeks Onions Cabbage Peppers"),
    "Wine": (13.0, "Riesling Merlot Rioja Rosé Sherry"),
}
MAKERS = ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Juniper"]


def _wrong(column: int, text: str) -> Callable[[list[str]], list[str]]:
    return lambda fields: [*fields[:column], text, *fields[column + 1 :]]


FLAWS = (
    lambda fields: fields[:-1],
    lambda fields: [*fields, "return"],
    _wrong(2, f"{NEW_YEAR.year}-02-30"),
    _wrong(4, "-2"),
    _wrong(4, "NaN"),
    _wrong(4, "n/a"),
    _wrong(5, ""),
    _wrong(8, "12,50"),
)


def write(path: Path, rows: int, seed: int = 0) -> None:
    """Write a file with this many rows, about one in BAD of them malformed.

    Raises OSError if it cannot be written, and leaves no partial file.
    """
    files.replace(path, _chunks(rows, np.random.default_rng(seed)))


def _chunks(rows: int, rng: np.random.Generator) -> Iterator[bytes]:
    """The lines of the file, CHUNK at a time."""
    names, codes, categories, prices = _products(rng)
    seconds = _seconds(rng, rows)
    popular = rng.dirichlet(np.full(len(names), 2.0))
    for start in range(0, rows, CHUNK):
        when = seconds[start : start + CHUNK]
        count = len(when)
        product = rng.choice(len(names), count, p=popular)
        quantity = np.minimum(rng.geometric(0.25, count), 12)
        inflated = prices[product] * (1 + 0.03 * when / (DAYS * 86400))
        price = np.round(inflated * rng.uniform(0.95, 1.05, count), 2)
        total = np.round(quantity * price * (1 + NOISE * rng.standard_normal(count)), 2)
        user = (4_000 * rng.power(2.0, count)).astype(int)
        flaw = np.where(rng.random(count) < 1 / BAD, rng.integers(len(FLAWS), size=count), -1)
        lines = []
        for i, p in enumerate(product):
            moment = NEW_YEAR + datetime.timedelta(seconds=int(when[i]))
            fields = [
                names[p],
                codes[p],
                f"{moment:%Y-%m-%d}",
                f"{moment:%Y-%m-%d %H:%M:%S}",
                f"{quantity[i]}",
                f"{price[i]:.2f}",
                categories[p],
                f"user{user[i]:04}",
                f"{total[i]:.2f}",
                f"{start + i + 1:08}",
            ]
            lines.append("\t".join(FLAWS[flaw[i]](fields) if flaw[i] >= 0 else fields) + "\n")
        yield "".join(lines).encode()


def _products(rng: np.random.Generator) -> tuple[list[str], list[str], list[str], Array]:
    """The names, codes, categories and prices of all products."""
    names, codes, categories, prices = [], [], [], []
    for category, (typical, things) in CATEGORIES.items():
        for thing in things.split():
            for maker in MAKERS:
                names.append(f"{maker} {thing}")
                codes.append(f"{category[:3].upper()}-{len(names):04}")
                categories.append(category)
                prices.append(typical * rng.lognormal(0, 0.3))
    return names, codes, categories, np.array(prices)


def _seconds(rng: np.random.Generator, rows: int) -> Array:
    """The sorted times of all sales in seconds of the year; Saturdays and December are busier."""
    first = NEW_YEAR.weekday()
    day = np.arange(DAYS)
    busy = np.array([1.0, 0.9, 0.95, 1.0, 1.3, 1.6, 0.4])[(first + day) % 7]  # from Monday on
    busy *= np.where(day >= 335, 1.5, 1.0)
    days = rng.choice(DAYS, rows, p=busy / busy.sum())
    hours = rng.triangular(8, 15, 20, rows)
    return np.sort(days * 86400 + (hours * 3600).astype(int))
