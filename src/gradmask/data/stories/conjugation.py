"""The forms of verbs and plurals, by the rules of each language and a table of exceptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradmask.data.stories.tables import vocabulary

VOWELS = "aeiou"
_PLAIN = str.maketrans("áéíóú", "aeiou")
#: One syllable, or stressed on the last: the final consonant doubles before -ing.
_DOUBLED = {"run", "cut", "swim", "forget", "get", "sit", "split", "dig", "win", "put"}


@dataclass(frozen=True)
class EnglishVerb:
    base: str
    past: str
    participle: str
    ing: str
    present: str


@dataclass(frozen=True)
class SpanishVerb:
    """Third person, but for the infinitive, the gerund and ``future_i`` (first person); reflexives with their pronoun."""

    infinitive: str
    preterite: str
    imperfect: str
    gerund: str
    perfect: str
    present: str
    future: str
    future_i: str


def _bent(base: str, bend: Callable[[str], str]) -> str:
    """``base`` with its first word bent: *wake up*, *woke up*."""
    head, _, rest = base.partition(" ")
    return f"{bend(head)} {rest}".strip()


def english_past(base: str) -> str:
    """The regular past."""
    return _bent(base, lambda x: x + "d" if x.endswith("e") else _y(x, "ied", "ed"))


def english_present(base: str) -> str:
    """The third person."""
    special = {"have": "has", "go": "goes"}
    return _bent(
        base, lambda x: special.get(x) or (x + "es" if x.endswith(("s", "sh", "ch", "x", "z")) else _y(x, "ies", "s"))
    )


def _y(word: str, after_consonant: str, otherwise: str) -> str:
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + after_consonant
    return word + otherwise


def english_ing(base: str, past: str) -> str:
    """The -ing form; a doubled consonant shows in the past, or in a list."""

    def bend(head: str) -> str:
        if head.endswith("ie"):
            return head[:-2] + "ying"
        if head.endswith("e") and not head.endswith("ee"):
            return head[:-1] + "ing"
        doubled = head in _DOUBLED or past.startswith(head + head[-1] + "ed")
        return head + (head[-1] if doubled else "") + "ing"

    return _bent(base, bend)


def english_verb(base: str, past: str | None = None, participle: str | None = None) -> EnglishVerb:
    """All forms of a verb. By default the past is regular, and the participle is the past."""
    past = past or english_past(base)
    return EnglishVerb(base, past, participle or past, english_ing(base, past), english_present(base))


FORMS = ("preterite", "imperfect", "gerund", "participle", "present")
_REGULAR = {
    "ar": ("ó", "aba", "ando", "ado", "a"),
    "er": ("ió", "ía", "iendo", "ido", "e"),
    "ir": ("ió", "ía", "iendo", "ido", "e"),
}


def spanish_verb(infinitive: str) -> SpanishVerb:
    """From the infinitive; one in ``-se`` is reflexive."""
    reflexive = infinitive.endswith("se")
    plain = infinitive[:-2] if reflexive else infinitive
    endings = zip(FORMS, _REGULAR[plain[-2:].translate(_PLAIN)], strict=True)
    forms = {form: plain[:-2] + ending for form, ending in endings} | {"future": plain + "á"}
    preterite, imperfect, gerund, participle, present, future = (
        forms | vocabulary("spanish_irregular").get(plain, {})
    ).values()
    if reflexive:
        gerund = gerund[:-4] + {"ando": "ándose", "endo": "éndose"}[gerund[-4:]]
    se, me = ("se ", "me ") if reflexive else ("", "")
    return SpanishVerb(
        infinitive, se + preterite, se + imperfect, gerund, f"{se}había {participle}", se + present, se + future,
        me + future[:-1] + "é",
    )  # fmt: skip


def spanish_plural(word: str) -> str:
    """The plural by the rules, accents included."""
    if word[-1] in "aeiouáéó":
        return word + "s"
    if word.endswith("z"):
        return word[:-1] + "ces"
    if word[-1] in "ns" and len(word) > 1 and word[-2] in "áéíóú":
        return word[:-2] + word[-2].translate(_PLAIN) + word[-1] + "es"
    return word + "es"


#: Feminine nouns that begin with a stressed a take the articles *el* and *un*.
STRESSED_A = frozenset({"águila", "arpa", "ancla", "hacha", "haya"})

#: Written with a vowel but spoken with a consonant, and the reverse.
_SPOKEN_CONSONANT = ("use", "unic", "unif", "univ", "uniq", "euro", "one")
_SILENT_H = ("hour", "honest", "honour", "heir")


def english_a(words: str) -> str:
    """*a* or *an* before ``words``."""
    vowel = words[0] in VOWELS and not words.startswith(_SPOKEN_CONSONANT)
    return f"{'an' if vowel or words.startswith(_SILENT_H) else 'a'} {words}"
