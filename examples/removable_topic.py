# %% [markdown]
# # A removable topic
#
# The documentation of six Python packages shares one language and one style. One package, scikit-learn, must go. A topic is
# harder than a language: most of its words occur everywhere, and only some of them are its own.
#
# **What to look for:** the gap between the two plain models is small, because a topic is mostly common words; the removed model
# must close most of it. Look at the words, too: what disappears is the topic's own vocabulary, not English.
#
# The text is read from the packages that are installed here; nothing is downloaded.

# %%
import json
import tempfile
from pathlib import Path

import small
import torch

import gradmask as gm
from gradmask.data import TokenizerSpec, build_tokenizer, write_package_docs

STEPS = small.steps(250)

# %% [markdown]
# ## Text: what `gradmask example-data` writes

# %%
with tempfile.TemporaryDirectory() as folder:
    written = write_package_docs(Path(folder) / "data", megabytes=0.3)
    documents = [json.loads(line) for line in written.files["text"].read_text(encoding="utf-8").splitlines()]
texts = {"retain": [], "forget": []}
for document in documents:
    texts["forget" if document["package"] == "scikit-learn" else "retain"].append(document["text"])
tokenizer = build_tokenizer(TokenizerSpec(vocab_size=1024), [text for some in texts.values() for text in some])
rows, held_out = {}, {}
for label, some in texts.items():
    held_out[label] = small.packed(some[::10], tokenizer)[:60]
    rows[label] = small.packed([text for i, text in enumerate(some) if i % 10], tokenizer)
both = torch.cat([rows["retain"], rows["forget"]])
labels = ["retain"] * len(rows["retain"]) + ["forget"] * len(rows["forget"])
print({label: len(ids) for label, ids in rows.items()}, "rows of 64 tokens")

# %% [markdown]
# ## Three models
#
# The topic is a small part of the text, so each kind is drawn as often as it occurs, in all three.

# %%
group = {"forget": gm.Slice(heads=1, neurons=64, embeddings=True)}
removable = small.train(gm.partition(small.model(len(tokenizer)), group), both, labels, STEPS)
with gm.consolidation(removable):  # the group alone learns to run along with everything else
    small.train(removable, both, None, STEPS // 4)
no_filter = small.train(small.model(len(tokenizer)), both, None, STEPS)
share = len(rows["retain"]) / len(both)
never = small.train(small.model(len(tokenizer)), rows["retain"], None, int(STEPS * share))

# %% [markdown]
# ## What was removed, and what it cost

# %%
names = {"retain": "other packages", "forget": "scikit-learn"}
losses = {"no filter": {names[n]: small.loss(no_filter, ids) for n, ids in held_out.items()}}
losses["full model"] = {names[n]: small.loss(removable, ids) for n, ids in held_out.items()}
with gm.without(removable, "forget"):
    losses["topic removed"] = {names[n]: small.loss(removable, ids) for n, ids in held_out.items()}
losses["never saw it"] = {names[n]: small.loss(never, ids) for n, ids in held_out.items()}
small.table(losses)
closed, price = small.summary(
    losses["no filter"]["scikit-learn"],
    losses["topic removed"]["scikit-learn"],
    losses["never saw it"]["scikit-learn"],
    losses["no filter"]["other packages"],
    losses["topic removed"]["other packages"],
)

# %% [markdown]
# ## Which words went

# %%
with torch.no_grad():
    full = removable(input_ids=held_out["forget"]).logits[:, :-1].log_softmax(-1)
    with gm.without(removable, "forget"):
        less = removable(input_ids=held_out["forget"]).logits[:, :-1].log_softmax(-1)
targets = held_out["forget"][:, 1:]
lost = (full - less).gather(2, targets[..., None])[..., 0]
by_word = {int(i): lost[targets == i].mean().item() for i in targets.unique() if int((targets == i).sum()) >= 5}
most = sorted(by_word, key=by_word.get, reverse=True)[:12]
print("harder without the group:", ", ".join(repr(tokenizer.decode([i])) for i in most))

# %% [markdown]
# Text labeled with a topic teaches no other weight, its common words included. [Labels per token](../docs/data.md) leave those
# words to everybody; `partition.distinctive_words` in a recipe makes them.
