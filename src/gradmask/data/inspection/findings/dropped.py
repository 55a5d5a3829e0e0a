"""Text that training does not see: beyond a source's limit or max_tokens, or too little for a sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import EXAMPLES, Finding

MOST = 0.5
"""Share of the documents of a source, or of the tokens of a domain, that is left out, above which it is a finding."""


def find(facts: Facts) -> Iterator[Finding]:
    for source in facts.sources:
        if source.kept < (1 - MOST) * source.documents:
            yield Finding(
                "limited",
                "note",
                source.documents - source.kept,
                "documents",
                f"{source.kept:,} of the {source.documents:,} documents of {source.source} are used",
                "Raise the source's limits (megabytes, megabytes_test, documents), if this is not what you want",
            )
    if facts.tokens is None:
        return
    given, used = _by_domain(facts.tokens.train), _by_domain(facts.tokens.used)
    lost = {domain: 1 - used[domain] / given[domain] for domain in given if used[domain] < (1 - MOST) * given[domain]}
    if lost:
        shares = ", ".join(f"{domain!r} {share:.0%}" for domain, share in [*lost.items()][:EXAMPLES])
        yield Finding(
            "dropped",
            "warning",
            sum(given[domain] - used[domain] for domain in lost),
            "tokens",
            f"most of the training text of {len(lost):,} of {len(given):,} domains is not used: {shares}",
            "Raise data.max_tokens, or use shorter sequences where there is little text, if this is not what you want",
        )


def _by_domain(tokens: dict[tuple[str, int], int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (domain, _), count in tokens.items():
        counts[domain] += count
    return counts
