"""The exercises of chapter 3 on the optimiser: one training step, and going on after a break."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ippy.checks.training import SUM_OF_SQUARES, WRONG_TARGET
from ippy.checks.verdict import Mistake, close, differs, exercise, run, tensor

NO_STEP = Mistake(
    "no step",
    "The optimiser makes no step in your function: the weights stay as they are.",
    "The gradient alone changes nothing; optimiser.step() does.",
    "The loop",
)
NO_BACKWARD = Mistake(
    "no backward",
    "The optimiser steps without a gradient: nobody has computed one.",
    "loss.backward() finds the gradient. It stands between the loss and the step.",
    "The loop",
)
STEP_BEFORE_BACKWARD = Mistake(
    "step before backward",
    "The optimiser steps before this batch has its gradient.",
    "First the gradient, backward(), then the step along it.",
    "The loop",
)
ZERO_GRAD_AFTER_BACKWARD = Mistake(
    "zero_grad between backward and step",
    "The gradient was found, and thrown away before the step could use it.",
    "zero_grad() belongs before backward(), or after step().",
    "The loop",
)
ZERO_GRAD_FORGOTTEN = Mistake(
    "zero_grad forgotten",
    "From the second call on, the step uses the sum of all gradients so far.",
    "backward() adds to the gradients that are there: who clears them?",
    "Mistakes without a message",
)
EVAL_MODE = Mistake(
    "model left in evaluation mode",
    "The network came from a validation, in evaluation mode, and was trained in that mode.",
    "One call puts it back into training mode, before it is used.",
    "The network's two modes",
)

WHOLE_OBJECT = Mistake(
    "objects instead of their states",
    "What you return cannot be saved and read back safely: it holds whole objects.",
    "state_dict() of the network and of the optimiser, get_state() of the generator.",
    "Saving, loading, going on",
)
WEIGHTS_FORGOTTEN = Mistake(
    "weights not restored",
    "After your function, the network that was handed to it does not have the saved weights.",
    "load_state_dict changes an object; an assignment, model = ..., gives a name to another one.",
    "Saving, loading, going on",
)
OPTIMISER_FORGOTTEN = Mistake(
    "optimiser not restored",
    "The weights are back, but the optimiser has forgotten the gradients that it remembered.",
    "Adam keeps two averages for each weight; they are in its state_dict().",
    "Saving, loading, going on",
)
GENERATOR_FORGOTTEN = Mistake(
    "generator not restored",
    "Network and optimiser are back, but the random numbers do not go on where they were.",
    "get_state() and set_state() keep the place in the sequence; a seed knows only its beginning.",
    "Saving, loading, going on",
)

EVALUATION_FACTOR = 0.5


class ModeNetwork(nn.Module):
    """A 3×3 convolution whose output is half as large in evaluation mode, so that modes show."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.linspace(-0.2, 0.4, 9).view(1, 1, 3, 3)
        self.weight = nn.Parameter(weight)

    def forward(self, y_delta: Tensor) -> Tensor:
        factor = 1.0 if self.training else EVALUATION_FACTOR
        return factor * F.conv2d(y_delta, self.weight, padding=1)


class RecordingSGD(torch.optim.SGD):
    """Plain gradient descent that notes when it steps, and along which gradient."""

    def __init__(self, weight: nn.Parameter, events: list[tuple[str, Tensor]]) -> None:
        super().__init__([weight], lr=0.1)
        self.weight, self.events = weight, events

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.events.append(("step", _gradient_of(self.weight)))
        super().step()
        return loss


def _gradient_of(weight: Tensor) -> Tensor:
    """A copy of the gradient that lies at a weight; zero if there is none."""
    return torch.zeros_like(weight) if weight.grad is None else weight.grad.detach().clone()


@exercise("One training step", chapter=3, praise="Right: forget, find, step.")
def training_step(answer: Callable[..., Any]) -> Mistake | None:
    """One step down mean((model(y_delta) − x)²), called as answer(model, optimiser, y_delta, x).

    Three calls with three batches. Each time the network comes in evaluation mode, as a validation
    leaves it; what happens, and with which gradient, is written down in the order of events.
    """
    model, events = ModeNetwork(), list[tuple[str, Tensor]]()
    optimiser = RecordingSGD(model.weight, events)
    model.weight.register_hook(lambda gradient: events.append(("backward", gradient.clone())))
    source = torch.Generator().manual_seed(0)
    for _ in range(3):
        x, y_delta = torch.rand(2, 4, 1, 8, 8, generator=source)
        weight, left = model.weight.detach().clone(), _gradient_of(model.weight)
        events.clear()
        model.eval()
        result = run(answer, model, optimiser, y_delta, x)
        mistake = _wrong_order(events, left) or _wrong_gradient(events, weight, y_delta, x)
        if mistake is not None:
            return mistake
        value, (loss, _) = tensor(result, ()), _loss_and_gradient(weight, y_delta, x)
        if not close(value, loss, 1e-5):
            return differs(value, loss)
    return None


def _wrong_order(events: list[tuple[str, Tensor]], left: Tensor) -> Mistake | None:
    """What the order of backward, zero_grad and step tells; `left` lay there before the call."""
    names = [name for name, _ in events]
    if "step" not in names:
        return NO_STEP
    if names.count("step") > 1:
        sentence = f"The optimiser makes {names.count('step')} steps in one call, instead of one."
        return Mistake("more than one step", sentence)
    place = names.index("step")
    if place == 0:
        return STEP_BEFORE_BACKWARD if "backward" in names else NO_BACKWARD
    used, found = events[place][1], torch.stack([g for _, g in events[:place]]).sum(dim=0)
    if not used.any():
        return ZERO_GRAD_AFTER_BACKWARD
    if left.any() and close(used, left + found, 1e-6):
        return ZERO_GRAD_FORGOTTEN
    return None


def _wrong_gradient(
    events: list[tuple[str, Tensor]], weight: Tensor, y_delta: Tensor, x: Tensor
) -> Mistake | None:
    """Compare the gradient of the step with the true one, and with those of mistakes."""
    used = next(gradient for name, gradient in events if name == "step")
    _, expected = _loss_and_gradient(weight, y_delta, x)
    if close(used, expected, 1e-6):
        return None
    if close(used, _loss_and_gradient(weight, y_delta, x, EVALUATION_FACTOR)[1], 1e-6):
        return EVAL_MODE
    if close(used, _loss_and_gradient(weight, y_delta, y_delta)[1], 1e-6):
        return WRONG_TARGET
    if any(close(used / n, expected, 1e-6) for n in (x.numel(), x[0].numel())):
        return SUM_OF_SQUARES
    sentence = "The step does not use the gradient of the mean of (model(y_delta) − x)²."
    return Mistake("another gradient", sentence, "Write the loss on a line of its own.")


def _loss_and_gradient(
    weight: Tensor, y_delta: Tensor, target: Tensor, factor: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The mean squared error of the probe, and its gradient."""
    weight = weight.clone().requires_grad_()
    loss = F.mse_loss(factor * F.conv2d(y_delta, weight, padding=1), target)
    return loss.detach(), torch.autograd.grad(loss, weight)[0]


Run = tuple[nn.Module, torch.optim.Optimizer, torch.Generator]


def _start(seed: int) -> Run:
    torch.manual_seed(seed)
    model = nn.Conv2d(1, 1, 3, padding=1)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    return model, optimiser, torch.Generator().manual_seed(seed)


def _go_on(model: nn.Module, optimiser: torch.optim.Optimizer, source: torch.Generator) -> None:
    for _ in range(4):
        x = torch.rand(2, 1, 8, 8, generator=source)
        loss = F.mse_loss(model(x), x**2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@exercise("Going on as if nothing had happened", chapter=3, praise="Right: to the last bit.")
def resume(save: Callable[..., Any], restore: Callable[..., Any]) -> Mistake | None:
    """save(model, optimiser, generator) → state; restore(state, model, optimiser, generator).

    The state is written and read as a checkpoint is, and put into freshly made objects, with
    which the training must go on to the same weights.
    """
    model, optimiser, generator = _start(0)
    _go_on(model, optimiser, generator)
    state = run(save, model, optimiser, generator)
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:
        return WHOLE_OBJECT
    fresh = _start(1)
    if not callable(restore):
        run(restore)  # says that it is no function
    run(lambda: (restore(loaded, *fresh), True))  # a function that returns nothing is right here
    if not _same(fresh[0].state_dict(), model.state_dict()):
        return WEIGHTS_FORGOTTEN
    if not _same(fresh[1].state_dict()["state"], optimiser.state_dict()["state"]):
        return OPTIMISER_FORGOTTEN
    if not torch.equal(fresh[2].get_state(), generator.get_state()):
        return GENERATOR_FORGOTTEN
    _go_on(*fresh)
    _go_on(model, optimiser, generator)
    if not _same(fresh[0].state_dict(), model.state_dict()):
        sentence = "All seems restored, but four steps later the weights differ."
        return Mistake("another way on", sentence, "Restore nothing but what was saved.")
    return None


def _same(a: Any, b: Any) -> bool:
    """Whether two nested states hold the same numbers."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return bool(torch.equal(torch.as_tensor(a), torch.as_tensor(b)))
