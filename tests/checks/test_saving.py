"""The exercise on files of chapter 2 against right answers and planted mistakes."""

import copy

import torch
from cases import Case, ask, standard

from ippy.checks import saving
from ippy.models import load_weights, save_weights


def save(model, path):
    torch.save(model.state_dict(), path)


def load(path, network):
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def load_in_place(path, network):
    network.eval()
    network.load_state_dict(torch.load(path, weights_only=True), strict=True)


def load_by_hand(path, network):
    stored = torch.load(path, weights_only=True)
    own = network.state_dict()
    if stored.keys() != own.keys():
        raise ValueError("another network")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stored[name])
    return network.train(False)


def save_in_a_checkpoint(model, path):
    torch.save({"model": model.state_dict(), "step": 12}, path)


def load_from_a_checkpoint(path, network):
    checkpoint = torch.load(path, weights_only=True)
    network.load_state_dict(checkpoint["model"])
    return network.eval()


def load_into_a_copy(path, network):
    fresh = copy.deepcopy(network)
    fresh.load_state_dict(torch.load(path, weights_only=True), assign=True)
    return fresh.eval()


def save_through_a_file(model, path):
    with open(path, "wb") as file:
        torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, file)


def save_as_numbers(model, path):
    torch.save([(name, tensor.tolist()) for name, tensor in model.state_dict().items()], path)


def load_numbers(path, network):
    pairs = torch.load(path, weights_only=True)
    network.load_state_dict({name: torch.tensor(values) for name, values in pairs})
    return network.eval()


def saves(function):
    return function, load


def loads(function):
    return save, function


def loaded(path, network, **options):
    return network.load_state_dict(torch.load(path, weights_only=True), **options)


def loads_and(end):
    def answer(path, network):
        loaded(path, network)
        return end(network)

    return loads(answer)


def load_what_fits(path, network):
    own = network.state_dict()
    stored = torch.load(path, weights_only=True)
    own.update({name: tensor for name, tensor in stored.items() if name in own})
    network.load_state_dict(own)
    return network.eval()


def load_whatever(path, network):
    try:
        loaded(path, network)
    except RuntimeError as error:
        print("ignored:", str(error)[:10])
    return network.eval()


def not_loaded(path, network):
    torch.load(path, weights_only=True)
    return network.eval()


def into_a_dictionary(path, network):
    network.state_dict().update(torch.load(path, weights_only=True))
    return network.eval()


def trusting(path, network):
    network.load_state_dict(torch.load(path, weights_only=False))
    return network.eval()


def saved_anew(model, path):
    fresh = copy.deepcopy(model)
    for layer in fresh.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    torch.save(fresh.state_dict(), path)


def starter(*arguments):
    raise NotImplementedError("your code here")


SAVE_AND_LOAD = Case(
    "save_and_load",
    starter=(starter, starter),
    right=[
        (save, load),
        (save, load_in_place),
        (save_through_a_file, load_by_hand),
        (save_in_a_checkpoint, load_from_a_checkpoint),
        (save, load_into_a_copy),
        (save_as_numbers, load_numbers),
        (save_weights, lambda path, network: load_weights(network, path)),
    ],
    wrong={
        saving.NO_FILE: [
            saves(lambda model, path: model.state_dict()),
            saves(lambda model, path: torch.save(model.state_dict(), f"{path}.pth")),
            saves(lambda model, path: torch.save(model.state_dict(), path.with_name("model"))),
        ],
        saving.WHOLE_MODEL: [
            (
                lambda model, path: torch.save(model, path),
                lambda path, network: torch.load(path, weights_only=False).eval(),
            ),
            saves(lambda model, path: torch.save(copy.deepcopy(model), path)),
            saves(lambda model, path: torch.save({"model": model, "step": 3}, path)),
        ],
        saving.INCOMPLETE: [
            saves(lambda model, path: torch.save(dict(model.named_parameters()), path)),
            (
                lambda model, path: torch.save(
                    {n: p.detach() for n, p in model.named_parameters()}, path
                ),
                lambda path, network: (loaded(path, network, strict=False), network.eval())[1],
            ),
            saves(
                lambda model, path: torch.save(
                    {n: t for n, t in model.state_dict().items() if n.endswith(("weight", "bias"))},
                    path,
                )
            ),
        ],
        saving.OTHER_WEIGHTS: [
            saves(saved_anew),
            saves(lambda m, p: torch.save({n: 0 * t for n, t in m.state_dict().items()}, p)),
            saves(lambda m, p: save(saving._probe(7), p)),
        ],
        saving.NOT_LOADED: [
            loads(not_loaded),
            loads(into_a_dictionary),
            loads(lambda path, network: network.eval()),
        ],
        saving.RETURNS_REPORT: [
            loads(loaded),
            loads(lambda path, network: (network.eval(), loaded(path, network))[1]),
            loads(lambda path, network: network.eval().load_state_dict(torch.load(path))),
        ],
        saving.WITHOUT_EVAL: [
            loads_and(lambda network: network),
            loads_and(lambda network: None),
            loads_and(lambda network: network.eval().train()),
            loads_and(lambda network: (network[0].eval(), network)[1]),
        ],
        saving.MISMATCH_HIDDEN: [
            loads(lambda path, network: (loaded(path, network, strict=False), network.eval())[1]),
            loads(load_what_fits),
            loads(load_whatever),
        ],
        saving.RUNS_CODE: [
            loads(trusting),
            loads(
                lambda path, network: (
                    network.eval().load_state_dict(
                        torch.load(path, map_location="cpu", weights_only=False)
                    )
                    and network
                )
            ),
            (
                save,
                lambda path, network: (
                    load_by_hand(path, network) if torch.load(path, weights_only=False) else network
                ),
            ),
        ],
    },
)


CASES = [SAVE_AND_LOAD]

globals().update(standard(CASES, saving))


def test_what_one_answer_set_off_is_not_held_against_the_next():
    assert ask("save_and_load", loads(trusting)).mistake.name == saving.RUNS_CODE.name
    assert ask("save_and_load", (save, load))
