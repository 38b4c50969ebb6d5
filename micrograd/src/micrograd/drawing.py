"""The graph behind a Value, as text that Graphviz draws: https://graphviz.org/doc/info/lang.html"""

from __future__ import annotations

from operator import attrgetter

from .engine import Value


def draw(value: Value) -> str:
    """A box with its number for value, and for all that a gradient from it reaches, oldest first.

    Leaves are round. An arrow leads to each from its parents, as edges() has them, and is labelled
    with the slope. Raises RuntimeError for a graph that backward() has freed.
    """
    made_of = {value: value.edges()}
    waiting = [value]
    while waiting:
        for parent, _ in made_of[waiting.pop()]:
            if parent not in made_of:
                made_of[parent] = parent.edges()
                waiting.append(parent)
    every = sorted(made_of, key=attrgetter("index"))
    names = {each: f"v{i}" for i, each in enumerate(every)}
    lines = ["digraph {", "  rankdir=LR; node [shape=box]"]
    for each in every:
        round_ = "" if made_of[each] else " shape=ellipse"
        lines.append(f'  {names[each]} [label="{each.data:.4g}"{round_}]')
        for parent, slope in made_of[each]:
            lines.append(f'  {names[parent]} -> {names[each]} [label="{slope:.4g}"]')
    return "\n".join([*lines, "}"])
