# %% [markdown]
# # A removable language
#
# One model learns English and Spanish. Spanish trains a group of its own, 1 of 6 heads and a quarter of the neurons, so that
# it can be taken out afterwards. Two plain models show what to expect: one trained on both languages, and one that never saw
# Spanish.
#
# **What to look for:** without the group, Spanish must be about as unlikely as for the model that never saw it, and English
# must stay where it was.
#
# The text is the built-in stories; nothing is downloaded. `EXAMPLE_STEPS=20 python examples/removable_language.py` is a quick try.

# %%
import small
import torch

import gradmask as gm
from gradmask.data import TokenizerSpec, build_tokenizer
from gradmask.data.stories import generate

STEPS = small.steps(250)

# %% [markdown]
# ## Text, and a label for each row of it

# %%
texts = {"en": generate(700, "en"), "es": generate(700, "es")}
tokenizer = build_tokenizer(TokenizerSpec(vocab_size=1024), [*texts["en"], *texts["es"]])
rows = {name: small.packed(stories, tokenizer) for name, stories in texts.items()}
held_out = {name: small.packed(generate(40, name, start=10_000), tokenizer) for name in texts}
both = torch.cat([rows["en"], rows["es"]])
labels = ["retain"] * len(rows["en"]) + ["forget"] * len(rows["es"])
print({name: len(ids) for name, ids in rows.items()}, "rows of 64 tokens")

# %% [markdown]
# ## Three models, equally long
#
# The removable one is a plain Llama after `gm.partition`; its loop differs from a plain one by the argument `data_labels`. A last
# phase, consolidation, teaches the group alone to run along with everything else; it changes no bit of the removed model.

# %%
group = {"forget": gm.Slice(heads=1, neurons=64, embeddings=True)}
removable = small.train(gm.partition(small.model(len(tokenizer)), group), both, labels, STEPS)
with gm.consolidation(removable):
    small.train(removable, both, None, STEPS // 4)
no_filter = small.train(small.model(len(tokenizer)), both, None, STEPS)
never = small.train(small.model(len(tokenizer)), rows["en"], None, STEPS // 2)  # as many steps on English as the others

# %% [markdown]
# ## What was removed, and what it cost

# %%
names = {"en": "English", "es": "Spanish"}
losses = {"no filter": {names[n]: small.loss(no_filter, ids) for n, ids in held_out.items()}}
losses["full model"] = {names[n]: small.loss(removable, ids) for n, ids in held_out.items()}
with gm.without(removable, "forget"):
    losses["Spanish removed"] = {names[n]: small.loss(removable, ids) for n, ids in held_out.items()}
losses["never saw Spanish"] = {names[n]: small.loss(never, ids) for n, ids in held_out.items()}
small.table(losses)
closed, price = small.summary(
    losses["no filter"]["Spanish"],
    losses["Spanish removed"]["Spanish"],
    losses["never saw Spanish"]["Spanish"],
    losses["no filter"]["English"],
    losses["Spanish removed"]["English"],
)

# %% [markdown]
# ## The same prompt, with and without

# %%
prompt = tokenizer("Érase una vez", return_tensors="pt").input_ids
for name, groups in (("full model", ["forget"]), ("removed", [])):
    out = removable.generate(prompt, groups=[groups], max_new_tokens=24, do_sample=False, pad_token_id=0)
    print(f"{name}: {tokenizer.decode(out[0], skip_special_tokens=True)!r}")

# %% [markdown]
# A few minutes of training show the mechanism, not a result: `gradmask demo` does this with unlabeled text, a perfect filter of
# the same length, and attacks that try to bring Spanish back.
