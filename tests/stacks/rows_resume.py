"""Going on from checkpoints, copies of a model, other engines, and what `gm.check` notices."""

from __future__ import annotations

from tests.stacks.rows import ARRIVES, EXACT, REFUSED, Row

RESUME, PICKLE, ENGINES = (f"model/test_{name}.py::test_" for name in ("resuming", "pickling", "engines"))
LIGHTNING, FAULTS = "composition/test_lightning.py::test_", "conformance/test_faults.py::test_"
LISTED = "every difference is listed before anything is loaded"

# fmt: off
ROWS = [
    Row("`Trainer` goes on in a freshly partitioned model: weights, random draws, self-labeling", EXACT, "`train(resume_from_checkpoint=...)`", RESUME + "trainer_goes_on_with_draws_and_self_labeling"),
    Row("`Trainer` goes on: removed groups, strengths", EXACT, "`train(resume_from_checkpoint=...)`", RESUME + "removed_groups_and_strengths_come_back"),
    Row("going on with other units, other groups, another policy, `joint`, `base`, `exact` or self-labeling", REFUSED, LISTED, RESUME + "another_partition_is_refused_before_anything_is_loaded"),
    Row("going on with groups in another order", REFUSED, LISTED, RESUME + "another_order_of_groups_changes_labels_and_is_refused"),
    Row("going on after a group was removed in the model alone", REFUSED, LISTED, RESUME + "a_group_that_was_removed_here_alone_is_refused"),
    Row("a plain model goes on from a partitioned checkpoint (`Trainer`)", REFUSED, "`gm.load`, or `gm.partition` first", RESUME + "a_plain_model_cannot_go_on_from_a_partitioned_one"),
    Row("a partitioned model goes on from a plain checkpoint (`Trainer`)", REFUSED, "open it plain, then partition it", RESUME + "a_partitioned_model_cannot_go_on_from_a_plain_one"),
    Row("a plain model goes on in a process that imported gradmask", EXACT, "left alone", RESUME + "plain_models_resume_as_ever"),
    Row("Accelerate's `save_state` and `load_state`, with numbered folders too", EXACT, "nothing more", RESUME + "accelerate_goes_on_bit_for_bit"),
    Row("several models of one `Accelerator`", EXACT, "nothing more", RESUME + "two_models_of_one_accelerator"),
    Row("`gm.load` of a folder that `save_state` wrote", EXACT, "nothing more", RESUME + "an_accelerate_state_opens_alone"),
    Row("an Accelerate state without `gradmask.json`", REFUSED, "`gm.describe_model`, once", RESUME + "an_accelerate_state_without_a_manifest_is_refused"),
    Row("a loop of one's own goes on", EXACT, "`gm.training_state` beside the state dicts", RESUME + "an_own_loop_goes_on_bit_for_bit"),
    Row("a training state that is none", REFUSED, "save what `gm.training_state` gives", RESUME + "a_damaged_training_state_is_refused"),
    Row("`torch.save(model.state_dict())` into another partition", REFUSED, "`dict(state_dict)` loads it as plain weights", RESUME + "a_state_dict_of_another_partition_is_refused"),
    Row("`torch.save(model.state_dict())` into the same partition", EXACT, "draws and self-labeling go on too", RESUME + "a_state_dict_goes_on_where_its_model_stood"),
    Row("a plain model's state dict into any partition, and back", EXACT, "nothing more", RESUME + "plain_state_dicts_still_load_into_any_partition"),
    Row("an optimizer's state of another partition, fused too", REFUSED, "names the parameter and both shapes", RESUME + "an_optimizer_state_of_another_partition_is_refused"),
    Row("the states of PyTorch's optimizers", EXACT, "nothing more", RESUME + "the_states_of_pytorchs_optimizers_load"),
    Row("`gm.save_sharded` and `gm.load_sharded`", EXACT, "nothing more; another partition is refused", RESUME + "sharded_checkpoints_restore_the_whole_state_and_refuse_another_partition"),
    Row("`pickle`, `torch.save(model)`, `copy.deepcopy`", EXACT, "the copy trains on alike", PICKLE + "a_copy_trains_on_bit_for_bit"),
    Row("removing a group from a copy, or undoing its partition", EXACT, "the other is left alone", PICKLE + "a_copy_is_a_model_of_its_own"),
    Row("pickles of fused experts, `Conv1D` and T5's position biases", EXACT, "nothing more", PICKLE + "every_kind_of_module_survives"),
    Row("a spawned process is given the model", EXACT, "nothing more", PICKLE + "a_spawned_process_gets_the_model"),
    Row("a copy of a model with activation checkpointing", EXACT, "`copy.deepcopy`", PICKLE + "activation_checkpointing_survives"),
    Row("a pickle or copy of a model that FSDP2 shards", REFUSED, "`gm.save_sharded`", PICKLE + "a_model_that_fsdp2_shards_is_refused"),
    Row("a library replaces `forward` of the class (Liger) between two partitions", ARRIVES, "each model runs what its class had at its partition", PICKLE + "a_class_whose_forward_was_replaced_gets_a_class_of_its_own"),
    Row("PyTorch Lightning", ARRIVES, "`self.model(**batch)` in `training_step`", LIGHTNING + "data_labels_arrive"),
    Row("PyTorch Lightning with DDP", ARRIVES, "`strategy=\"ddp\"`: the model that one process trains", LIGHTNING + "ddp_trains_the_model_that_one_process_trains"),
    Row("PyTorch Lightning goes on from a checkpoint", EXACT, "`fit(..., ckpt_path=...)`", LIGHTNING + "a_lightning_checkpoint_goes_on_bit_for_bit"),
    Row("PyTorch Lightning goes on in another partition", REFUSED, LISTED, LIGHTNING + "a_lightning_checkpoint_of_another_partition_is_refused"),
    Row("DeepSpeed's engine", REFUSED, "DDP, or FSDP2", ENGINES + "deepspeeds_engine_is_refused"),
    Row("parameters that ZeRO holds, at `gm.partition` too", REFUSED, "DDP, or FSDP2", ENGINES + "parameters_that_deepspeed_holds_are_refused"),
    Row("`torch.nn.DataParallel` around a module with the model in it", REFUSED, "one process per device", ENGINES + "data_parallel_replicas_inside_another_module_are_refused"),
    Row("`torch.nn.DataParallel` of one device", EXACT, "it makes no copies then", ENGINES + "data_parallel_of_one_device_makes_no_replica"),
    Row("a loop that shifts or sorts labels away from their examples", REFUSED, "`gm.check(model, step=...)`", FAULTS + "labels_that_are_shifted_by_one_example"),
    Row("a loop that drops labels after the first micro-batch", REFUSED, "`gm.check(model, step=...)`", FAULTS + "labels_that_are_dropped_after_the_first_micro_batch"),
    Row("a group whose learning rate is 0", REFUSED, "`gm.check(model, optimizer=...)`", FAULTS + "a_group_with_a_learning_rate_of_zero"),
    Row("a warm-up that begins at a learning rate of 0", ARRIVES, "`gm.check` notes it", FAULTS + "a_warm_up_that_begins_at_zero_is_no_fault"),
    Row("a group whose parameters have `requires_grad=False`", REFUSED, "`gm.check(model)`", FAULTS + "a_group_that_takes_no_gradient"),
    Row("one parameter in layers of two groups", REFUSED, "`gm.check(model)`", FAULTS + "one_parameter_in_layers_of_two_groups"),
    Row("a new layer that is tied to a parameter of a group", REFUSED, "`gm.check(model)`", FAULTS + "one_parameter_that_an_unrouted_layer_reads_too"),
    Row("a layer that ignores silence for labels per token", REFUSED, "`gm.check(model)`", FAULTS + "a_layer_that_ignores_silence_for_labels_per_token"),
    Row("gradients that are zeros now and then", REFUSED, "`gm.check(model)`", FAULTS + "gradients_that_are_zeros_now_and_then"),
    Row("`gm.check` in float16 and bfloat16", EXACT, "no false alarm", FAULTS + "half_precision_is_no_fault"),
    Row("`gm.check` of a mixture of experts", ARRIVES, "rounding of its grouped kernels is allowed for", FAULTS + "rounding_in_a_mixture_of_experts_is_no_fault"),
]
