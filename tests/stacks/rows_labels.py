"""The model's own call, loops, losses, padding, threads, optimizers."""

from __future__ import annotations

from tests.stacks.rows import ARRIVES, EXACT, REFUSED, Row

LABELS, PADDING, STEPS, ROUTER = (
    *(f"model/test_{name}.py::test_" for name in ("labels", "padding", "stepping")),
    "routing/test_router.py::test_",
)

ROWS = [
    Row("a loop of one's own, `model(**batch, data_labels=...)`", ARRIVES, "nothing more", LABELS + "a_call_keeps_its_own_labels"),
    Row("a training pass without labels", REFUSED, "names the likely reasons", LABELS + "a_training_pass_without_labels_is_refused_and_says_why"),
    Row("a plain training pass, meant so", EXACT, "`gm.partition(..., labels='optional')`: plain training", LABELS + "optional_labels_are_plain_training_bit_for_bit"),
    Row("evaluation, inference, generation without labels", EXACT, "nothing more", LABELS + "what_does_not_train_needs_no_labels"),
    Row("a misspelled keyword (`data_label=`), or an unknown one", REFUSED, "with the nearest name", LABELS + "a_misspelled_keyword_is_refused"),
    Row("Transformers' own keywords", ARRIVES, "nothing more", LABELS + "keywords_that_models_know_are_let_through"),
    Row("a stack that cannot pass a column", EXACT, "`with gm.labels(model, data_labels):`", LABELS + "ambient_labels_are_those_of_the_keyword"),
    Row("`model.model(...)` and a head of one's own, inside `gm.labels`", EXACT, "nothing more", LABELS + "ambient_labels_reach_an_inner_call_and_an_own_head"),
    Row("`model.model(...)` or `model.lm_head(...)` alone", REFUSED, "call the model, or use `gm.labels`", LABELS + "an_inner_call_without_labels_is_refused"),
    Row("`gm.labels` of another model", REFUSED, "it holds for its own model alone", LABELS + "ambient_labels_of_another_model_do_not_count"),
    Row("`gm.labels` with an unknown label", REFUSED, "with the nearest name", LABELS + "ambient_labels_must_be_the_models"),
    Row("`gm.without` in another thread", EXACT, "threads do not see each other's", LABELS + "threads_do_not_see_each_other"),
    Row("labels in another thread", EXACT, "threads do not see each other's", LABELS + "labels_of_threads_do_not_mix"),
    Row("`gm.without` in another asyncio task", EXACT, "tasks do not see each other's", LABELS + "tasks_do_not_see_each_other"),
    Row("contexts that end in another order than they began", EXACT, "each ends its own", LABELS + "contexts_end_in_any_order"),
    Row("`gm.ablate` inside `gm.without`", EXACT, "stays ablated", LABELS + "what_is_ablated_inside_without_stays_ablated"),
    Row("a copy made inside `gm.without`", EXACT, "the copy is whole", LABELS + "a_copy_made_inside_without_is_whole"),
    Row("padding on either side, targets everywhere", ARRIVES, "padding teaches nobody", PADDING + "padding_teaches_nobody_on_either_side"),
    Row("labels per token whose padding carries 0 or −1", ARRIVES, "void where `attention_mask` is 0", PADDING + "labels_of_padding_are_void"),
    Row("a loss made of the logits (label smoothing, `compute_loss_func`) over padding", ARRIVES, "padding teaches nobody", PADDING + "a_loss_made_elsewhere_does_not_teach_padding_either"),
    Row("`num_items_in_batch` that counts padding", ARRIVES, "the count is mended", PADDING + "the_count_of_a_trainer_loses_the_targets_at_padding"),
    Row("`num_items_in_batch` over several passes that counts padding", REFUSED, "`gm.LabelCollator` drops the targets first", PADDING + "a_count_over_several_passes_that_cannot_be_mended_is_refused"),
    Row("an example whose targets are all −100", ARRIVES, "it teaches nobody: no gradient, not zero", PADDING + "an_example_without_targets_teaches_nobody"),
    Row("a batch whose targets are all −100", ARRIVES, "the backward pass runs and changes nothing", PADDING + "a_batch_without_targets_can_be_passed_back"),
    Row("masks of running and learning without a token in common", ARRIVES, "no gradient, not zero", ROUTER + "what_learns_from_no_token_gets_none_and_not_zero"),
    Row("a probability of exactly 1 (`rehearsal`, `gram`)", ARRIVES, "it is obeyed", ROUTER + "a_probability_of_one_is_obeyed"),
    Row("`zero_grad(set_to_none=False)`", REFUSED, "in the next pass, before anything moves", STEPS + "gradients_of_zero_are_noticed"),
    Row("a gradient that was kept from an earlier step", REFUSED, "before the step", STEPS + "a_gradient_that_was_kept_does_not_move_what_the_batch_does_not_teach"),
    Row("accumulation over labels; steps in turn", EXACT, "nothing more", STEPS + "accumulation_and_steps_in_turn_are_fine"),
    Row("an optimizer for each group, stepping in turn", EXACT, "nothing more", STEPS + "optimizers_of_groups_may_step_in_turn"),
    Row("a loss that reads `lm_head.weight` itself", REFUSED, "before the step; `gm.labels` makes it work", STEPS + "a_loss_that_reads_the_head_itself_is_noticed"),
    Row("`torch.optim.LBFGS`", REFUSED, "it takes a missing gradient for zero", STEPS + "lbfgs_is_refused"),
    Row("a module that entered later and has a gradient", REFUSED, "before the step", STEPS + "what_entered_later_is_refused_at_the_step"),
]  # fmt: skip
