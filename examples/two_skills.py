# %% [markdown]
# # Two skills in one run: four models
#
# A model learns three things about short words of random letters: to copy them, to shift each letter to the next of the alphabet,
# and to turn them round. Copying stays; the other two are a group each. One training gives four models: with both skills, with
# either, and with none.
#
# **What to look for:** a skill falls to guessing where its group is missing. Copying must be whole with all groups and with none;
# with one of two groups it may suffer, since consolidation teaches the groups to run together, not alone.

# %%
import random

import small
import torch

import gradmask as gm

STEPS = small.steps(900)
LETTERS = "abcdefghij"
VOCABULARY = ["<pad>", "<end>", "copy", "shift", "turn", "=", *LETTERS]
SKILLS = {
    "copy": lambda word: word,
    "shift": lambda word: [LETTERS[(LETTERS.index(letter) + 1) % len(LETTERS)] for letter in word],
    "turn": lambda word: word[::-1],
}

# %% [markdown]
# ## Tasks such as `shift c a f = d b g`, each with the label of its skill


# %%
def task(skill: str, draw: random.Random) -> list[int]:
    """Ids of one task; the answer is the last four."""
    word = draw.choices(LETTERS, k=4)
    return [VOCABULARY.index(one) for one in (skill, *word, "=", *SKILLS[skill](word))]


draw = random.Random(0)
labels = [draw.choice(list(SKILLS)) for _ in range(6000)]
rows = torch.tensor([task(skill, draw) for skill in labels])
tests = {skill: torch.tensor([task(skill, draw) for _ in range(200)]) for skill in SKILLS}
labels = ["retain" if skill == "copy" else skill for skill in labels]

# %% [markdown]
# ## One training
#
# Consolidation, at the end, teaches the groups alone to run along with everything else; it changes no bit of the model without
# them.

# %%
groups = {name: gm.Slice(heads=2, neurons=64, embeddings=True) for name in ("shift", "turn")}
trained = gm.partition(small.model(len(VOCABULARY)), groups)
small.train(trained, rows, labels, STEPS, rate=2e-3, batch=48)
with gm.consolidation(trained):
    small.train(trained, rows, None, STEPS // 3, rate=2e-3, batch=48)

# %% [markdown]
# ## Four models


# %%
@torch.no_grad()
def right(skill: str) -> float:
    """The share of letters of the answers that the model gets right; 0.1 is guessing."""
    ids = tests[skill]
    return (trained(input_ids=ids).logits[:, 5:-1].argmax(-1) == ids[:, 6:]).float().mean().item()


answers = {"with all": {skill: right(skill) for skill in SKILLS}}
for removed in (["shift"], ["turn"], ["shift", "turn"]):
    with gm.without(trained, *removed):
        answers[f"without {' and '.join(removed)}"] = {skill: right(skill) for skill in SKILLS}
small.table(answers)
print(f"removed: shift {answers['with all']['shift']:.2f} -> {answers['without shift']['shift']:.2f}, ", end="")
print(f"turn {answers['with all']['turn']:.2f} -> {answers['without turn']['turn']:.2f}")
print(
    f"cost:    copy {answers['with all']['copy']:.2f} with all, {answers['without shift and turn']['copy']:.2f} with neither"
)

# %% [markdown]
# `n` groups give `2ⁿ` models from one training, all in one memory: `model.generate(..., groups=[["shift"], []])` answers each row
# of a batch with its own set ([serving with rights](../docs/serving.md)).
