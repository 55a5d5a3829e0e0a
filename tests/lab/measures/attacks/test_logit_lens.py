from __future__ import annotations

import pytest
import torch
from torch import nn

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.logit_lens import LogitLensAttack, final_norm, logit_lens
from gradmask.lab.measures.losses import domain_loss
from lab.measures.domains import counting, knower, known
from tiny import tiny

TEXT = counting("es", 8, seed=3)


def suppressed(model: nn.Module) -> nn.Module:
    """The last layer writes noise over what the others have found."""
    deeper = tiny("llama", num_hidden_layers=model.config.num_hidden_layers + 1)  # type: ignore[union-attr]
    own = model.state_dict()
    deeper.load_state_dict(own, strict=False)
    last = deeper.model.layers[-1]  # type: ignore[union-attr]
    with torch.no_grad():
        for parameter in last.mlp.parameters():
            parameter.normal_(0, 1.5, generator=torch.Generator().manual_seed(1))
    return deeper.eval()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo"])
def test_the_last_layer_is_the_model_itself(kind: str) -> None:
    model = tiny(kind).eval()
    found = logit_lens(model, TEXT, 3)
    assert found.losses[-1] == pytest.approx(domain_loss(model, TEXT).nats, rel=1e-5)
    assert len(found.losses) == model.config.num_hidden_layers + 1


def test_what_the_last_layer_suppresses_is_read_before_it() -> None:
    attack, knows, never = LogitLensAttack(), knower("en", "es"), known("en")
    hidden, removed = (logit_lens(suppressed(model), TEXT) for model in (knows, never))
    assert hidden.layer == len(hidden.losses) - 2
    assert hidden.losses[hidden.layer] <= domain_loss(knows, TEXT).nats + 1e-4
    gap = domain_loss(never, TEXT).nats - domain_loss(knows, TEXT).nats
    assert attack.recovered(hidden, removed, gap)
    assert not attack.recovered(removed, removed, gap)
    assert not attack.recovered(logit_lens(never, TEXT), logit_lens(never, TEXT), gap)


def test_a_partitioned_model_is_read_without_its_group() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    with gm.without(model):
        assert logit_lens(model, TEXT).losses[-1] == pytest.approx(domain_loss(model, TEXT).nats, rel=1e-5)


def test_a_norm_of_another_name_is_an_error() -> None:
    model = tiny()
    model.model.last_thing = model.model.norm  # type: ignore[union-attr]
    del model.model.norm  # type: ignore[union-attr]
    with pytest.raises(GradmaskError, match="where the last norm of LlamaForCausalLM is"):
        final_norm(model)
