"""What hangs on a layer besides its weight and bias: carried over where that is exact, refused by name elsewhere.

Forward and backward hooks are carried over: the layer that takes the place of the plain one shares its dictionaries of
hooks, so that a handle's ``remove()`` goes on working. Whatever reads or makes the weight as a whole cannot go on working
once each group has a parameter of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.sites import ExpertSite, Projection, Site

HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
)
STATE_HOOKS = (
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def check_attachments(model: PreTrainedModel, cut_sites: Iterable[Site], adapted: Iterable[Projection]) -> None:
    """Raise before anything is changed where a layer has something on it that the partition would lose.

    Args:
        model: the plain model.
        cut_sites: the sites out of which groups take units.
        adapted: the layers that get adapters.

    Raises:
        GradmaskError: names each layer, what hangs on it, and what to do.
    """
    problems = list(_problems(model, list(cut_sites), list(adapted)))
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise GradmaskError("gm.partition would lose what hangs on these layers: " + "; ".join(problems[:3]) + more)


def _problems(model: PreTrainedModel, cut_sites: list[Site], adapted: list[Projection]) -> Iterator[str]:
    experts = [module for site in cut_sites if isinstance(site, ExpertSite) for module in site.modules]
    dense = [p for site in cut_sites if not isinstance(site, ExpertSite) for p in site.projections]
    for projection in dense:
        yield from (f"{projection.name} {problem}" for problem in _of_a_cut_layer(projection.module))
    for name, module in experts:
        yield from (f"{name} {problem}" for problem in (*_of_code(module), *_of_tensors(module)))
    entries = [each for site in cut_sites if not isinstance(site, ExpertSite) for each in site.entries]
    for each in entries:
        yield from (f"{each.path} {problem}" for problem in _of_tensors(each.module))
    for projection in adapted:
        yield from (f"{projection.name} {problem}" for problem in _of_code(projection.module))
    seen = {id(p.module) for p in dense}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, Conv1D, nn.Embedding)) and id(module) not in seen:
            yield from (f"{name} {problem}" for problem in _of_weight(module))
    yield from _shared(model, [*((p.name, p.module) for p in dense), *((e.path, e.module) for e in entries), *experts])


def _of_a_cut_layer(module: nn.Module) -> Iterator[str]:
    weight_problems = list(_of_weight(module))
    yield from (*_of_code(module), *weight_problems)
    if weight_problems:
        return  # the buffers and parameters below are those of the problem named
    buffers, children = list(module._buffers), [name for name, _ in module.named_children()]
    unknown = [n for n, p in module._parameters.items() if p is not None and n not in ("weight", "bias")]
    for what, names in (("buffers", buffers), ("child modules", children), ("parameters", unknown)):
        if names:
            yield f"has {what} of its own ({', '.join(names)}): take them off, or partition before they are added"
    if any(getattr(module, hooks, None) for hooks in STATE_HOOKS):
        yield "has state-dict hooks: register them on its block, or remove them before gm.partition"
    if module._backward_hooks and not module._is_full_backward_hook:
        yield "has a deprecated backward hook, which sees single operations: use register_full_backward_hook"
    yield from _of_tensors(module)


def _of_code(module: nn.Module) -> Iterator[str]:
    """A ``forward`` of the instance's own: a closure over a layer that is about to be replaced."""
    if "forward" not in module.__dict__:
        return
    if "_hf_hook" in module.__dict__:
        hook = type(module.__dict__["_hf_hook"]).__name__
        yield (
            f"has accelerate's {hook} around its forward: partition before accelerate dispatches the model, or call "
            "accelerate.hooks.remove_hook_from_submodules(model) first"
        )
    else:
        yield (
            "has a patched forward (set on the instance), which would go on reading the weight that is taken apart: remove it "
            "(del layer.forward) and use register_forward_hook, which is carried over"
        )


def _of_weight(module: nn.Module) -> Iterator[str]:
    """A weight or bias that is not a parameter: computed from other tensors in every pass."""
    if parametrize.is_parametrized(module):
        names = ", ".join(vars(module)["_modules"]["parametrizations"])
        yield (
            f"has a parametrization of {names}: make it permanent with "
            "torch.nn.utils.parametrize.remove_parametrizations(layer, name), then partition"
        )
        return
    for name in ("weight", "bias"):
        if f"{name}_mask" in module._buffers:
            yield (
                f"is pruned ({name}_orig, {name}_mask): make it permanent with torch.nn.utils.prune.remove(layer, {name!r}), and "
                "prune again after training, since pruned entries learn"
            )
        elif f"{name}_g" in module._parameters:
            yield f"has weight_norm on {name}: call torch.nn.utils.remove_weight_norm(layer, {name!r}) first"
        elif f"{name}_u" in module._buffers:
            yield f"has spectral_norm on {name}: call torch.nn.utils.remove_spectral_norm(layer, {name!r}) first"
        elif name == "weight" and module._parameters.get(name) is None:
            yield "has a weight that is no parameter: make it one before gm.partition"


def _of_tensors(module: nn.Module) -> Iterator[str]:
    for name, parameter in module._parameters.items():
        if parameter is None:
            continue
        if type(parameter) is not nn.Parameter or not parameter.is_floating_point():
            yield (
                f"has a {name} of type {type(parameter).__name__} and {parameter.dtype}, and only ordinary floating-point "
                "parameters can be cut: partition before quantizing or sharding"
            )
        elif parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            yield (
                f"has a hook on the gradient of {name}, which would never run: remove it, and register it on the parts "
                f"after gm.partition (layer.named_parameters() names them {name}_<group>)"
            )


def _shared(model: PreTrainedModel, layers: list[tuple[str, nn.Module]]) -> Iterator[str]:
    """One parameter in two places, of which at least one is cut: the two would train apart."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    reported: set[int] = set()
    for _, module in layers:
        for parameter in module._parameters.values():
            if (
                parameter is not None
                and len(same := names.get(id(parameter), [])) > 1
                and id(parameter) not in reported
            ):
                reported.add(id(parameter))
                yield (
                    f"{' and '.join(same)} are one parameter, which would be cut apart: give each a parameter of its own "
                    "(nn.Parameter(weight.detach().clone())), or leave these blocks out of the slices (layers=[...])"
                )


def carry_over(plain: nn.Module, split: nn.Module) -> None:
    """Give ``split`` the hooks of ``plain`` (the same dictionaries), its mode and its other Python attributes."""
    for name in HOOKS:
        split.__dict__[name] = plain.__dict__[name]
    split.__dict__.update({k: v for k, v in plain.__dict__.items() if k not in split.__dict__})
    split.training = plain.training


def give_back(split: nn.Module, plain: nn.Module) -> None:
    """The reverse of `carry_over`: what was registered or changed since is on ``plain`` too."""
    own = {*vars(nn.Module()), *HOOKS}
    for name in HOOKS:
        plain.__dict__[name] = split.__dict__[name]
    plain.__dict__.update({k: split.__dict__[k] for k in plain.__dict__ if k in split.__dict__ and k not in own})
    plain.training = split.training
