"""Faults of layers, optimizers and schedulers.

Each is a class that replaces its base class, with one thing wrong. Its docstring tells what; its
decorator names the checks that must reject it, and no others may.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import nn, ops, optim
from minigrad.optim import lr_scheduler

from .catalogue import Fault

FAULTS: list[Fault] = []


def planted(space: Any, *checks: str, raises: bool = False) -> Callable[[type], type]:
    """Register a class as a fault, in place of the class that it derives from."""

    def enter(wrong: type) -> type:
        title, name = wrong.__name__, wrong.__bases__[0].__name__
        assert wrong.__doc__
        FAULTS.append(Fault(name, title, wrong, frozenset(checks), raises=raises, space=space))
        wrong.__name__ = name  # a layer's repr shows the name of its class
        return wrong

    return enter


BOTH = ("training", "evaluation")
STEPS = ("steps", "resumed")


@planted(nn, "initial")
class TakesTheOutputsForTheInputs(nn.Linear):
    """Draws its weight for fan_out, and its bias with it."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(out_features), 1 / math.sqrt(out_features))


@planted(nn, "initial")
class BeginsWithABiasOfZero(nn.Linear):
    """Has a bias of zeros at first, as other libraries do."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


@planted(nn, "initial")
class IsNormal(nn.Linear):
    """Draws numbers of the right deviation, but normal ones."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        nn.init.kaiming_normal_(self.weight, math.sqrt(5))


@planted(nn, "form")
class SaysNothingOfItself(nn.Linear):
    """Leaves its arguments out of its repr."""

    def extra_repr(self) -> str:
        return ""


@planted(nn, "form")
class LoadsWhateverFits(nn.Linear):
    """Is never strict, so that a misspelt checkpoint trains from scratch."""

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> Any:
        return super().load_state_dict(state_dict, strict=False)


@planted(nn, "initial")
class DrawsUniformRows(nn.Embedding):
    """Draws uniform rows of the right deviation."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__(num_embeddings, embedding_dim)
        nn.init.uniform_(self.weight, -math.sqrt(3), math.sqrt(3))


@planted(nn, "initial")
class ForgetsTheWindow(nn.Conv2d):
    """Counts channels as its inputs, and not the pixels of each."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        bound = 1 / math.sqrt(self.in_channels / self.groups)
        nn.init.uniform_(self.weight, -bound, bound)


@planted(nn, "training")
class DoesNotScaleWhatItKeeps(nn.Dropout):
    """Does not scale up what it keeps."""

    def forward(self, x: Any) -> Any:
        return ops.mul(super().forward(x), 1 - self.p) if self.training else x


@planted(nn, "evaluation")
class NeverStops(nn.Dropout):
    """Leaves out in eval too."""

    def forward(self, x: Any) -> Any:
        return ops.dropout(x, self.p, True)


@planted(nn, "training")
class KeepsTheBiasedVariance(nn.BatchNorm1d):
    """Updates its running variance with the biased one."""

    def forward(self, x: Any) -> Any:
        running, tracked = self.running_var, self.num_batches_tracked
        before = running.data.copy() if running is not None else np.zeros(1)
        y = super().forward(x)
        if self.training and running is not None and tracked is not None:
            n = x.numel() / self.num_features
            kept = (1 - (1 / tracked.item() if self.momentum is None else self.momentum)) * before
            running.data = kept + (running.data - kept) * (n - 1) / n
        return y


@planted(nn, "training")
class SwapsItsMomentum(nn.BatchNorm1d):
    """Takes momentum for the share of the old statistics, as optimizers do."""

    def forward(self, x: Any) -> Any:
        momentum = self.momentum
        if momentum is not None:
            self.momentum = 1 - momentum
        y = super().forward(x)
        self.momentum = momentum
        return y


@planted(nn, "training")
class HasNoCumulativeMean(nn.BatchNorm2d):
    """Takes a momentum of None for the usual one."""

    def forward(self, x: Any) -> Any:
        momentum, self.momentum = self.momentum, self.momentum or 0.1 * (self.momentum is None)
        y = super().forward(x)
        self.momentum = momentum
        return y


@planted(nn, "evaluation")
class GoesByTheBatchInEval(nn.BatchNorm2d):
    """Normalizes by the batch in evaluation, too."""

    def forward(self, x: Any) -> Any:
        if self.training:
            return super().forward(x)
        return ops.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


@planted(nn, *BOTH)
class ForgetsItsBias(nn.LayerNorm):
    """Has a bias, and does not add it."""

    def forward(self, x: Any) -> Any:
        return ops.layer_norm(x, self.normalized_shape, self.weight, None, self.eps)


@planted(nn, *BOTH)
class GuardsWithTheUsualEps(nn.RMSNorm):
    """Takes an eps of None for 1e-5, not for that of the dtype."""

    def forward(self, x: Any) -> Any:
        eps = 1e-5 if self.eps is None else self.eps
        return ops.rms_norm(x, self.normalized_shape, self.weight, eps)


@planted(nn, "form")
class PutsItsBiasFirst(nn.GroupNorm):
    """Has its parameters in another order, by which optimizers would know them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        weight = vars(self).pop("weight")
        self.weight = weight


@planted(nn, *BOTH)
class TakesTrueForMay(nn.MultiheadAttention):
    """Reads its mask as scaled_dot_product_attention does: True may take part."""

    def forward(self, *args: Any, attn_mask: Any = None, **kwargs: Any) -> Any:
        if attn_mask is not None and attn_mask.dtype == bool:
            attn_mask = ops.logical_not(attn_mask)
        return super().forward(*args, attn_mask=attn_mask, **kwargs)


@planted(nn, *BOTH)
class ShowsTheFirstHeadsWeights(nn.MultiheadAttention):
    """Returns the weights of one head for the mean of all."""

    def forward(self, *args: Any, average_attn_weights: bool = True, **kwargs: Any) -> Any:
        y, weights = super().forward(*args, average_attn_weights=False, **kwargs)
        if average_attn_weights and weights is not None:
            weights = ops.select(weights, weights.ndim - 3, 0)
        return y, weights


@planted(nn, "evaluation")
class KeepsItsModulesInTraining(nn.Sequential):
    """Does not pass eval() on to its modules."""

    def train(self, mode: bool = True) -> Any:
        self.training = mode
        return self


@planted(nn, "form", *BOTH, raises=True)
class HasAPlainWeight(nn.CrossEntropyLoss):
    """Keeps the weights of classes where neither to() nor state_dict finds them."""

    def __init__(self, weight: Any = None, **kwargs: Any) -> None:
        super().__init__(None, **kwargs)
        self._buffer_names = ()
        self.weight = weight


@planted(optim, *STEPS)
class DampensTheFirstStep(optim.SGD):
    """Begins its momentum with zeros, and so with a dampened gradient."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        state.setdefault("momentum_buffer", np.zeros_like(data))
        return super().updated(data, grad, state, group)


@planted(optim, *STEPS)
class LooksNoFurther(optim.SGD):
    """Ignores nesterov."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        return super().updated(data, grad, state, {**group, "nesterov": False})


@planted(optim, *STEPS)
class DecaysUphill(optim.SGD):
    """Makes the weights grow where it maximizes."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        sign = -1 if group["maximize"] else 1
        decay = sign * group["weight_decay"]
        return super().updated(data, grad, state, {**group, "weight_decay": decay})


@planted(optim, *STEPS)
class LeavesItsGradientNegated(optim.SGD):
    """Climbs as it should, and writes the negated gradient where the gradient was."""

    def step(self) -> None:
        super().step()
        for parameter, group in self._members():
            if group["maximize"] and parameter.grad is not None:
                parameter.grad.data *= -1


@planted(optim, *STEPS)
class StepsWithoutAGradient(optim.SGD):
    """Takes no gradient for one of zeros: momentum and decay go on."""

    def step(self) -> None:
        for parameter, _ in self._members():
            if parameter.grad is None:
                parameter.grad = ops.zeros_like(parameter)
        super().step()


@planted(optim, *STEPS)
class SavesMoreThanTorch(optim.SGD):
    """Has a step count in its state, where torch's has none."""

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        return {**state, "state": {i: {**each, "step": 1} for i, each in state["state"].items()}}

    def load_state_dict(self, state_dict: Any) -> None:
        entries = state_dict["state"].items()
        plain = {i: {n: v for n, v in each.items() if n != "step"} for i, each in entries}
        super().load_state_dict({**state_dict, "state": plain})


@planted(optim, *STEPS)
class ForgetsWhatItBeganWith(optim.Adagrad):
    """Begins with no squares, whatever was asked for."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        return super().updated(data, grad, state, {**group, "initial_accumulator_value": 0})


@planted(optim, *STEPS)
class DecaysItsRateOneStepEarly(optim.Adagrad):
    """Decays its rate at the first step already."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        decay, step = group["lr_decay"], state.get("step", 0) + 1
        rate = group["lr"] * (1 + (step - 1) * decay) / (1 + step * decay)
        return super().updated(data, grad, state, {**group, "lr": rate})


@planted(optim, *STEPS)
class SavesTheRootsOfItsSums(optim.Adagrad):
    """Saves roots and squares what it loads, and so can resume from itself alone."""

    def state_dict(self) -> dict[str, Any]:
        return self._raised(super().state_dict(), 0.5)

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(self._raised(state_dict, 2))

    def _raised(self, state: Any, power: float) -> dict[str, Any]:
        entries = state["state"].items()
        return {**state, "state": {i: {**each, "sum": each["sum"] ** power} for i, each in entries}}


@planted(optim, *STEPS)
class HasItsEpsInTheRoot(optim.RMSprop):
    """Takes the root of the squares and eps, as TensorFlow does."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        grad = grad + group["weight_decay"] * data
        square = state.get("square_avg", np.zeros_like(data))
        state["square_avg"] = square = group["alpha"] * square + (1 - group["alpha"]) * grad * grad
        state["step"] = state.get("step", 0) + 1
        if group["centered"]:
            mean = state.get("grad_avg", np.zeros_like(data))
            state["grad_avg"] = mean = mean + (1 - group["alpha"]) * (grad - mean)
            square = square - mean * mean
        move = grad / np.sqrt(square + group["eps"])
        if group["momentum"]:
            buffer = state.get("momentum_buffer", np.zeros_like(data))
            state["momentum_buffer"] = move = group["momentum"] * buffer + move
        return data - group["lr"] * move


@planted(optim, *STEPS)
class NeverCounts(optim.RMSprop):
    """Takes every step for its first, which shows in its state alone."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        state["step"] = 0
        return super().updated(data, grad, state, group)


@planted(optim, *STEPS)
class CountsStepsForAll(optim.Adam):
    """Corrects for the steps of the optimizer, not for those of the parameter."""

    steps = 0

    def step(self) -> None:
        self.steps += 1
        super().step()

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        state["step"] = self.steps - 1
        return super().updated(data, grad, state, group)


@planted(optim, *STEPS)
class HasTheMaximumOfTheCorrected(optim.Adam):
    """Takes the maximum of the corrected squares; torch corrects the maximum."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        if not group["amsgrad"]:
            return super().updated(data, grad, state, group)
        largest = state.pop("max_exp_avg_sq", np.zeros_like(data))
        plain = {**group, "amsgrad": False, "lr": 1.0, "weight_decay": 0, "eps": 0.0}
        super().updated(data, grad, state, plain)
        (beta1, beta2), step = group["betas"], state["step"]
        corrected = state["exp_avg_sq"] / (1 - beta2**step)
        state["max_exp_avg_sq"] = largest = np.maximum(largest, corrected)
        mean = state["exp_avg"] / (1 - beta1**step)
        return data - group["lr"] * mean / (np.sqrt(largest) + group["eps"])


@planted(optim, *STEPS)
class DecaysThroughTheGradient(optim.AdamW):
    """Is Adam: what decays is divided by the size of the gradient."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        return super().updated(data, grad, state, {**group, "decoupled_weight_decay": False})


@planted(optim, *STEPS)
class SavesItsMeansInDouble(optim.AdamW):
    """Has a mean in float64 in its state, whatever its parameters are in."""

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        entries = state["state"].items()
        wide = {i: {**each, "exp_avg": each["exp_avg"].astype("float64")} for i, each in entries}
        return {**state, "state": wide}


@planted(optim, *STEPS)
class HasOneGroup(optim.AdamW):
    """Gives all parameters the options of the first group."""

    def updated(self, data: Any, grad: Any, state: Any, group: Any) -> Any:
        return super().updated(data, grad, state, self.param_groups[0])


@planted(optim, "resumed")
class BeginsAnewWhenLoaded(optim.RMSprop):
    """Loads the options, but not the state."""

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict({**state_dict, "state": {}})


@planted(optim, "resumed")
class CountsItsOwnStepsAlone(optim.Adam):
    """Loads a step count only if it is an int, as its own are; torch's are tensors."""

    def load_state_dict(self, state_dict: Any) -> None:
        state = {
            i: {name: each for name, each in entry.items() if name != "step" or type(each) is int}
            for i, entry in state_dict["state"].items()
        }
        super().load_state_dict({**state_dict, "state": state})


@planted(optim, "resumed", raises=True)
class HasItsOwnWordForAlpha(optim.RMSprop):
    """Saves alpha as decay, which torch does not know, and reads either."""

    def state_dict(self) -> dict[str, Any]:
        return self._renamed(super().state_dict(), "alpha", "decay")

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(self._renamed(state_dict, "decay", "alpha"))

    def _renamed(self, state: Any, old: str, new: str) -> dict[str, Any]:
        groups = [
            {new if name == old else name: value for name, value in group.items()}
            for group in state["param_groups"]
        ]
        return {**state, "param_groups": groups}


@planted(optim, "resumed")
class GoesOnAtTheSameRateAlone(optim.AdamW):
    """Loads the state and the rate, but no other option."""

    def load_state_dict(self, state_dict: Any) -> None:
        groups = zip(self.param_groups, state_dict["param_groups"], strict=True)
        kept = [{**own, "lr": new["lr"], "params": new["params"]} for own, new in groups]
        super().load_state_dict({**state_dict, "param_groups": kept})


@planted(lr_scheduler, "rates")
class IsOneStepEarly(lr_scheduler.StepLR):
    """Counts epochs from 1."""

    def get_lr(self) -> list[float]:
        self.last_epoch += 1
        rates = super().get_lr()
        self.last_epoch -= 1
        return rates if self.last_epoch else self._present()


@planted(lr_scheduler, "rates")
class CannotBeChained(lr_scheduler.ExponentialLR):
    """Computes its rate from the initial one, and undoes what another scheduler did."""

    def get_lr(self) -> list[float]:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


@planted(lr_scheduler, "rates")
class GoesOnPastItsEnd(lr_scheduler.LinearLR):
    """Does not stop after total_iters."""

    def get_lr(self) -> list[float]:
        rise = (self.end_factor - self.start_factor) / self.total_iters
        return [lr * (self.start_factor + rise * self.last_epoch) for lr in self.base_lrs]


@planted(lr_scheduler, "rates")
class StaysAtItsMinimum(lr_scheduler.CosineAnnealingLR):
    """Does not rise again after T_max."""

    def get_lr(self) -> list[float]:
        return self._present() if self.last_epoch > self.T_max else super().get_lr()


@planted(lr_scheduler, "rates")
class KeepsItsRatesInSinglePrecision(lr_scheduler.CosineAnnealingLR):
    """Has rates that float32 holds, as the weights have that they move."""

    def get_lr(self) -> list[float]:
        return [float(np.float32(lr)) for lr in super().get_lr()]


@planted(lr_scheduler, "rates")
class HasOneFunctionForAll(lr_scheduler.LambdaLR):
    """Takes the first of its functions for every group."""

    def get_lr(self) -> list[float]:
        return [lr * self.lr_lambdas[0](self.last_epoch) for lr in self.base_lrs]


@planted(lr_scheduler, "rates")
class GoesOnWithoutAChange(lr_scheduler.StepLR):
    """Sets no rate for its first epoch, in which the rate may change if it goes on from another."""

    def get_lr(self) -> list[float]:
        return self._present() if self._is_initial else super().get_lr()


@planted(lr_scheduler, "rates")
class ForgetsItsEpoch(lr_scheduler.CosineAnnealingLR):
    """Does not load its epoch."""

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict({**state_dict, "last_epoch": 0})


@planted(lr_scheduler, "rates")
class KeepsItsOwnFactors(lr_scheduler.LinearLR):
    """Loads its epoch, but not its factors."""

    def load_state_dict(self, state_dict: Any) -> None:
        own = {name: vars(self)[name] for name in ("start_factor", "end_factor", "total_iters")}
        super().load_state_dict({**state_dict, **own})


@planted(lr_scheduler, "rates")
class ChangesOneEpochLate(lr_scheduler.SequentialLR):
    """Takes a milestone for the last epoch of a scheduler."""

    def __init__(
        self, optimizer: Any, schedulers: Any, milestones: Any, last_epoch: int = -1
    ) -> None:
        late = [epoch + 1 for epoch in milestones]
        super().__init__(optimizer, schedulers, late, last_epoch)
