"""Wrong trainings, planted in torch to see whether the comparison of a run notices, and when.

Each stands in the place of the right thing, wrong in one respect only. Its docstring tells the
story; the decorator says the run, where the fault stands in the engine, and how what is said of it
begins, as a pattern: the step and the parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from parity.engines import load, torch_gpt
from parity.spec.runs import RUNS

NAMED = {run.name: run for run in RUNS}
TINY = NAMED["tiny"] = replace(NAMED["gpt-tiny"], steps=4, new_tokens=12)
TORCH = load("torch")


@dataclass(frozen=True)
class Fault:
    """wrong stands in place, a dotted name in the package of an engine, or one of its members."""

    run: str
    place: str
    said: str
    wrong: Any

    def members(self) -> dict[str, Any]:
        """What of the engine is another with the fault."""
        member, _, place = self.place.partition(".")
        if member == "package":
            return {"package": Changed(TORCH.package, {place: self.wrong})}
        return {member: self.wrong}


class Changed:
    """A namespace in which other things stand at some dotted places."""

    def __init__(self, space: Any, places: Mapping[str, Any]) -> None:
        self._space, self._places = space, places

    def __getattr__(self, name: str) -> Any:
        if name in self._places:
            return self._places[name]
        inside = {
            place.removeprefix(f"{name}."): thing
            for place, thing in self._places.items()
            if place.startswith(f"{name}.")
        }
        found = getattr(self._space, name)
        return Changed(found, inside) if inside else found


FAULTS: list[Fault] = []


def planted(run: str, place: str, said: str) -> Callable[[Any], Any]:
    """Enter a class or a function into FAULTS."""

    def enter(wrong: Any) -> Any:
        assert wrong.__doc__
        FAULTS.append(Fault(run, place, said, wrong))
        return wrong

    return enter


# Schedulers


@planted("SGD-StepLR", "package.optim.lr_scheduler.StepLR", "step 10: the weights 0.weight ")
class StepsBeforeTheOptimizer(lr_scheduler.StepLR):
    """Is a step ahead, as where scheduler.step() comes before optimizer.step()."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step()


@planted("SGD-StepLR", "package.optim.lr_scheduler.StepLR", "step 11: the weights 0.weight ")
class IsAStepLate(lr_scheduler.StepLR):
    """Takes its first step for its beginning."""

    late = -1  # the step of __init__ is none

    def step(self, epoch: int | None = None) -> None:
        self.late += 1
        if self.late != 1:
            super().step(epoch)


@planted(
    "RMSprop-CosineAnnealingLR",
    "package.optim.lr_scheduler.CosineAnnealingLR",
    "step 2: the weights 0.weight ",
)
class FallsToZero(lr_scheduler.CosineAnnealingLR):
    """Pays no attention to eta_min."""

    def __init__(self, optimizer: Any, T_max: int, eta_min: float) -> None:  # noqa: N803
        super().__init__(optimizer, T_max)


@planted(
    "AdamW-SequentialLR",
    "package.optim.lr_scheduler.SequentialLR",
    "step 8: the weights 0.weight ",
)
class NeverReachesTheNext(lr_scheduler.SequentialLR):
    """Stays with the first of its schedulers."""

    def __init__(self, optimizer: Any, schedulers: Any, milestones: list[int]) -> None:
        super().__init__(optimizer, schedulers, [1000 * milestone for milestone in milestones])


@planted("SGD-LambdaLR", "package.optim.lr_scheduler.LambdaLR", "step 3: the weights 0.weight ")
class MultipliesThePresentRate(lr_scheduler.LambdaLR):
    """Applies each factor to the rate that the last one left, as MultiplicativeLR does."""

    def get_lr(self) -> list[float]:
        factor = self.lr_lambdas[0](self.last_epoch)
        return [group["lr"] * factor for group in self.optimizer.param_groups]


# Clipping


@planted("clip-norm", "package.nn.utils.clip_grad_norm_", "step 1: the gradient of 0.weight ")
def clips_after_the_step(parameters: list[torch.Tensor], max_norm: float) -> None:
    """Comes when the optimizer has stepped, so that it changes nothing."""


@planted("clip-norm", "package.nn.utils.clip_grad_norm_", "step 1: the gradient of 0.weight ")
def clips_every_parameter_alone(parameters: list[torch.Tensor], max_norm: float) -> None:
    """Holds each gradient to the norm that all of them together may have."""
    for parameter in parameters:
        nn.utils.clip_grad_norm_([parameter], max_norm)


@planted("clip-norm", "package.nn.utils.clip_grad_norm_", "step [12]: .* 0.weight ")
def always_scales(parameters: list[torch.Tensor], max_norm: float) -> None:
    """Makes the norm max_norm, also where it is smaller."""
    norm = torch.stack([parameter.grad.norm() for parameter in parameters]).norm()
    for parameter in parameters:
        parameter.grad *= max_norm / norm


@planted("clip-value", "package.nn.utils.clip_grad_value_", "step 1: the gradient of 2.bias ")
def clips_from_above(parameters: list[torch.Tensor], clip_value: float) -> None:
    """Lets the negative ones be as large as they are."""
    for parameter in parameters:
        parameter.grad.clamp_(max=clip_value)


# Accumulation


@planted("accumulate", "call", "step 1: the gradient of 0.weight ")
def divides_nothing(name: str, *args: Any) -> Any:
    """Adds up the gradients of all batches, where it should take their mean."""
    return args[0] if name == "div" else TORCH.call(name, *args)


@planted("accumulate", "package.nn.Linear", "step 1: the gradient of 0.weight ")
class KeepsTheLastGradient(nn.Linear):
    """Writes a gradient over the one that is there, instead of adding to it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.weight.register_hook(self.forget)

    def forget(self, grad: torch.Tensor) -> None:
        self.weight.grad = None


# Dropout


_FIRST: dict[Any, Any] = {}  # masks, by their dtype


@planted("dropout", "tensor", "step 2: the loss ")
def has_the_mask_of_another_step(array: Any, requires_grad: bool = False) -> Any:
    """Keeps the mask of its first step, whichever it is handed."""
    if array.shape == (12, 6):
        array = _FIRST.setdefault(array.dtype, array)
    return TORCH.tensor(array, requires_grad)


@planted("dropout", "package.nn.Dropout", "after the last step: the loss in evaluation ")
class ScalesInEvaluation(nn.Dropout):
    """Is of the old kind, that makes up for what it left out only when it is not training."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if self.training else x * (1 - self.p)


@planted("dropout", "package.nn.Dropout", "after the last step: the loss in evaluation ")
class NeverStops(nn.Dropout):
    """Drops in evaluation too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, self.p, training=True)


# Optimizers


def optimizer(run: str, step: int | str, right: type, story: str, **settings: Any) -> None:
    """Enter an optimizer that has these settings, whichever are asked for or are the default."""

    class Wrong(right):  # type: ignore[misc, valid-type]
        def __init__(self, parameters: Any, **asked: Any) -> None:
            super().__init__(parameters, **(asked | settings))

    Wrong.__doc__, Wrong.__name__ = story, story.rstrip(".").title().replace(" ", "")
    said = f"step {step}: the weights "
    planted(run, f"package.optim.{right.__name__}", said)(Wrong)


optimizer("Adam-ExponentialLR", 2, optim.Adam, "Has the betas of a GPT.", betas=(0.9, 0.95))
optimizer("Adam-ExponentialLR", 1, optim.Adam, "Has a large eps by default.", eps=1e-6)
optimizer("RMSprop-CosineAnnealingLR", 1, optim.RMSprop, "Has Keras's default.", alpha=0.9)
optimizer("RMSprop-CosineAnnealingLR", 1, optim.RMSprop, "Centers nothing.", centered=False)
optimizer("Adagrad-LinearLR", 2, optim.Adagrad, "Never slows down.", lr_decay=0.0)
optimizer("Adagrad-LinearLR", 1, optim.Adagrad, "Starts from some.", initial_accumulator_value=0.1)
optimizer("SGD-StepLR", 1, optim.SGD, "Does not look ahead.", nesterov=False)
optimizer("SGD-StepLR", 1, optim.SGD, "Decays nothing.", weight_decay=0.0)
optimizer("AdamW-SequentialLR", "[25]", optim.AdamW, "Forgets its maxima.", amsgrad=False)
optimizer("tiny", 1, optim.AdamW, "Is a thousandth too fast.", lr=1.001e-2)
optimizer("tiny", 1, optim.AdamW, "Decays a hundredth less.", weight_decay=0.099)
optimizer("tiny", 1, optim.AdamW, "Has torch's eps.", eps=1e-8)
optimizer("tiny", 2, optim.AdamW, "Remembers its maxima.", amsgrad=True)
# The first step does not depend on the betas: its correction of the bias undoes them.
optimizer("tiny", 2, optim.AdamW, "Has a slower square.", betas=(0.9, 0.951))
optimizer("tiny", 2, optim.AdamW, "Has a slower mean.", betas=(0.901, 0.95))


@planted("sales", "package.optim.Adam", "step 2: the weights 0.weight ")
class LetsGradientsPileUp(optim.Adam):
    """Never zeroes a gradient."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        pass


@planted("sales", "package.optim.Adam", "step 1: the weights 2.bias ")
class ForgetsTheLast(optim.Adam):
    """Trains all parameters but one."""

    def __init__(self, parameters: Any, **settings: Any) -> None:
        super().__init__(parameters[:-1], **settings)


# Models


@planted(
    "tiny",
    "package.gpt.GPT",
    "building the model: other parameters than torch's: missing none, extra lm_head.weight",
)
class HasTwoTables(torch_gpt.GPT):
    """Writes tokens by a table of its own."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(config)
        self.lm_head.weight = nn.Parameter(self.lm_head.weight.detach().clone())


@planted("tiny", "package.gpt.GPT", "step 1: the gradient of transformer.wte.weight ")
class LearnsOnlyToRead(torch_gpt.GPT):
    """Has one table, with the gradient of one of its uses."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(config)
        self.lm_head.forward = lambda x: x @ self.lm_head.weight.detach().T


@planted("tiny", "package.gpt.GPT", "after the last step: transformer.wte.weight and lm_head.w")
class SavesTheTableItHad(torch_gpt.GPT):
    """Gives the first numbers of its table under the second name."""

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        self.had = {name: torch.as_tensor(value).clone() for name, value in state_dict.items()}
        return super().load_state_dict(state_dict, strict, assign)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        state = super().state_dict(*args, **kwargs)
        if hasattr(self, "had"):
            state["lm_head.weight"] = self.had["lm_head.weight"]
        return state


@planted("tiny", "package.gpt.GPT", "step 1: the gradient of transformer.h.1.mlp.c_fc.weight ")
class IsATenThousandthOff(torch_gpt.GPT):
    """Has one gradient that is slightly too large."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(config)
        weight = self.transformer.h[1].mlp.c_fc.weight
        weight.register_hook(lambda gradient: gradient * (1 + 1e-4))


@planted("tiny", "package.gpt.GPT", "step 1: ")
class HasAnotherGelu(torch_gpt.GPT):
    """Has GELU's exact form, where GPT-2 has that of the tanh."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(config)
        for block in self.transformer.h:
            block.mlp.forward = lambda x, mlp=block.mlp: mlp.c_proj(nn.functional.gelu(mlp.c_fc(x)))


@planted("names", "package.gpt.GPT", "step 1: the loss ")
class HasTheUsualNorm(torch_gpt.GPT):
    """Pays no attention to norm; without a bias the names are the same."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(replace(config, norm="layer_norm"))


@planted("names", "package.gpt.GPT", "step 1: the loss ")
class HasTheUsualActivation(torch_gpt.GPT):
    """Pays no attention to activation."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(replace(config, activation="gelu"))


@planted("gpt-dropout", "package.gpt.GPT", "step 1: the loss ")
class ForgetsADropout(torch_gpt.GPT):
    """Leaves out nothing of what its first MLP says."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        super().__init__(config)
        self.transformer.h[0].mlp.dropout = nn.Identity()


@planted("tiny", "package.gpt.GPT", "step 3: the loss is inf eps ")
class FallsIntoNaN(torch_gpt.GPT):
    """Has a loss that is no number at the third call."""

    calls = 0

    def forward(self, idx: torch.Tensor, targets: Any = None, cache: Any = None) -> Any:
        self.calls += 1
        logits, loss = super().forward(idx, targets, cache)
        return logits, loss if loss is None or self.calls < 3 else loss * float("nan")


@planted("tiny", "package.gpt.GPT", "step 2: ValueError: no second time")
class Raises(torch_gpt.GPT):
    """Raises an error in a step."""

    calls = 0

    def forward(self, idx: torch.Tensor, targets: Any = None, cache: Any = None) -> Any:
        self.calls += 1
        if self.calls == 2:
            raise ValueError("no second time")
        return super().forward(idx, targets, cache)


@planted("tiny", "package.gpt.GPT", "building the model: TypeError: no such model")
class CannotBeBuilt(torch_gpt.GPT):
    """Raises an error before there is a step."""

    def __init__(self, config: torch_gpt.GPTConfig) -> None:
        raise TypeError("no such model")


# Text


@planted("tiny", "package.gpt.KVCache", "after the last step: the logits with a cache is ")
class MixesUpItsPast(torch_gpt.KVCache):
    """Gives the values of the past in another order than its keys."""

    def extend(self, layer: nn.Module, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        keys, values = super().extend(layer, k, v)
        return torch.stack((keys, values.flip(2)))


@planted("tiny", "package.gpt.KVCache", "after the last step: the logits with a cache is ")
class CountsFromNothing(torch_gpt.KVCache):
    """Gives every piece of a text the first positions."""

    length = property(lambda self: 0, lambda self, value: None)


@planted("tiny", "package.gpt.GPT", "after the last step: the model with its cache writes ")
class ForgetsItsPrompt(torch_gpt.GPT):
    """Keeps nothing: what it writes with a cache follows from one token alone."""

    def generate(self, idx: torch.Tensor, max_new_tokens: int, **how: Any) -> torch.Tensor:
        if not how["use_cache"]:
            return super().generate(idx, max_new_tokens, **how)
        for _ in range(max_new_tokens):
            idx = torch.cat((idx, super().generate(idx[:, -1:], 1)[:, -1:]), dim=1)
        return idx


@planted("tiny", "package.gpt.GPT", "after the last step: ValueError: nothing to say")
class IsSilent(torch_gpt.GPT):
    """Raises an error when all steps are done."""

    def generate(self, idx: torch.Tensor, max_new_tokens: int, **how: Any) -> torch.Tensor:
        raise ValueError("nothing to say")


@planted("tiny", "package.gpt.GPT", "after the last step: the model writes 'the   ")
class WritesBlanks(torch_gpt.GPT):
    """Takes the first character for the likeliest."""

    def generate(self, idx: torch.Tensor, max_new_tokens: int, **how: Any) -> torch.Tensor:
        return torch.cat((idx, torch.zeros(1, max_new_tokens, dtype=torch.int64)), dim=1)
