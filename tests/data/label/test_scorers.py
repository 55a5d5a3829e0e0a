from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from data.label.topics import COMMON, WORDS, texts
from gradmask.data import label
from gradmask.errors import GradmaskError

VOCABULARY = ["[PAD]", "[UNK]", *COMMON, *sorted(word for words in WORDS.values() for word in words)]
EXAMPLES = label.Examples([*texts("cooking", 12), *texts("retain", 12)], ["cooking"] * 12 + ["retain"] * 12)


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from model2vec import StaticModel

    vectors = np.random.default_rng(0).normal(size=(len(VOCABULARY), 16)).astype(np.float32)
    StaticModel(vectors, tokenizer()).save_pretrained(path := tmp_path_factory.mktemp("static"))
    return path


def bert(kind: str, labels: list[str], path: Path) -> Path:
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)},
    )  # fmt: skip
    getattr(transformers, f"BertFor{kind}")(config).save_pretrained(path)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), unk_token="[UNK]", pad_token="[PAD]", model_max_length=16
    ).save_pretrained(path)
    return path


def test_every_file_of_scorers_is_one() -> None:
    assert label.scorer_names() == ["field", "hf", "keywords", "static", "tfidf"]
    with pytest.raises(GradmaskError, match=r"no scorer 'tfdif'. Did you mean 'tfidf'\?"):
        label.fit(EXAMPLES, scorer="tfdif")


def test_static_embeddings_come_back_without_their_folder(static: Path, tmp_path: Path) -> None:
    labeler = label.fit(EXAMPLES, scorer=f"static:{static}")
    new = [*texts("cooking", 10, 1), *texts("retain", 10, 1)]
    scores = labeler.scores(new)[:, 0]
    assert scores[:10].mean() > scores[10:].mean()
    labeler.save(tmp_path / "labeler")
    static.rename(static.with_name("elsewhere"))
    assert np.array_equal(label.open(tmp_path / "labeler").scores(new)[:, 0], scores)


def test_static_embeddings_need_a_folder() -> None:
    with pytest.raises(GradmaskError, match="needs the folder of a Model2Vec model"):
        label.fit(EXAMPLES, scorer="static:nowhere")


@pytest.mark.parametrize("kind", ["SequenceClassification", "TokenClassification"])
def test_a_classifier_scores_texts_longer_than_its_window(kind: str, tmp_path: Path) -> None:
    names = ["O", "B-FOOD", "I-FOOD"] if kind.startswith("Token") else ["other", "food"]
    path = bert(kind, names, tmp_path / "model")
    labeler = label.fit(EXAMPLES, scorer=f"hf:{path}#cooking=FOOD")
    long = " ".join(texts("cooking", 3, 4))
    features = labeler.scorer.features([long, "pan", ""])
    assert features.shape == (3, 1)
    assert np.isfinite(features).all()
    assert features[0] != labeler.scorer.features([long[:60]])[0]
    labeler.save(tmp_path / "labeler")
    assert np.array_equal(label.open(tmp_path / "labeler").scores([long]), labeler.scores([long]))


def test_a_classifiers_labels_must_be_named(tmp_path: Path) -> None:
    path = bert("SequenceClassification", ["other", "food"], tmp_path)
    with pytest.raises(GradmaskError, match=r"no label 'cooking'.* Labels: other, food. Write hf:PATH#group=LABEL"):
        label.fit(EXAMPLES, scorer=f"hf:{path}")
    with pytest.raises(GradmaskError, match="cannot be opened"):
        label.fit(EXAMPLES, scorer=f"hf:{tmp_path / 'nothing'}")


def test_keywords_score_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps({"cooking": {"Onion": 1, "garlic": 2, "re:o[iv]": 0.5, "the pan": 1}}))
    labeler = label.fit(EXAMPLES, scorer=f"keywords:{path}")
    hits = labeler.scorer.hits(["onion GARLIC", "oil oven", "the pan", "nothing"])[:, 0]
    assert hits.tolist() == [3, 1, 1, 0]
    labeler.save(tmp_path / "labeler")
    path.unlink()
    assert np.array_equal(label.open(tmp_path / "labeler").scores(["onion"]), labeler.scores(["onion"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('{"cook": ["pan"]}', r"no keywords for the group 'cooking'. Did you mean 'cook'\?"),
        ('{"cooking": {"pan": "much"}}', "has the weight 'much', needed: a finite number"),
        ('["a+b"]', r"neither one word nor two: write it as re:a\\\+b"),
        ('["re:("]', "is no regular expression"),
        ("pan", "is not JSON"),
    ],
)
def test_keywords_of_another_form_are_refused(given: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text(given)
    with pytest.raises(GradmaskError, match=message):
        label.fit(EXAMPLES, scorer=f"keywords:{tmp_path / 'words.json'}")


def test_a_field_with_scores_or_with_labels(tmp_path: Path) -> None:
    numbers = [f"0.{i}" for i in range(50, 62)] + [f"0.{i}" for i in range(10, 22)]
    labels = ["cooking"] * 12 + ["retain"] * 12
    scored = label.fit(label.Examples(numbers, labels), scorer="field:toxicity")
    assert scored.column == "toxicity"
    assert np.all(np.diff(scored.scores([0.1, 0.3, "0.6"])[:, 0]) > 0)
    scored.save(tmp_path / "labeler")
    assert label.open(tmp_path / "labeler").column == "toxicity"
    with pytest.raises(GradmaskError, match="is the score of one group"):
        label.fit(label.Examples(numbers, ["a", "b"] * 12), scorer="field:toxicity")


def test_weak_examples_are_texts_with_and_without_keywords() -> None:
    corpus = [*texts("cooking", 30, 5), *texts("retain", 30, 5)]
    weak = label.weak_examples(corpus, {"cooking": WORDS["cooking"]}, count=20)
    assert {corpus.index(text) < 30 for text, own in zip(weak.texts, weak.labels, strict=True) if own} == {True}
    assert [len(own or ()) for own in weak.labels].count(1) == 20
    labeler = label.fit(weak, unlabeled=corpus)
    scores = labeler.scores([*texts("cooking", 10, 6), *texts("retain", 10, 6)])[:, 0]
    assert scores[:10].min() > scores[10:].max()
    with pytest.raises(GradmaskError, match="no text has a keyword of the group 'sailing'"):
        label.weak_examples(texts("retain", 3), {"sailing": ["mast"]})
