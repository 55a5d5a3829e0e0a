"""A partitioned model: the same Hugging Face model, whose forward pass takes ``data_labels``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.model.asked import check_choices, check_groups, check_model, check_policy
from gradmask.model.attached import (
    Gradmask,
    coverage,
    gradmask_of,
    partitioned,
    plain_class,
)
from gradmask.model.comparison import Comparison
from gradmask.model.engines import refuse_sharded
from gradmask.model.forward import RoutedForward, batch_size
from gradmask.model.freezing_proof import leak
from gradmask.model.manifest import seal, write_manifest
from gradmask.model.mixing import settle_mixing
from gradmask.model.mixing_proof import kept_apart
from gradmask.model.padding import shifts
from gradmask.model.quantized_base import check_no_loss, prepare_quantized, repack, unpacked
from gradmask.model.quantized_saving import forget_adapters, note_adapters, saved_whole
from gradmask.model.recomputation import checkpoint_under_route, unwrap_checkpointing, wrap_checkpointing
from gradmask.model.removal import warn_of_experts
from gradmask.model.resume_hooks import install
from gradmask.model.resuming import mark, obey_mark
from gradmask.model.rights import Groups, granted
from gradmask.model.scratch import scratch, storing
from gradmask.model.stepping import watch
from gradmask.model.trl_head import keep_labels
from gradmask.partitioning import (
    Architecture,
    Cut,
    GroupSpec,
    SilentExperts,
    Slice,
    Units,
    checked,
    cut,
    find_architecture,
    infer,
    is_built_in,
    restore,
)
from gradmask.partitioning.kernel.pickling import reduced
from gradmask.partitioning.kernel.zero_gradients import Exactness
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.surgery.resizing import check_tokens_kept, plain_tables
from gradmask.routing.distillation import add_distillation, remove_distillation
from gradmask.routing.policy import Policy, resolve_policy
from gradmask.routing.rehearsal import add_loss_weighting, remove_loss_weighting
from gradmask.routing.router import Router, label_ids
from gradmask.routing.selflabeling import SelfLabeler, SelfLabeling

logger = logging.getLogger(__name__)
install()


if TYPE_CHECKING:

    class Mixin(PreTrainedModel):
        def generate(self, *args: Any, **kwargs: Any) -> Any: ...
        def init_continuous_batching(self, *args: Any, **kwargs: Any) -> Any: ...
        def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> Any: ...

else:
    Mixin = object  # what is mixed in comes before a class that is a model already


class Partitioned(Mixin):
    """Mixed into a model's class by `partition`; ``gradmask_plain`` is the class as it was."""

    gradmask: Gradmask
    gradmask_plain: type[PreTrainedModel]

    # A check in `__call__`, since some libraries replace `forward` (TRL, Liger): labels would be dropped without a word.
    @partial(torch.compiler.disable, recursive=False)
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.gradmask.context.reached = False
        output = super().__call__(*args, **kwargs)
        if kwargs.get("data_labels") is not None and not self.gradmask.context.reached:
            raise GradmaskError(
                f"data_labels was given, but something replaced this {type(self).__name__}'s forward by a function "
                "that ignores it: replace forward before gm.partition, or do not replace it"
            )
        return output

    def __setattr__(self, name: str, value: Any) -> None:
        # TRL assigns to `model.forward` after the model is partitioned
        super().__setattr__(name, keep_labels(self, value) if name == "forward" else value)
        if name == "training":  # `train()` and `eval()` set it; layers ask their context, which knows no model
            self.gradmask.context.training = value

    def _set_gradient_checkpointing(self, *args: Any, **kwargs: Any) -> None:
        """See `gradmask.model.recomputation`."""
        if "gradient_checkpointing_func" in kwargs:
            checkpoint = kwargs["gradient_checkpointing_func"]
            kwargs["gradient_checkpointing_func"] = partial(checkpoint_under_route, checkpoint, self.gradmask.context)
        super()._set_gradient_checkpointing(*args, **kwargs)

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """As of the plain model. Owners stay as they were, and groups' own tables get rows of zeros for new tokens."""
        check_tokens_kept(self.gradmask.cut.slices, new_num_tokens)
        with plain_tables(self):
            super().resize_token_embeddings(new_num_tokens, *args, **kwargs)
        return self.get_input_embeddings()

    def get_parameter(self, target: str) -> nn.Parameter:
        """As of the plain model: of a layer that is cut, a merged copy (Transformers asks for the shape when it saves experts)."""
        if target in (shapes := vars(self).get("gradmask_shapes", {})):  # of an export, which may be smaller
            return nn.Parameter(torch.empty(shapes[target], device="meta"), requires_grad=False)
        path, _, name = target.rpartition(".")
        value = getattr(self.get_submodule(path), name, None)
        plain = isinstance(value, nn.Parameter) or not isinstance(value, Tensor)
        return super().get_parameter(target) if plain else nn.Parameter(value.detach(), requires_grad=False)

    def __reduce_ex__(self, protocol: Any) -> Any:
        refuse_sharded(self)
        plain = super().__reduce_ex__(max(protocol, 2))
        return reduced(self, plain, partitioned_class, self.gradmask_plain)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        mark(self, destination, prefix)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any, **kwargs: Any
    ) -> None:
        obey_mark(self, local_metadata)  # the model's own entries come first, so nothing is loaded yet
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args, **kwargs)

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Write the plain checkpoint, merged, and ``gradmask.json`` beside it."""
        given = (
            len(args) > 1 or kwargs.get("state_dict") is not None or hasattr(type(self), "set_requires_gradient_sync")
        )
        warn_of_experts(self.gradmask)
        with nullcontext() if given else self._merging_on_disk(Path(save_directory)), saved_whole(self):
            super().save_pretrained(save_directory, *args, **kwargs)
        if kwargs.get("is_main_process", True):
            write_manifest(Path(save_directory), self.gradmask.manifest())
            seal(Path(save_directory))

    @contextmanager
    def _merging_on_disk(self, folder: Path) -> Iterator[None]:
        """Within: a state dict takes no memory of its own."""
        with scratch(folder / "weights") as store, storing(self.gradmask.context, store):
            yield

    def generate(self, *args: Any, groups: Groups | None = None, **kwargs: Any) -> Any:
        """Plain generation; weights are merged once for the whole call.

        Args:
            groups: for each prompt, the names of the removable groups that run for it (`gradmask.rights`); by default all
                run for all.

        Raises:
            GradmaskError: not as many sets of groups as prompts, or see `gradmask.rights`.
        """
        scope = nullcontext() if groups is None else self._granted(groups, args, kwargs)
        with scope, self.gradmask.context.merging_once(), torch.no_grad():
            return super().generate(*args, **kwargs)

    def init_continuous_batching(self, *args: Any, **kwargs: Any) -> Any:
        """As of the plain model: everything runs.

        Raises:
            GradmaskError: called inside `gradmask.without`, `gradmask.rights` or `gradmask.labels`.
        """
        if self.gradmask.context.is_narrowed:
            raise GradmaskError(
                "Transformers' continuous batching (generate_batch) runs on a thread of its own, where gm.without, gm.rights and "
                "gm.labels of this thread do not hold, and it shares prefixes between all requests: use "
                "model.generate(..., groups=...), or an export without the groups (docs/serving.md)"
            )
        return super().init_continuous_batching(*args, **kwargs)

    def _granted(self, groups: Groups, args: Any, kwargs: Any) -> AbstractContextManager[None]:
        prompts = batch_size(args, kwargs) if any(isinstance(v, Tensor) for v in (*args, *kwargs.values())) else 1
        if not isinstance(groups, str) and len(groups) != prompts:
            raise GradmaskError(
                f"groups has {len(groups)} entries, but there are {prompts} prompts: give one set of group names for each"
            )
        if kwargs.get("encoder_outputs") is not None:
            raise GradmaskError(
                "encoder_outputs was given beside groups, and nothing says which groups ran when it was computed: give input_ids"
            )
        return granted(self, groups, expands=True)


def partitioned_class(cls: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """``cls`` with a forward pass that takes data labels.

    The class is replaced, not `forward` on the instance: Trainer reads the signature of the instance's `forward` to keep the
    column data_labels, but `find_labels` reads the class's and must see the plain one (`RoutedForward` gives both). The name
    stays: Transformers writes it into config.json, and PEFT and Accelerate look it up.
    """
    return _partitioned_class(cls, cls.forward)  # libraries replace `forward` on a class, too (Liger)


@cache
def _partitioned_class(cls: type[PreTrainedModel], forward: Any) -> type[PreTrainedModel]:
    namespace = {"forward": RoutedForward(forward), "gradmask_plain": cls}
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return type(cls.__name__, (Partitioned, cls), {**namespace, **names})


def partition(
    model: PreTrainedModel,
    groups: Mapping[str, GroupSpec] | None = None,
    joint: Sequence[str] | None = None,
    policy: str | Policy = "strict",
    seed: int = 0,
    self_labeling: SelfLabeling | bool = False,
    *,
    architecture: Architecture | Literal["infer"] | None = None,
    exact: Exactness = True,
    units: Units | None = None,
    base: Literal["learning", "frozen"] = "learning",
    labels: Literal["required", "optional"] = "required",
    silent_experts: SilentExperts | None = None,
) -> PreTrainedModel:
    """Partition a Hugging Face model into groups of parameters, in place; its outputs do not change.

    Args:
        model: any supported architecture (`gradmask.supported`), new or pretrained.
        groups: removable group -> its `Slice` or `Adapter`; by default one group ``forget`` with 1/32 of the heads and 1/16 of the
            neurons (at least one of each).
        joint: what every label updates and nothing removes: kinds (``embeddings``, ``head``, ``untied_head``, ``norms``,
            ``outer_norms``, ``attention``, ``mlp``, ``projections``, ``attention_projections``, ``mlp_projections``, ``biases``,
            ``unsliced_blocks``; docs/slices.md says what they are) or glob patterns of parameter names. By default what is
            joint where the policy was published (`Policy.joint_by_default`), but nothing with ``base="frozen"``; ``[]`` is
            nothing.
        policy: a built-in policy's name, or a `Policy`. The default, ``"strict"``, is SGTM's table with nothing joint.
        seed: of the policy's random draws.
        self_labeling: route unlabeled examples by their loss with and without each group (`SelfLabeling`; True is its
            default). For causal language models with labels per example.
        architecture: where the model keeps its heads and neurons, instead of what is registered for its type; or
            ``"infer"``: find them by shape, proven on the model itself in a few short passes (`infer`).
        exact: False or ``"split"`` give zero gradients, instead of none, to what must not learn, so that momentum and weight
            decay move it as in the published code, with its optimizer ``legacy`` or ``split``; only for comparison with it
            (`gradmask.partitioning.kernel.zero_gradients`). One optimizer over all parameters does either.
        units: the exact units of every site, as a checkpoint records them; by default the slices say.
        labels: ``"required"``: a training pass with gradients and without data labels is an error, so that labels that are lost
            on their way stop training; ``"optional"``: such a pass is plain training, in which everything learns.
        silent_experts: what routers do with experts that do not run: ``"around"``: they cannot be chosen, as if deleted;
            ``"renormalise"``: their share goes to the others that were chosen; ``"zeros"``: their share is lost
            (docs/slices.md). By default ``"around"`` where all routers can do it exactly, else ``"zeros"``.
        base: ``"frozen"``: the retain group never learns, as LoRA users expect; ``"learning"``: the policy decides.

    Returns:
        ``model`` itself, whose forward pass now takes ``data_labels``.

    Raises:
        GradmaskError: an unknown architecture, a group larger than a layer, a name that matches nothing, a model that is
            partitioned already, something on a layer that would be lost (a pruning mask, a patched ``forward``, …), or
            outputs on a made-up batch (a few tokens; hooks of the model see it) that differ afterwards. Nothing has been
            changed then.
    """
    check_model(model)
    slices = dict(groups) if groups is not None else {"forget": Slice(heads=1 / 32, neurons=1 / 16)}
    check_groups(slices)
    check_choices(exact=exact, base=base, labels=labels)
    mixing = prepare_quantized(model, slices, base, architecture)
    table = resolve_policy(policy)
    check_policy(model, slices, table)
    with unpacked(model):
        comparison = Comparison(model)
        record = _cut(model, architecture, slices, table, joint, units, base == "frozen", silent_experts)
        record.context.labels_required, record.context.training = labels == "required", model.training
        router = Router(table, record.context, tuple(slices), seed)
        router.predicts_next = shifts(model)
        labeler = _labeler(self_labeling)
        _attach(model, Gradmask(record, table, router, labeler=labeler, exact=exact, mixing=mixing))
        _check_outputs(model, comparison, slices)
    note_adapters(model)
    watch(model)
    logger.info("%s", coverage(model))
    return model


def _cut(
    model: PreTrainedModel,
    architecture: Architecture | Literal["infer"] | None,
    slices: dict[str, GroupSpec],
    table: Policy,
    joint: Sequence[str] | None,
    units: Units | None,
    frozen: bool,
    silent_experts: SilentExperts | None,
) -> Cut:
    """Cut the model, with what is joint by the policy, too; the record lists what is joint beside that."""
    given = tuple(joint or ())
    shared = [*given, *(p for p in table.joint if p not in given)]
    defaults = table.joint_by_default if joint is None and not frozen else ()
    record = cut(model, _architecture(model, architecture), slices, shared, units, frozen, defaults, silent_experts)
    record.joint = tuple(p for p in record.joint if p in given or p not in table.joint)
    return record


def _attach(model: PreTrainedModel, gradmask: Gradmask) -> None:
    """Make a model that is cut route: `unpartition` takes all of this off again."""
    partitioned(model).gradmask = gradmask
    gradmask.obey(gradmask.policy)
    model.config.data_labels = label_ids(gradmask.removable)
    model.__class__ = partitioned_class(type(model))
    wrap_checkpointing(model, gradmask.context)
    add_loss_weighting(model, gradmask.router)
    add_distillation(model, gradmask.router)


def _check_outputs(model: PreTrainedModel, comparison: Comparison, slices: Mapping[str, GroupSpec]) -> None:
    """Undo the partition and raise where it changed what the model computes."""
    record = gradmask_of(model).cut
    # grown layers, and the grouped kernels of experts, add up the same numbers in another order
    rounds = any(spec.new for spec in slices.values()) or any(isinstance(m, RowWise) for m in model.modules())
    trial = comparison.trial()
    difference, kind = comparison.difference(model, exact=not rounds, trial=trial), "computes"
    if difference is None and comparison.batch is not None and comparison.before is not None:
        difference = None if is_built_in(record.architecture) else leak(model, comparison.batch)
        kind = "trains"
    undo_growth, record.undo_growth = record.undo_growth, []
    if difference is None:
        gradmask_of(model).limits = settle_mixing(model, record.context, trial)
        if comparison.batch is not None and not is_built_in(record.architecture):
            _note_disturbed(model, comparison.batch)
        return
    unpartition(model)
    for undo in undo_growth:
        undo()
    raise GradmaskError(
        f"gm.partition would change what this {type(model).__name__} {kind}: {difference}. It was undone. Something hooks "
        "into, or reads past, a layer that is cut: partition a freshly loaded model, and change it afterwards; if that fails "
        "too, its gm.Architecture does not describe it"
    )


def _note_disturbed(model: PreTrainedModel, batch: Mapping[str, Any]) -> None:
    """Refuse mixed labels where rows of a batch do not keep them apart."""
    gradmask = gradmask_of(model)
    if "example" in gradmask.limits or (group := kept_apart(model, batch)) is None:
        return
    reason = f"with mixed labels, {group!r} on one example changes the outputs of the others"
    gradmask.limits, gradmask.rows_meet = {**gradmask.limits, "example": reason, "token": reason}, reason
    logger.warning("this %s takes no labels per example: %s", type(model).__name__, reason)


def unpartition(model: PreTrainedModel) -> PreTrainedModel:
    """Undo `partition` in place: the plain model again, with everything that it learned, bit for bit.

    Raises:
        GradmaskError: the model is not partitioned, or adapters on quantized layers would be lost.
    """
    check_no_loss(model)
    gradmask = gradmask_of(model)
    gradmask.ranks.remove_hooks()
    forget_adapters(model)
    repack(model)
    restore(model, gradmask.cut)
    model.__class__ = plain_class(model)
    del model.gradmask
    delattr(model.config, "data_labels")
    unwrap_checkpointing(model)
    remove_loss_weighting(model)
    remove_distillation(model)
    return model


def _architecture(model: PreTrainedModel, given: Architecture | Literal["infer"] | None) -> Architecture:
    if given is None:
        return find_architecture(model)
    if given != "infer":
        return checked(given)
    inferred = infer(model)
    logger.warning("found by shape in %s: %s", type(model).__name__, inferred)
    return inferred


def _labeler(setting: SelfLabeling | bool) -> SelfLabeler | None:
    if isinstance(setting, SelfLabeling):
        return SelfLabeler(setting)
    return SelfLabeler(SelfLabeling()) if setting else None
