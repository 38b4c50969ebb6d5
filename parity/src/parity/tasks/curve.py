"""Plot the losses of a training."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .training import Training

WINDOW = 50  # the moving average spans one WINDOW-th of the training


def png(trainings: Sequence[Training]) -> bytes:
    """A PNG of every training's loss per step, with its metrics below."""
    task = trainings[0].task
    followed = [
        name for name in trainings[0].metrics if all(len(t.history.metrics) > 1 for t in trainings)
    ]
    rows = 1 + len(followed)
    figure = Figure(figsize=(9, 4 + 2.2 * len(followed)), layout="constrained")
    panels = figure.subplots(
        rows, sharex=True, squeeze=False, height_ratios=[2] + [1] * len(followed)
    )[:, 0]
    for i, training in enumerate(trainings):
        losses = np.array(training.history.losses)
        steps = np.arange(1, len(losses) + 1)
        # Curves may coincide: the first is the widest, so that all can be seen.
        style = {"color": f"C{i}", "linewidth": 1.2 + 1.6 * (len(trainings) - 1 - i)}
        name = training.name
        if (size := len(losses) // WINDOW) > 1:
            panels[0].plot(steps, losses, color=f"C{i}", alpha=0.25, linewidth=0.6)
            mean = np.convolve(losses, np.full(size, 1 / size), "valid")
            panels[0].plot(steps[size - 1 :], mean, label=f"{name}, mean of {size}", **style)
        else:
            panels[0].plot(steps, losses, label=name, **style)
        for panel, metric in zip(panels[1:], followed, strict=True):
            found = training.history.metrics
            values = [metrics[metric] for metrics in found.values()]
            panel.plot(list(found), values, marker="o", markersize=3, **style)
            panel.set_ylabel(metric)
    lowest = min(min(each.history.losses) for each in trainings)
    highest = max(max(each.history.losses) for each in trainings)
    if 0 < lowest < highest / 30:
        panels[0].set_yscale("log")
    panels[0].set(ylabel="training loss", title=f"{task.name}: {task.settings.steps} steps")
    panels[0].legend()
    panels[-1].set_xlabel("step")
    for panel in panels:
        panel.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
