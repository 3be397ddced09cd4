"""The least confident items of a cohort as texts, and the clusters among them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from calibration.core.clusters import Cluster, Clusters, find_clusters
from calibration.labels import Cohort, decisions_of
from calibration.models import GroundTruth
from reviewqueue.models import Verdict
from reviewqueue.neighbours import read_words
from routing.models import Item

LOOKED_AT: Final = 6_000
# A quarter of what was looked at holds most of what a missing category leaves; more only adds
# items of crowded categories, among which small topics drown.
SHARE: Final = 0.25
SEED: Final = 0
CHUNK: Final = 500
NAME_WORDS: Final = 2
LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class ShyItems:
    """n items, the least confident first: their words and what the machine guessed.

    `none_fits` tells of each whether people found that no category fits, None where nobody judged.
    """

    items: tuple[UUID, ...]
    texts: tuple[str, ...]
    guesses: tuple[str, ...]
    none_fits: tuple[bool | None, ...]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A name that people proposed for what fits no category, and the items they did so on."""

    name: str
    items: tuple[UUID, ...]


def read_shy(cohort: Cohort) -> ShyItems:
    """The least confident quarter of the newest 6,000 decisions, in a constant number of queries.

    Items without words, such as pictures alone, are left out.
    """
    newest = decisions_of(cohort).order_by("-decided_at", "-id")[:LOOKED_AT]
    lowest: dict[UUID, str] = {}
    # An item that was decided again counts once, at its lowest.
    for _confidence, item, key in sorted(
        newest.values_list("raw_confidence", "item_id", "predicted")
    ):
        lowest.setdefault(item, key)
    ids = list(lowest)[: round(SHARE * len(lowest))]
    hidden = [name for name, kind in cohort.stream.payload_fields.items() if kind == "hidden"]
    payloads = Item.objects.filter(id__in=ids).values_list("id", "payload").iterator(CHUNK)
    words = {item: read_words(payload, hidden=hidden) for item, payload in payloads}
    labels = GroundTruth.objects.current().filter(stream=cohort.stream, item_id__in=ids)
    kinds = dict(labels.exclude(kind="uncertain").values_list("item_id", "kind"))
    told = [item for item in ids if words.get(item)]
    return ShyItems(
        items=tuple(told),
        texts=tuple(words[item] for item in told),
        guesses=tuple(lowest[item] for item in told),
        none_fits=tuple(
            kinds[item] == GroundTruth.Kind.NONE_FITS if item in kinds else None for item in told
        ),
    )


def cluster_shy(shy: ShyItems) -> Clusters:
    """Clusters among the texts; the same items give the same clusters."""
    return find_clusters(shy.texts, seed=SEED, none_fits=shy.none_fits)


def name_cluster(cluster: Cluster, items: Sequence[UUID], names: Mapping[UUID, str]) -> str:
    """What people proposed most often for its items; else its own first words."""
    proposed = Counter(names[items[member]] for member in cluster.members if items[member] in names)
    if proposed:
        return proposed.most_common(1)[0][0]
    return _name_by_words(cluster.terms)


def read_proposals(verdicts: Sequence[UUID]) -> list[Proposal]:
    """The names proposed in these verdicts, the most frequent first; case does not matter."""
    rows = (
        Verdict.objects.told()
        .filter(id__in=verdicts)
        .exclude(proposed_name="")
        .order_by("-answered_at")
        .values_list("proposed_name", "item_id")
    )
    found: dict[str, list[tuple[str, UUID]]] = {}
    for name, item in rows:
        tidy = " ".join(name.split())
        found.setdefault(tidy.casefold(), []).append((tidy, item))
    proposals = [
        Proposal(
            Counter(name for name, _item in said).most_common(1)[0][0],
            tuple(item for _name, item in said),
        )
        for said in found.values()
    ]
    return sorted(proposals, key=lambda each: (-len(each.items), each.name))


def _name_by_words(terms: Sequence[str]) -> str:
    """The first pair of words that stands among the terms, else the first two words."""
    pairs = [term for term in terms[:4] if " " in term]
    words = pairs[0] if pairs else " ".join(terms[:NAME_WORDS])
    return words[:LONGEST_NAME].capitalize()
