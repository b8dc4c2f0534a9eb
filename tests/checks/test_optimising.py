"""The checks on the training step and on going on after a break."""

import copy

import torch
import torch.nn.functional as F
from cases import Case, ask, standard
from torch import nn

from ippy.checks import optimising, training


def step_of_the_loop(model, optimiser, y_delta, x):
    model.train()
    loss = nn.MSELoss()(model(y_delta), x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def cleared_first(model, optimiser, y_delta, x):
    optimiser.zero_grad(set_to_none=False)
    model.train()
    loss = (model(y_delta) - x).square().mean()
    loss.backward()
    optimiser.step()
    return loss


def cleared_last(model, optimiser, y_delta, x):
    loss = F.mse_loss(model.train()(y_delta), x)
    loss.backward()
    optimiser.step()
    model.zero_grad()
    return float(loss.detach())


def by_closure(model, optimiser, y_delta, x):
    model.train()

    def closure():
        optimiser.zero_grad()
        loss = F.mse_loss(model(y_delta), x)
        loss.backward()
        return loss

    return optimiser.step(closure)


def by_autograd_grad(model, optimiser, y_delta, x):
    model.train()
    weights = list(model.parameters())
    loss = F.mse_loss(model(y_delta), x)
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient
    optimiser.step()
    return loss.detach().numpy()


def in_pieces(model, optimiser, y_delta, x):
    model.train()
    for weight in model.parameters():
        weight.grad = None
    total = 0.0
    for y, z in zip(y_delta.split(1), x.split(1), strict=True):
        loss = F.mse_loss(model(y), z) / len(x)
        loss.backward()
        total += loss.item()
    optimiser.step()
    return total


def in_pieces_uncleared(model, optimiser, y_delta, x):
    model.train()
    losses = [F.mse_loss(model(y), z) for y, z in zip(y_delta.split(1), x.split(1), strict=True)]
    for loss in losses:
        (loss / len(x)).backward()
    optimiser.step()
    return sum(loss.item() for loss in losses) / len(x)


class Step:
    def __call__(self, model, optimiser, y_delta, x):
        mode = model.training
        try:
            return step_of_the_loop(model, optimiser, y_delta, x)
        finally:
            model.train(mode)


def step(*order, loss_of=lambda model, y, x: F.mse_loss(model(y), x), train=True):
    """A training step whose last lines come in the given order."""

    def made(model, optimiser, y_delta, x):
        model.train(train)
        loss = loss_of(model, y_delta, x)
        for name in order:
            if name == "zero_grad":
                optimiser.zero_grad()
            elif name == "zeros":
                optimiser.zero_grad(set_to_none=False)
            elif name == "backward":
                loss.backward()
            elif name == "step":
                optimiser.step()
        return loss.item()

    return made


RIGHT_ORDER = ("zero_grad", "backward", "step")


def late_mode(model, optimiser, y_delta, x):
    x_hat = model(y_delta)
    model.train()
    return step("zero_grad", "backward", "step", loss_of=lambda *a: F.mse_loss(x_hat, x))(
        model, optimiser, y_delta, x
    )


def no_mode(model, optimiser, y_delta, x):
    loss = F.mse_loss(model(y_delta), x)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def by_hand(model, optimiser, y_delta, x):
    model.train()
    loss = F.mse_loss(model(y_delta), x)
    for weight, gradient in zip(
        model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
    ):
        weight.data -= 0.1 * gradient
    return loss.item()


def against(target, reduce="mean"):
    return step(*RIGHT_ORDER, loss_of=target)


def save(model, optimiser, generator):
    return {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "generator": generator.get_state(),
    }


def restore(state, model, optimiser, generator):
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    generator.set_state(state["generator"])


def save_tuple(*parts):
    return [parts[0].state_dict(), parts[1].state_dict(), parts[2].get_state().tolist()]


def restore_tuple(state, model, optimiser, generator):
    generator.set_state(torch.tensor(state[2], dtype=torch.uint8))
    optimiser.load_state_dict(state[1])
    model.load_state_dict(state[0])
    return model, optimiser, generator


def save_copies(model, optimiser, generator):
    return copy.deepcopy(save(model, optimiser, generator)) | {"step": 4}


def restore_by_hand(state, model, optimiser, generator):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(state["model"][name])
    restore({**state, "model": model.state_dict()}, model, optimiser, generator)


def save_flat(model, optimiser, generator):
    weights = {f"w.{name}": value for name, value in model.state_dict().items()}
    return {**weights, "o": optimiser.state_dict(), "g": generator.get_state()}


def restore_flat(state, model, optimiser, generator):
    model.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("w.")})
    optimiser.load_state_dict(state["o"])
    generator.set_state(state["g"])
    return "done"


class Save:
    def __call__(self, model, optimiser, generator):
        return save(model, optimiser, generator)


def without(part):
    def some(state, model, optimiser, generator):
        objects = {"model": model, "optimiser": optimiser}
        for name in {"model", "optimiser"} - {part}:
            objects[name].load_state_dict(state[name])
        if part != "generator":
            generator.set_state(state["generator"])

    return some


def rebound_model(state, model, optimiser, generator):
    model = nn.Conv2d(1, 1, 3, padding=1)
    restore(state, model, optimiser, generator)


def rebound_optimiser(state, model, optimiser, generator):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    restore(state, model, optimiser, generator)


def rebound_generator(state, model, optimiser, generator):
    restore(state, model, optimiser, torch.Generator())


def settings_alone(state, model, optimiser, generator):
    restore(state | {"optimiser": optimiser.state_dict()}, model, optimiser, generator)


def saved_seed(model, optimiser, generator):
    return save(model, optimiser, generator) | {"seed": generator.initial_seed()}


def restored_seed(state, model, optimiser, generator):
    without("generator")(state, model, optimiser, generator)
    generator.manual_seed(state["seed"])


def not_begun(*arguments):
    raise NotImplementedError("your code here")


CASES = [
    Case(
        "training_step",
        right=[
            step_of_the_loop,
            cleared_first,
            cleared_last,
            by_closure,
            by_autograd_grad,
            in_pieces,
            Step(),
        ],
        wrong={
            optimising.ZERO_GRAD_FORGOTTEN: [
                step("backward", "step"),
                in_pieces_uncleared,
                step("backward", "step", loss_of=lambda m, y, x: (m(y) - x).pow(2).mean()),
            ],
            optimising.STEP_BEFORE_BACKWARD: [
                step("zero_grad", "step", "backward"),
                step("step", "zero_grad", "backward"),
                step("step", "backward"),
            ],
            optimising.ZERO_GRAD_AFTER_BACKWARD: [
                step("backward", "zero_grad", "step"),
                step("backward", "zeros", "step"),
                step("zero_grad", "backward", "zero_grad", "step"),
            ],
            optimising.NO_STEP: [
                step("zero_grad", "backward"),
                by_hand,
                lambda model, optimiser, y, x: F.mse_loss(model.train()(y), x),
            ],
            optimising.NO_BACKWARD: [
                step("zero_grad", "step"),
                step("step"),
                step("step", "zero_grad"),
            ],
            optimising.EVAL_MODE: [no_mode, late_mode, step(*RIGHT_ORDER, train=False)],
            training.WRONG_TARGET: [
                against(lambda model, y, x: F.mse_loss(model(y), y)),
                against(lambda model, y, x: (y - model(y)).square().mean()),
                against(lambda model, y, x: nn.MSELoss()(y, model(y))),
            ],
            training.SUM_OF_SQUARES: [
                against(lambda model, y, x: F.mse_loss(model(y), x, reduction="sum")),
                against(lambda model, y, x: (model(y) - x).square().sum()),
                against(lambda model, y, x: (model(y) - x).square().sum() / len(x)),
            ],
        },
    ),
    Case(
        "resume",
        right=[
            (save, restore),
            (save_tuple, restore_tuple),
            (save_copies, restore),
            (save, restore_by_hand),
            (save_flat, restore_flat),
            (Save(), restore),
        ],
        wrong={
            optimising.WHOLE_OBJECT: [
                (lambda *parts: parts, lambda state, *parts: None),
                (lambda m, o, g: save(m, o, g) | {"model": m}, restore),
                (lambda m, o, g: save(m, o, g) | {"optimiser": o}, restore),
            ],
            optimising.WEIGHTS_FORGOTTEN: [
                (save, without("model")),
                (save, rebound_model),
                (save, lambda state, *parts: None),
            ],
            optimising.OPTIMISER_FORGOTTEN: [
                (save, without("optimiser")),
                (save, rebound_optimiser),
                (save, settings_alone),
            ],
            optimising.GENERATOR_FORGOTTEN: [
                (save, without("generator")),
                (save, rebound_generator),
                (saved_seed, restored_seed),
            ],
        },
        starter=(not_begun, not_begun),
    ),
]

globals().update(standard(CASES, optimising))


def test_two_steps_in_a_call_are_counted():
    verdict = ask("training_step", step("zero_grad", "backward", "step", "step"))
    assert verdict.mistake.name == "more than one step"
    assert "2 steps" in str(verdict)


def test_the_loss_is_that_of_before_the_step():
    def afterwards(model, optimiser, y_delta, x):
        step_of_the_loop(model, optimiser, y_delta, x)
        return F.mse_loss(model(y_delta), x).item()

    assert ask("training_step", afterwards).mistake.name == "another value"


def test_another_loss_is_told():
    absolute = step(*RIGHT_ORDER, loss_of=lambda model, y, x: F.l1_loss(model(y), x))
    assert ask("training_step", absolute).mistake.name == "another gradient"


def test_what_is_no_function_is_told():
    assert ask("resume", (save, 3)).mistake.name == "not a function"
    assert ask("resume", (save, None)).mistake.name == "not begun"
