"""What hangs on layers that are cut, writes to them, and what enters afterwards."""

from __future__ import annotations

from tests.stacks.rows import EXACT, REFUSED, Row

HANGS, RESIZED = (f"partitioning/surgery/test_{name}.py::test_" for name in ("attachments", "resizing"))
MERGED, ENTERS, COMPARED = (
    "partitioning/kernel/test_merged.py::test_",
    "model/test_membership.py::test_",
    "model/test_comparison.py::test_",
)
REFUSES = HANGS + "what_cannot_be_carried_over_is_refused_by_name_and_nothing_changes"
EDITS = MERGED + "an_edit_of_a_cut_layer_is_the_edit_of_the_plain_one"
ENTERED = ENTERS + "what_enters_is_named_before_it_learns"

ROWS = [
    Row("forward hooks of a layer that is cut", EXACT, "carried over and given back; handles go on removing them", HANGS + "a_forward_hook_goes_on_working_and_its_handle_removes_it_at_any_time"),
    Row("a hook registered on a cut layer, then `gm.unpartition`", EXACT, "it stays", HANGS + "a_hook_that_was_registered_on_the_cut_layer_stays_when_the_cut_is_undone"),
    Row("pre-hooks and full backward hooks of a layer that is cut", EXACT, "they see what they saw", HANGS + "pre_hooks_with_keywords_and_full_backward_hooks_see_what_they_saw"),
    Row("Python attributes of parameters (`_no_weight_decay`), pending gradients, modes", EXACT, "carried to every part and back", HANGS + "python_attributes_gradients_and_modes_are_carried_to_every_part_and_back"),
    Row("pruning, weight_norm, spectral_norm, a parametrization", REFUSED, "make it permanent, then partition", REFUSES),
    Row("a pruned head or embedding", REFUSED, "make it permanent, then partition", HANGS + "a_pruned_layer_that_is_owned_whole_is_refused_too"),
    Row("a patched `forward` of a layer that is cut, accelerate's dispatch hooks", REFUSED, "use `register_forward_hook`; dispatch after the partition", REFUSES),
    Row("a patched `forward` of a layer that is not cut", EXACT, "nothing more", HANGS + "a_patched_forward_elsewhere_is_left_alone"),
    Row("a patched `forward` of the model", REFUSED, "partition first", HANGS + "a_model_whose_own_forward_is_patched_is_refused"),
    Row("hooks on the gradient of a weight that is cut", REFUSED, "register them on the parts", REFUSES),
    Row("state-dict hooks, buffers, child modules of a layer that is cut", REFUSED, "names them", REFUSES),
    Row("one parameter of two layers that are cut", REFUSED, "names both", HANGS + "one_parameter_of_two_layers_is_refused_where_it_would_be_cut_apart"),
    Row("one module in two blocks that are cut", REFUSED, "names both", HANGS + "a_layer_used_by_two_blocks_is_refused"),
    Row("anything else that makes `gm.partition` change outputs", REFUSED, "compared on a tiny batch, undone, with the largest difference", COMPARED + "a_change_of_the_outputs_is_an_error_and_everything_is_undone"),
    Row("random numbers, modes and gradients while `gm.partition` compares", EXACT, "left alone", COMPARED + "random_numbers_modes_and_gradients_are_left_alone"),
    Row("weight editing, noise, `nn.init` on `.weight` of a cut layer, views and `.data` too", EXACT, "nothing more", EDITS),
    Row("an average kept with state-dict values (`v.mul_(d).add_(...)`)", EXACT, "nothing more", MERGED + "the_state_dict_of_an_average_can_be_updated_in_place"),
    Row("the same with a group's own tables", REFUSED, "write to the summands", MERGED + "a_sum_of_tables_refuses_and_its_summands_do_not"),
    Row("`.weight.requires_grad_(False)` of a cut layer", EXACT, "reaches the parts", MERGED + "freezing_and_attributes_reach_the_parts"),
    Row("`.weight.grad` of a cut layer", EXACT, "read and set like a plain layer's", MERGED + "gradients_flow_through_it_and_are_read_and_set_through_it"),
    Row("`layer.weight = ...`, pruning or a parametrization of a cut layer", REFUSED, "write in place, or unpartition first", MERGED + "what_cannot_be_written_raises"),
    Row("`torch.save`, safetensors, pickle, `copy.deepcopy` of a state dict", EXACT, "plain tensors", MERGED + "copied_pickled_and_saved_it_is_an_ordinary_tensor"),
    Row("writing through `.numpy()` of a merged weight", REFUSED, "the array is read-only", MERGED + "what_it_gives_to_numpy_is_read_only"),
    Row("tools that look for `nn.Linear` (torchao's `quantize_`, bitsandbytes)", EXACT, "give them an export: all of its layers are plain", MERGED + "tools_find_every_linear_layer_of_an_export"),
    Row("LoRA on the base (`get_peft_model`)", REFUSED, "`gm.Adapter` for a removable one", ENTERS + "a_lora_on_the_base_is_refused_and_the_adapter_recommended"),
    Row("LoRA on cut layers", REFUSED, "by PEFT", ENTERS + "a_lora_on_cut_layers_is_refused_by_peft"),
    Row("a new head, embedding, module or parameter", REFUSED, "in the first pass with gradients: unpartition, change, partition", ENTERED),
    Row("the same, frozen", EXACT, "nothing more", ENTERS + "both_remedies_of_the_message_work"),
    Row("`requires_grad_(True)` on a frozen base", REFUSED, "in the next pass with gradients", ENTERS + "a_frozen_base_that_is_thawed_is_noticed_in_the_next_pass"),
    Row("`head.weight = nn.Parameter(...)`", EXACT, "the owner as before", ENTERS + "a_parameter_that_takes_the_place_of_one_has_its_owner"),
    Row("`resize_token_embeddings`, own tables of every kind and tied heads too", EXACT, "the plain model's numbers, the owners as before", RESIZED + "it_computes_what_the_plain_model_computes_and_each_label_updates_its_groups"),
    Row("checkpoints and `gm.unpartition` after `resize_token_embeddings`", EXACT, "nothing more", RESIZED + "checkpoints_and_undoing_are_exact"),
    Row("`resize_token_embeddings` that would take away a group's own tokens", REFUSED, "names the token", RESIZED + "tokens_that_a_group_has_tables_of_are_not_taken_away"),
]  # fmt: skip
