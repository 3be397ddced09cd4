"""What is decided about posts, before anything of it is stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import connection

from reviewqueue.models import ReviewTask
from reviewqueue.sentences import read_sentences
from routing.categories import known_keys
from routing.core.evidence import EvidenceTable
from routing.core.policy import Policy
from routing.core.rules import Decision as Outcome
from routing.core.rules import Opinions, RemoteAnswer, decide
from routing.core.signals import ScoreError, ScoreMatrix, UnknownCategoryError, score_matrix
from routing.items import Post
from routing.models import Decision, Item, Stream

CAPACITY_LOCK: Final = 0x52515F43  # "RQ_C": who counts the free seats of a stream


class IntakeError(ValueError):
    """An item that cannot be taken in. `field` is the place, the message says what to do."""

    def __init__(self, message: str, *, field: str, value: object = None) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


def read_posted(
    stream: Stream, spec: Policy, posts: Sequence[Post], *, at: datetime
) -> tuple[ScoreMatrix | EvidenceTable, Mapping[int, ScoreError]]:
    """The scores of posts; the stream's further categories are asked for only where named.

    Of drafted sentences the evidence, as it was `at` that time.
    """
    if stream.is_grounded:
        return read_sentences(stream, posts, at=at)
    rows = [post.scores for post in posts]
    matrix, errors = score_matrix(spec.categories, rows)
    if any(isinstance(error, UnknownCategoryError) for error in errors.values()):
        return score_matrix(spec.categories, rows, others=known_keys(stream.id))
    return matrix, errors


class Batch:
    """Posts whose scores can be used (`good`, by their number) and what is decided about them."""

    def __init__(
        self,
        spec: Policy,
        posts: Sequence[Post],
        *,
        scores: tuple[ScoreMatrix | EvidenceTable, Mapping[int, ScoreError]],
        remote: RemoteAnswer | None,
    ) -> None:
        self.spec = spec
        self.matrix, errors = scores
        self.good: list[int] = self.matrix.index.tolist()
        self.posts = [posts[number] for number in self.good]
        self.errors = {
            number: IntakeError(str(error), field=error.field, value=error.value)
            for number, error in errors.items()
        }
        self.opinions = Opinions(
            secondary=[post.secondary for post in self.posts],
            matched=[spec.fallback.match(post.payload) for post in self.posts],
            remote=[remote] * len(self.posts),
        )
        self.full = [False] * len(self.posts)

    def decide(self) -> list[Outcome]:
        return decide(
            self.spec,
            self.matrix,
            model_versions=[post.model_version for post in self.posts],
            opinions=self.opinions,
            full=self.full,
        )

    def decide_within(self, stream: Stream) -> list[Outcome]:
        """Decide, and again where more would wait than the stream's capacity has seats for.

        Who counts free seats waits for the last who did to commit.
        """
        decided = self.decide()
        waiting = [n for n, made in enumerate(decided) if made.action == Decision.Action.WAIT]
        if stream.hold_capacity is None or not waiting:
            return decided
        free = count_free_seats(stream)
        known = set(
            Item.objects.filter(
                stream=stream, external_id__in=[self.posts[n].external_id for n in waiting]
            ).values_list("external_id", flat=True)
        )
        for number in waiting:
            external_id = self.posts[number].external_id
            if external_id not in known:
                known.add(external_id)
                self.full[number] = free <= 0
                free -= 1
        return self.decide() if any(self.full) else decided


def count_free_seats(stream: Stream) -> int:
    """How many more held items may wait in a stream of bounded capacity, under a lock until
    the transaction ends."""
    if stream.hold_capacity is None:
        raise ValueError(f"{stream.key} has no hold_capacity; there is nothing to count")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [CAPACITY_LOCK, str(stream.id)]
        )
    taken = ReviewTask.objects.unanswered().filter(
        stream=stream, queue=ReviewTask.Queue.HOLD, known__isnull=True
    )
    # By item: one that two people judge waits once.
    return stream.hold_capacity - taken.order_by().values("item_id").distinct().count()
