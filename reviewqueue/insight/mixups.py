"""The ambiguity sheet: pairs that get mixed up, clusters that no category has, and a heat map."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from calibration.core.clusters import Cluster
from calibration.labels import find_cohort
from calibration.mixups import Mixups, Pair, find_mixups
from calibration.runs import FITTED_DAYS
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import AmbiguityFigures, ClusterFigures, PairFigures
from reviewqueue.insight.heat import heat_map
from reviewqueue.insight.sheets import Made
from reviewqueue.insight.shy import (
    Proposal,
    ShyItems,
    cluster_shy,
    name_cluster,
    read_proposals,
    read_shy,
)
from routing.models import Category, Stream
from routing.policies import current_spec

MOST_PAIRS: Final = 100
MOST_CLUSTERS: Final = 24
MOST_PROPOSALS: Final = 50
# More than are shown: some of them may be hidden from whoever looks.
EXAMPLES: Final = 8
MAPPED: Final = 14
GUESSES: Final = 3


def make_ambiguity(stream: Stream, at: datetime) -> Made:
    """Find pairs, clusters and proposals in the last 90 days, and draw the map.

    Raises NoPolicyError where the stream has no published policy.
    """
    _policy_id, spec = current_spec(stream.id)
    cohort = find_cohort(stream=stream, at=at, days=FITTED_DAYS)
    mixups = find_mixups(cohort=cohort, categories=spec.categories)
    said = mixups.said
    verdicts = [said.verdicts[place] for place in said.fits_none]
    proposals = read_proposals([one for one in verdicts if one is not None])
    shy = read_shy(cohort)
    clusters = cluster_shy(shy)
    mapped = choose_mapped(mixups)
    figures: AmbiguityFigures = {
        "version": spec.version,
        "model": cohort.model_version,
        "first": cohort.first_day.isoformat(),
        "last": cohort.last_day.isoformat(),
        "labels": len(said.items),
        "errors": mixups.errors,
        "fits_none": len(said.fits_none),
        "items": mixups.items,
        "shy": len(shy),
        "alone": clusters.alone,
        "reason": clusters.reason,
        "pairs": [_tell_pair(mixups, pair) for pair in _rank(mixups)[:MOST_PAIRS]],
        "clusters": _tell_clusters(rank_clusters(clusters.found)[:MOST_CLUSTERS], shy, proposals),
        "proposals": [
            {"name": each.name, "items": [str(item) for item in each.items]}
            for each in proposals[:MOST_PROPOSALS]
        ],
        "map": [said.categories[number] for number in mapped],
    }
    documents = {"map": _draw_map(stream, mixups, mapped)} if len(mapped) > 1 else {}
    return Made(dict(figures), draw(documents))


def choose_mapped(mixups: Mixups) -> list[int]:
    """The categories with most of the errors, those that are mixed up beside each other.

    They come by the strongest pairs: each pair that shares a category with the row so far joins
    it at the end where that category stands nearer.
    """
    strongest = sorted(mixups.confused, key=lambda pair: -mixups.confused[pair].share)
    chosen: list[int] = []
    for first, second in strongest:
        new = [number for number in (first, second) if number not in chosen]
        if len(chosen) + len(new) > MAPPED:
            break
        if len(new) == 1:
            known = chosen.index(second if new[0] == first else first)
            chosen.insert(known + (2 * known >= len(chosen) - 1), new[0])
        else:
            chosen += new
    return chosen


def _rank(mixups: Mixups) -> list[Pair]:
    """By what labels say, then by what people named, then by how often scores are close."""

    def strength(pair: Pair) -> tuple[float, int, int]:
        confused, named = mixups.confused.get(pair), mixups.named.get(pair)
        close = mixups.close.get(pair)
        return (
            -(confused.share if confused else 0.0),
            -(named.labels if named else 0),
            -(close.items if close else 0),
        )

    return sorted({*mixups.confused, *mixups.named, *mixups.close}, key=lambda p: (strength(p), p))


def _tell_pair(mixups: Mixups, pair: Pair) -> PairFigures:
    first, second = pair
    confused, named = mixups.confused.get(pair), mixups.named.get(pair)
    close = mixups.close.get(pair)
    keys = mixups.said.categories
    return {
        "first": keys[first],
        "second": keys[second],
        "labels": confused.labels if confused else 0,
        "share": confused.share if confused else 0.0,
        "first_as_second": confused.first_as_second if confused else 0.0,
        "second_as_first": confused.second_as_first if confused else 0.0,
        "lift": confused.lift if confused else None,
        "low": confused.low if confused else None,
        "high": confused.high if confused else None,
        "named": named.labels if named else 0,
        "close": close.items if close else 0,
        "close_share": close.share_of_either if close else 0.0,
        "examples_first": _tell(mixups.examples(first, second, most=EXAMPLES)),
        "examples_second": _tell(mixups.examples(second, first, most=EXAMPLES)),
    }


def rank_clusters(found: Sequence[Cluster]) -> list[Cluster]:
    """Those first that people most often said fit no category, then the larger."""
    return sorted(found, key=lambda each: (-each.none_fits, -each.size, each.members))


def _tell_clusters(
    found: Sequence[Cluster], shy: ShyItems, proposals: Sequence[Proposal]
) -> list[ClusterFigures]:
    names: Mapping[UUID, str] = {item: each.name for each in proposals for item in each.items}
    told: list[ClusterFigures] = []
    for cluster in found:
        order = [*cluster.examples, *(m for m in cluster.members if m not in cluster.examples)]
        guesses = Counter(shy.guesses[member] for member in cluster.members)
        told.append(
            {
                "name": name_cluster(cluster, shy.items, names),
                "terms": list(cluster.terms),
                "size": cluster.size,
                "labelled": cluster.labelled,
                "none_fits": cluster.none_fits,
                "guesses": guesses.most_common(GUESSES),
                "members": _tell([shy.items[member] for member in order]),
            }
        )
    return told


def _tell(items: Sequence[UUID]) -> list[str]:
    return [str(item) for item in items]


def _draw_map(stream: Stream, mixups: Mixups, mapped: Sequence[int]) -> dict[str, object]:
    keys = mixups.said.categories
    rows = Category.objects.filter(stream=stream, key__in=[keys[number] for number in mapped])
    labels = dict(rows.values_list("key", "label"))
    names = [labels.get(keys[number], keys[number]) for number in mapped]
    cells = []
    for (first, second), found in mixups.confused.items():
        if first not in mapped or second not in mapped:
            continue
        one, other = names[mapped.index(first)], names[mapped.index(second)]
        for said, people, share in (
            (other, one, found.first_as_second),
            (one, other, found.second_as_first),
        ):
            if share:
                cells.append({"said": said, "people": people, "share": share})
    return heat_map(names, cells)
