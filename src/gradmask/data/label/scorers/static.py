"""Static embeddings (Model2Vec): the mean of the words' vectors, from a local folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from gradmask.data.label.scorers.scorer import Material, State
from gradmask.errors import GradmaskError

_FILE = "tokenizer.json"
_ARRAYS = ("embedding", "weights", "token_mapping")


class Scorer:
    """``static:PATH``, the folder of a ``StaticModel``. Its vectors become part of the labeler.

    It may find what shares no word with the examples.
    """

    learns, strength, column = True, 10.0, "text"

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def make(cls, material: Material) -> Self:
        """From a folder; nothing is downloaded.

        Raises:
            GradmaskError: Model2Vec is not installed, or the folder holds no such model.
        """
        path = Path(material.argument).expanduser()
        if not material.argument or not path.is_dir():
            raise GradmaskError(
                f"the scorer static needs the folder of a Model2Vec model: static:PATH, not {str(path)!r}"
            )
        try:
            return cls(_library().StaticModel.from_pretrained(path))
        except GradmaskError:
            raise
        except Exception as error:  # a stranger's files raise anything that the libraries that read them can raise
            raise GradmaskError(f"{path} holds no Model2Vec model: {error}") from None

    @classmethod
    def restore(cls, state: State) -> Self:
        """From stored vectors and their tokenizer."""
        from tokenizers import Tokenizer

        arrays = {name: state.arrays.get(name) for name in _ARRAYS}
        tokenizer = Tokenizer.from_str(state.files[_FILE])
        return cls(_library().StaticModel(arrays.pop("embedding"), tokenizer, **state.settings, **arrays))

    def state(self) -> State:
        """Vectors, weights and the tokenizer."""
        arrays = {name: getattr(self.model, name) for name in _ARRAYS}
        settings = {"normalize": bool(self.model.normalize)}
        kept = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
        return State(settings, kept, {_FILE: self.model.tokenizer.to_str()})

    def features(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of length 1, float32 ``[texts, dimensions]``; texts are read whole."""
        if not len(texts):
            return np.zeros((0, self.model.embedding.shape[1]), dtype=np.float32)
        vectors = self.model.encode(list(texts), max_length=None, use_multiprocessing=False)
        norm = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(norm, 1e-12)).astype(np.float32)


def _library() -> Any:
    try:
        import model2vec
    except ImportError:
        raise GradmaskError("static embeddings need Model2Vec: pip install 'gradmask[embeddings]'") from None
    return model2vec
