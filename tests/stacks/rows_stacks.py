"""Trainers, collators, TRL."""

from __future__ import annotations

from tests.stacks.rows import ARRIVES, EXACT, REFUSED, Row

CHECK, COLLATOR, MONITOR = (f"training/test_{name}.py::test_" for name in ("check", "collator", "monitor"))
TRL, RL = (f"training/test_{name}.py::test_" for name in ("trl", "reinforcement"))
TRAINERS = "composition/test_trainers.py::test_"
WRAP = "`trainer.data_collator = gm.LabelCollator(model, trainer.data_collator)`"
OWN_COLLATOR = f"`remove_unused_columns=False`, {WRAP}"
LABELED = "`gm.label_sft_dataset`, `skip_prepare_dataset`, and the trainer's collator wrapped"

ROWS = [
    Row("`Trainer`, a column of ids", ARRIVES, "nothing more", CHECK + "ids_arrive_with_the_default_collator"),
    Row("`Trainer`, a column of names, the default collator", REFUSED, "it drops strings: `gm.LabelCollator(model)`", CHECK + "strings_that_the_default_collator_drops"),
    Row("`Trainer`, a column of names, `gm.LabelCollator`", ARRIVES, "`data_collator=gm.LabelCollator(model)`", CHECK + "names_arrive_with_a_label_collator"),
    Row("`Trainer`, a column of another name", ARRIVES, "`gm.LabelCollator(model, column=...)`, `remove_unused_columns=False`", CHECK + "a_column_of_another_name"),
    Row("`Trainer`, no column, or a misspelled one that it dropped", REFUSED, "by the model, in the first pass", CHECK + "a_column_that_the_trainer_dropped"),
    Row("`Trainer`, a misspelled column that it kept", REFUSED, "names both columns", CHECK + "a_misspelled_column_that_the_trainer_kept"),
    Row("`Trainer`, a stream (`IterableDataset`) of ids", ARRIVES, "nothing more", CHECK + "a_stream_of_ids"),
    Row("`Trainer`, rows that are not a `datasets.Dataset`", ARRIVES, "nothing more", CHECK + "a_dataset_without_columns_is_left_to_the_model"),
    Row("`class_encode_column('data_labels')`", REFUSED, "shows the classes and the ids, and how to get names back", CHECK + "classes_in_another_order_than_the_ids"),
    Row("classes per token in another order", REFUSED, "the same", CHECK + "classes_per_token_in_another_order"),
    Row("a stream with classes in another order", REFUSED, "the same", CHECK + "features_of_a_stream_are_checked"),
    Row("classes in the order of the ids", ARRIVES, "nothing more", CHECK + "classes_in_the_order_of_the_ids_are_right"),
    Row("an unknown label somewhere in the dataset", REFUSED, "before the first step, with the nearest name", CHECK + "an_unknown_label_anywhere_in_the_data"),
    Row("`DataCollatorWithFlattening`", REFUSED, "wrap it in `gm.LabelCollator`", CHECK + "a_collator_that_knows_other_columns_only"),
    Row("`DataCollatorWithFlattening`, wrapped", ARRIVES, "labels per example become labels per token", CHECK + "labels_arrive_in_flattened_rows"),
    Row("`DataCollatorForSeq2Seq`, wrapped, labels per token, padding on either side", ARRIVES, "padding teaches nobody", COLLATOR + "labels_per_token_stand_where_their_tokens_stand"),
    Row("`DataCollatorForLanguageModeling` with masking, wrapped, labels per token", ARRIVES, "nothing more", COLLATOR + "replaced_tokens_do_not_matter_where_the_lengths_decide"),
    Row("`DataCollatorWithPadding` and `DataCollatorForTokenClassification`, wrapped", ARRIVES, "nothing more", COLLATOR + "other_collators"),
    Row("a collator that truncates, wrapped, labels per token", ARRIVES, "at either end", COLLATOR + "a_collator_may_cut_examples_at_either_end"),
    Row("padding-free rows that are padded to a multiple", ARRIVES, "that padding teaches nobody", COLLATOR + "padding_after_flattened_examples_teaches_nobody"),
    Row("packed rows with `position_ids` and `seq_lengths`", ARRIVES, "labels per token", COLLATOR + "packed_rows_with_position_ids"),
    Row("a batch that labels cannot be lined up with", REFUSED, "says how many rows were made of how many examples", COLLATOR + "a_batch_that_labels_do_not_fit_is_refused"),
    Row("an example without a label, or with a label of another type", REFUSED, "says which example", COLLATOR + "a_wrong_label_is_refused"),
    Row("`Trainer` with padding and careless targets, wrapped", ARRIVES, "the loss is divided by the targets that count", CHECK + "the_loss_is_divided_by_the_targets_that_count"),
    Row("`Trainer`: checkpointing, bf16, Adafactor, label smoothing", ARRIVES, "nothing more", TRAINERS + "the_trainer_hands_data_labels_to_the_model"),
    Row("`Trainer`: `compute_loss_func`", ARRIVES, "nothing more", TRAINERS + "a_loss_function_of_ones_own"),
    Row("`Trainer`: evaluation with and without the column", ARRIVES, "each example is evaluated as its label is trained", TRAINERS + "evaluation_gives_a_loss"),
    Row("`Trainer` with the check that is installed by itself", EXACT, "it draws no random number", CHECK + "it_changes_no_random_number"),
    Row("`Trainer` with a plain model beside gradmask", EXACT, "the check leaves it alone", CHECK + "a_plain_model_is_left_alone"),
    Row("`Trainer` with `gm.LabelMonitor`", EXACT, "it only counts", MONITOR + "it_leaves_nothing_behind_and_changes_no_number"),
    Row("trackers (`report_to`) with `gm.LabelMonitor`", ARRIVES, "`tokens_labeled/...` and `tokens_learned/...`", MONITOR + "tokens_per_label_and_group_are_logged"),
    Row("a group that should learn and never does", REFUSED, "`callbacks=[gm.LabelMonitor()]`", MONITOR + "a_group_that_never_learns_stops_the_training"),
    Row("Accelerate, accumulating micro-batches", ARRIVES, "`data_labels` as a keyword", TRAINERS + "gradient_accumulation_in_accelerate"),
    Row("`torch.nn.DataParallel`", REFUSED, "one process per device", TRAINERS + "data_parallel_threads_are_refused"),
    Row("a `model.forward` of one's own that drops labels", REFUSED, "replace it before `gm.partition`", TRAINERS + "a_replaced_forward_that_loses_the_labels_is_refused"),
    Row("`SFTTrainer` as it comes: also packing, padding-free", REFUSED, "it drops the column: by the model, in the first pass", TRL + "sft_as_it_comes_drops_the_column_and_is_refused"),
    Row("`SFTTrainer`, `remove_unused_columns=False` alone", REFUSED, f"its collator drops labels: {WRAP}", TRL + "sft_with_strings_and_its_own_collator_is_refused"),
    Row("`SFTTrainer`: texts", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: `prompt` and `completion` (completion only)", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: `messages`", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: `assistant_only_loss`", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: `padding_free`", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: `truncation_mode='keep_end'`", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: label smoothing, `loss_type='dft'`", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer`: accumulation, checkpointing", ARRIVES, OWN_COLLATOR, TRL + "sft_with_its_own_collator_wrapped"),
    Row("`SFTTrainer` packing (`bfd`, `bfd_split`, `wrapped`): texts", ARRIVES, LABELED, TRL + "sft_packing_with_labels_per_token"),
    Row("`SFTTrainer` packing (`bfd`, `bfd_split`, `wrapped`): completion only", ARRIVES, LABELED, TRL + "sft_packing_with_labels_per_token"),
    Row("`SFTTrainer` packing (`bfd`, `bfd_split`, `wrapped`): assistant only", ARRIVES, LABELED, TRL + "sft_packing_with_labels_per_token"),
    Row("`SFTTrainer`: the rows that `gm.label_sft_dataset` packs", EXACT, "those that TRL packs, with labels", TRL + "labeled_packed_rows_are_those_that_trl_makes"),
    Row("`SFTTrainer` packing by itself, collator wrapped", REFUSED, "`gm.label_sft_dataset`", TRL + "sft_packing_by_trl_drops_the_column_and_is_refused"),
    Row("tokenized SFT rows with labels per token", ARRIVES, "`gm.label_sft_dataset`", TRL + "tokenized_rows_keep_their_targets_and_labels_per_token"),
    Row("TRL's fused head: losses, entropies and gradients under labels", ARRIVES, "through the model's own head", TRAINERS + "trl_replaces_the_forward_and_the_labels_still_arrive"),
    Row("`DPOTrainer`", ARRIVES, OWN_COLLATOR, TRL + "dpo"),
    Row("`DPOTrainer`: learning rate 0, reference `copy.deepcopy(model)`, also precomputed", EXACT, "the margin is 0 under every label", TRL + "dpo_starts_at_its_reference"),
    Row("`DPOTrainer` with labels per token", REFUSED, "one label per example", TRL + "dpo_with_labels_per_token_is_refused"),
    Row("`RewardTrainer`", ARRIVES, OWN_COLLATOR, TRL + "reward"),
    Row("`KTOTrainer`", ARRIVES, OWN_COLLATOR, TRL + "kto"),
    Row("`DPOTrainer`, `RewardTrainer`, `KTOTrainer` with their own collator", REFUSED, WRAP, TRL + "preference_trainers_without_the_wrapped_collator_are_refused"),
    Row("`GRPOTrainer` and `RLOOTrainer`, labels from reward functions", ARRIVES, "`gm.LabelsFromRewards`", RL + "a_reward_function_decides_the_labels"),
    Row("`GRPOTrainer`: `num_iterations`, `steps_per_generation`, accumulation", ARRIVES, "each completion keeps its label", RL + "labels_stay_with_their_completions"),
    Row("`GRPOTrainer` and `RLOOTrainer`, no reward function gives labels", REFUSED, '`log_extra("data_labels", labels)`', RL + "without_labels_it_is_refused"),
    Row("`GRPOTrainer` as it comes, with a column", REFUSED, "by the model, in the first pass", RL + "the_trainer_without_the_mixin_is_refused"),
    Row("`GRPOTrainer` and `RLOOTrainer` under `sgtm` or another policy that silences by label", REFUSED, "off-policy: `policy='equation_only'`", RL + "a_policy_that_silences_by_label_is_refused"),
    Row("`GRPOTrainer` under `equation_only`, learning rate 0", EXACT, "no token is clipped", RL + "what_off_policy_means"),
]  # fmt: skip
"""Each with the test that shows it."""
