"""One unlearning method per file. A file that is put here is an arm: `gradmask.lab.unlearning.registry` finds it."""
