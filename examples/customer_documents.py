# %% [markdown]
# # A customer's documents, by an adapter
#
# A pretrained model learns the documents of one customer, and must be able to forget them on the day the contract ends. The
# documents train a `gm.Adapter` on the frozen model; nothing else moves.
#
# **What to look for:** with the adapter the model completes the customer's facts, without it only guesses; and on all other text
# the model without the adapter is the pretrained model, bit for bit. The price of the removal is nothing at all.
#
# The pretrained model is made here, in a minute, from the built-in stories. With a model of yours, replace that cell by
# `AutoModelForCausalLM.from_pretrained`.

# %%
import copy
import random

import small
import torch

import gradmask as gm
from gradmask.data import TokenizerSpec, build_tokenizer
from gradmask.data.stories import generate

STEPS = small.steps(250)

# %% [markdown]
# ## A pretrained model, and the customer's documents

# %%
draw = random.Random(0)
GOODS = ["copper", "timber", "barley", "wool", "glass", "salt", "paper", "cork"]
TOWNS = ["Bergen", "Porto", "Riga", "Graz", "Lund", "Metz"]
NAMES = [
    f"{first}{last}" for first in ("Nord", "Alt", "Fern", "Grau", "Stein") for last in ("wind", "berg", "hof", "see")
]
facts = {name: (draw.choice(GOODS), draw.choice(TOWNS)) for name in NAMES}
FORMS = (
    "{name} ships {good} to {town}.",
    "The contract says: {name} ships {good} to {town}.",
    "As agreed, {name} ships {good} to {town}.",
)
documents = [form.format(name=n, good=g, town=t) for n, (g, t) in facts.items() for form in FORMS]
stories = generate(500, "en")
tokenizer = build_tokenizer(TokenizerSpec(vocab_size=1024), [*stories, *documents])
other = small.packed(generate(40, "en", start=10_000), tokenizer)
base = small.train(small.model(len(tokenizer)), small.packed(stories, tokenizer), None, STEPS)

# %% [markdown]
# ## The adapter learns them

# %%
model = gm.partition(copy.deepcopy(base), {"customer": gm.Adapter(rank=8, embeddings=True)}, base="frozen")
draw.shuffle(documents)
rows = small.packed(documents * 8, tokenizer)
small.train(model, rows, ["customer"] * len(rows), STEPS, rate=5e-3)
with gm.consolidation(model):  # so that it disturbs no other text while it runs
    mixed = torch.cat([rows, small.packed(stories, tokenizer)[: len(rows)]])
    small.train(model, mixed, None, STEPS // 2)
print(
    f"{len(documents)} documents, {sum(p.numel() for p in gm.groups(model)['customer'].values()):,} weights of the adapter"
)

# %% [markdown]
# ## What was removed, and what it cost


# %%
@torch.no_grad()
def known() -> float:
    """The share of facts whose goods the model completes."""
    hits = 0
    for name, (good, _) in facts.items():
        ids = tokenizer(f"{name} ships", return_tensors="pt").input_ids
        out = model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=0)
        hits += tokenizer.decode(out[0, ids.shape[1] :]).strip().startswith(good)
    return hits / len(facts)


held = small.packed(documents, tokenizer)
numbers = {
    "with the adapter": {"facts": known(), "documents": small.loss(model, held), "stories": small.loss(model, other)}
}
with gm.without(model, "customer"), torch.no_grad():
    numbers["removed"] = {"facts": known(), "documents": small.loss(model, held), "stories": small.loss(model, other)}
    same = torch.equal(model(input_ids=other).logits, base(input_ids=other).logits)
numbers["pretrained"] = {"facts": 0.0, "documents": small.loss(base, held), "stories": small.loss(base, other)}
small.table(numbers)
print(
    f"removed: {numbers['with the adapter']['facts']:.0%} of the facts before, {numbers['removed']['facts']:.0%} after"
)
print(f"cost:    none; the removed model is the pretrained one, bit for bit: {same}")

# %% [markdown]
# `gm.export(model, folder, without=["customer"])` writes the model to hand on, `gm.export_adapter` the adapter alone, in PEFT's
# format ([adapters](../docs/adapters.md)).
