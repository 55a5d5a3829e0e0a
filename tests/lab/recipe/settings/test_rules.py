from __future__ import annotations

from dataclasses import replace

import pytest

from gradmask.lab.recipe.settings.choosing import choose
from gradmask.lab.recipe.settings.rules import GROUP_RULES, LARGEST, RULES, SIZE, Choice
from gradmask.lab.recipe.settings.seen import GroupSeen, Seen, Sizes

SIZES = Sizes(heads=8, kv_heads=8, neurons=512, hidden=128, layers=4, parameters=1_500_000)
LANGUAGE = Seen({"forget": GroupSeen(0.5, 0.88)}, labeled_share=0.85, steps=800, sizes=SIZES)
TOPIC = replace(LANGUAGE, groups={"forget": GroupSeen(0.05, 0.04)})


def chosen(seen: Seen, *paths: str) -> dict[str, Choice]:
    return {choice.path: choice for choice in choose(paths or ("partition.groups.forget",), seen)}


def value(seen: Seen, path: str) -> object:
    return chosen(seen, path)[path].value


def group(seen: Seen, name: str = "forget") -> dict[str, object]:
    path = f"partition.groups.{name}"
    return {key.removeprefix(f"{path}."): choice.value for key, choice in chosen(seen, path).items()}


def test_a_language_that_is_half_of_the_text() -> None:
    assert group(LANGUAGE) == {"heads": 4, "neurons": 256, "embeddings": True}
    sentence = chosen(LANGUAGE)["partition.groups.forget.heads"].because
    assert sentence == "4 of 8 heads, because 50 % of the labeled tokens are forget"


def test_a_topic_that_is_a_twentieth_of_the_text() -> None:
    assert group(TOPIC) == {"heads": 2, "neurons": 128, "embeddings": True}


def test_words_carry_the_label_of_much_text_where_vocabularies_overlap() -> None:
    path = "partition.distinctive_words"
    much = replace(TOPIC, groups={"forget": GroupSeen(0.5, 0.04)})
    assert value(LANGUAGE, path) is None
    assert value(TOPIC, path) is None
    assert value(much, path) == 2.0
    one = much.groups["forget"]
    assert value(replace(much, groups={"forget": replace(one, tokens_per_word=12.0)}), path) is None
    assert value(replace(much, groups={"forget": one, "other": GroupSeen(0.1, 0.5)}), path) is None
    for changed in (replace(much, per_token=True), replace(much, pretrained=True), replace(much, policy="gram")):
        assert value(changed, path) is None


def test_groups_grow_with_what_they_hold() -> None:
    shares = [0.001, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 0.9]
    sizes = [group(replace(TOPIC, groups={"forget": GroupSeen(share)}))["neurons"] for share in shares]
    assert sizes == sorted(sizes)  # type: ignore[type-var]
    assert (sizes[0], sizes[-1]) == (SIZE[0][1] * 512, SIZE[-1][1] * 512)


def test_several_groups_leave_enough_to_retain() -> None:
    many = replace(LANGUAGE, groups={f"g{i}": GroupSeen(0.2, 0.9) for i in range(5)})
    made = [group(many, name) for name in many.groups]
    for unit, total in (("heads", 8), ("neurons", 512)):
        assert sum(one.get(unit, 0) for one in made) <= LARGEST * total  # type: ignore[misc]
        assert all(one[unit] for one in made if unit == "neurons")


def test_query_heads_go_with_their_keys_and_values() -> None:
    grouped = replace(LANGUAGE, sizes=replace(SIZES, heads=8, kv_heads=4))
    assert group(grouped)["heads"] == 4
    assert "heads" not in group(replace(LANGUAGE, sizes=replace(SIZES, kv_heads=1)))
    assert "heads" not in group(replace(LANGUAGE, sizes=replace(SIZES, heads=1, kv_heads=1)))


def test_experts_take_the_place_of_neurons() -> None:
    mixture = replace(LANGUAGE, sizes=replace(SIZES, neurons=None, experts=8))
    assert group(mixture) == {"heads": 4, "experts": 4, "embeddings": True}


def test_a_pretrained_model_gets_an_adapter() -> None:
    assert group(replace(LANGUAGE, pretrained=True)) == {"adapter": {"rank": 16}}


def test_self_labeling_starts_at_a_share_of_the_run() -> None:
    path = "partition.self_labeling"
    assert value(LANGUAGE, path) == {"after": 80}
    assert value(replace(LANGUAGE, steps=100, accumulation=4), path) == {"after": 40}
    assert value(replace(LANGUAGE, labeled_share=1.0), path) is None
    assert value(replace(LANGUAGE, steps=1), f"{path}.after") == 1


def test_published_policies_are_not_added_to() -> None:
    assert value(LANGUAGE, "partition.rehearsal") == 0.03
    assert value(replace(LANGUAGE, policy="gram"), "partition.rehearsal") is None
    assert value(replace(LANGUAGE, policy="sgtm"), "train.consolidation") is None
    assert group(replace(LANGUAGE, policy="sgtm"))["embeddings"] is False


def test_compute_stays_within_the_target() -> None:
    settings = value(LANGUAGE, "train.consolidation")
    assert isinstance(settings, dict)
    assert 0 < settings["steps"] <= 0.15


def test_a_rare_group_begins_its_consolidation_as_weak_as_fits_within_the_same_compute() -> None:
    rare, half = (value(seen, "train.consolidation") for seen in (TOPIC, LANGUAGE))
    assert (rare["fit_strength"], half["fit_strength"]) == (True, False)
    assert (rare["distillation"], half["distillation"]) == (0.7, 0.0)
    taught = TOPIC.labeled_share * (1 - TOPIC.forget_share)  # the removed model runs on it: a third of a step
    assert rare["steps"] / (1 - 0.1) * (1 + taught / 3) == pytest.approx(half["steps"], abs=1e-3)
    assert value(TOPIC, "train.consolidation.fit_strength") is True
    rare_language = replace(LANGUAGE, groups={"forget": GroupSeen(0.05, 0.88)})
    large_topic = replace(LANGUAGE, groups={"forget": GroupSeen(0.5, 0.04)})
    for seen in (rare_language, large_topic, replace(TOPIC, pretrained=True)):
        assert value(seen, "train.consolidation.fit_strength") is False


def test_where_the_text_is_rare_retain_text_teaches_what_the_removed_model_says() -> None:
    path = "train.consolidation.distillation"
    own_loss = replace(TOPIC, sizes=replace(TOPIC.sizes, usual_loss=False))
    rare_language = replace(LANGUAGE, groups={"forget": GroupSeen(0.05, 0.88)})
    fifth, quarter = (replace(TOPIC, groups={"forget": GroupSeen(share, 0.04)}) for share in (0.2, 0.25))
    assert [value(seen, path) for seen in (TOPIC, rare_language, fifth)] == [0.7, 0.7, 0.7]
    assert value(quarter, path) == 0.0
    assert [value(seen, path) for seen in (LANGUAGE, own_loss, replace(TOPIC, pretrained=True))] == [0.0, 0.0, 0.0]


def test_a_tenth_of_a_consolidation_is_a_groups_text_where_its_words_are_its_own() -> None:
    path = "train.consolidation.group_share"
    assert [value(seen, path) for seen in (LANGUAGE, TOPIC, replace(LANGUAGE, streamed=True))] == [0.1, 0.0, 0.0]
    assert value(LANGUAGE, "train.consolidation")["group_share"] == 0.1  # type: ignore[index]


def test_the_more_text_must_go_the_more_of_the_training_a_consolidation_replaces() -> None:
    path = "train.consolidation.replaces"

    def replaced(distinctive: float) -> list[object]:
        shares = (0.05, 0.3, 0.4, 0.5, 0.9)
        return [value(replace(TOPIC, groups={"forget": GroupSeen(s, distinctive)}), path) for s in shares]

    assert replaced(0.04) == [0.0, 0.0, 0.1, 0.2, 0.2]
    assert replaced(0.88) == [0.0, 0.0, 0.05, 0.1, 0.1]
    assert value(replace(LANGUAGE, pretrained=True), path) == 0.0
    few = replace(LANGUAGE, groups={"forget": GroupSeen(0.58, 0.3)}, labeled_share=0.2)
    assert value(few, path) == 0.0, "most of what is labeled, but at most 15 % of the text"
    assert value(LANGUAGE, "train.consolidation")["replaces"] == value(LANGUAGE, path)  # type: ignore[index]


@pytest.mark.parametrize("path", RULES)
@pytest.mark.parametrize("seen", [LANGUAGE, TOPIC, replace(TOPIC, labeled_share=1.0, policy="gram", pretrained=True)])
def test_every_choice_says_why(path: str, seen: Seen) -> None:
    because = chosen(seen, path)[path].because
    assert because
    assert not because.endswith(".")
    assert because[0].islower() or because[0].isdigit()


def test_every_field_of_a_group_has_a_rule() -> None:
    for field, rule in GROUP_RULES.items():
        _, because = rule(LANGUAGE, "forget")
        assert because, field
