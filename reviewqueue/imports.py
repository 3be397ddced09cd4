"""Items of files: checked as strictly as posts, taken in by the thousand.

Beside the API's fields a record may have `truth`: the category that is known to be right, or a
list of those that would do.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from calibration.models import GroundTruth
from reviewqueue.files.records import Record
from reviewqueue.intake import IntakeError, Taken, take_in
from reviewqueue.prose import label_of
from reviewqueue.refusals import ProblemError, shown
from reviewqueue.sentence_posts import read_post
from routing.categories import known_keys
from routing.core.policy import PolicyError
from routing.items import Post
from routing.models import Category, Decision, Item, Policy, Stream
from routing.models.streams import KEY_PATTERN
from routing.policies import copy_policy, current_spec, publish_policy

BATCH_ITEMS: Final = 1_000
BATCH_BYTES: Final = 16 * 1024 * 1024
MOST_CATEGORIES: Final = 1_000

Truth = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not taken in, and why; `field` may be empty."""

    record: Record
    field: str
    message: str

    def __str__(self) -> str:
        named = not self.field or self.message.startswith(self.field)
        return f"{self.record.place}{'' if named else f', {self.field}'}: {self.message}"


@dataclass(slots=True)
class Counts:
    """What became of the records: stored now, stored before with the same content, refused."""

    taken: int = 0
    known: int = 0
    refused: int = 0

    def __str__(self) -> str:
        return f"{self.taken:,} taken, {self.known:,} known, {self.refused:,} refused"


@dataclass(slots=True)
class _Batch:
    """Records that go in together, parallel lists, and those that cannot, by their place."""

    refused: list[tuple[int, Refusal]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    size: int = 0

    def add(self, record: Record, post: Post, truth: Truth) -> None:
        self.places.append(self.count)
        self.records.append(record)
        self.posts.append(post)
        self.truths.append(truth)
        self.size += len(record.source)

    def refuse(self, refusal: Refusal) -> None:
        self.refused.append((self.count, refusal))
        self.size += len(refusal.record.source)

    @property
    def count(self) -> int:
        return len(self.posts) + len(self.refused)

    def has_predecessor(self, post: Post) -> bool:
        """Whether the refused sentence that the post stands in the place of has to go in first."""
        name = post.grounds.retry_of if post.grounds else ""
        return bool(name) and any(each.external_id == name for each in self.posts)

    @property
    def is_full(self) -> bool:
        return self.count >= BATCH_ITEMS or self.size >= BATCH_BYTES


def import_records(
    *,
    stream: Stream,
    records: Iterable[Record],
    with_truth: bool,
    on_refusal: Callable[[Refusal], None],
) -> Counts:
    """Take the items into the stream; bad ones are told and left out.

    `with_truth`: every record brings its truth, which becomes ground truth. As all of the file's
    items are labelled, each label has the inclusion probability 1; a record without a truth is
    therefore refused. The items are settled, and nobody is asked about them. Items that are
    known already stay as they are. Without it a truth is ignored.

    Each batch is one transaction, so an interrupted import is simply run again.

    Raises:
        NoPolicyError: the stream has no published policy.
        FileError: nothing of the file can be read.
    """
    current_spec(stream.id)  # without a policy not even the first item could be taken
    known = known_keys(stream.id)
    counts = Counts()

    def refuse(refusal: Refusal) -> None:
        counts.refused += 1
        on_refusal(refusal)

    batch = _Batch()
    for record in records:
        try:
            post, truth = _read_item(stream, record, known, with_truth=with_truth)
        except ProblemError as problem:
            batch.refuse(Refusal(record, problem.field or "", _explain(problem)))
        else:
            if batch.has_predecessor(post):
                _take_batch(stream, batch, counts, refuse, with_truth=with_truth)
                batch = _Batch()
            batch.add(record, post, truth)
        if batch.is_full:
            _take_batch(stream, batch, counts, refuse, with_truth=with_truth)
            batch = _Batch()
    _take_batch(stream, batch, counts, refuse, with_truth=with_truth)
    return counts


def collect_categories(records: Iterable[Record]) -> list[str]:
    """The category keys that the readable records name in their scores, in order of appearance."""
    keys: dict[str, None] = {}
    for record in records:
        scores = record.body.get("scores") if isinstance(record.body, dict) else None
        if isinstance(scores, dict):
            keys.update(dict.fromkeys(scores))
    return list(keys)


@transaction.atomic
def add_categories(*, stream: Stream, keys: Iterable[str], reason: str) -> list[str]:
    """Add the categories that are missing and publish a policy that knows them; returns them.

    The first policy of a stream has the default bands, a later one is a copy of the last. What
    cannot be a key is left out: the lines that name it will say so.

    Raises:
        PolicyError: no category is there to publish a policy for, or too many.
    """
    Stream.objects.select_for_update().get(id=stream.id)
    if stream.is_grounded:
        raise PolicyError(
            "A stream of drafted sentences has its two answers and takes no more.",
            field="categories",
        )
    known = set(stream.categories.values_list("key", flat=True))
    new = [key for key in keys if key not in known and _can_be_key(key)]
    if len(known) + len(new) > MOST_CATEGORIES:
        raise PolicyError(
            f"The scores name {len(new):,} new categories and a stream has at most "
            f"{MOST_CATEGORIES:,}; are these ids instead of categories?",
            field="scores",
        )
    last = stream.categories.aggregate(last=Max("position"))["last"]
    Category.objects.bulk_create(
        Category(stream=stream, key=key, label=label_of(key), position=position)
        for position, key in enumerate(new, start=0 if last is None else last + 1)
    )
    current = stream.policies.current().first()
    if new or current is None:
        draft = (
            copy_policy(policy=current, created_by_id=None)
            if current
            else Policy.objects.create(stream=stream, title="Default bands")
        )
        publish_policy(policy_id=draft.id, reason=reason, published_by_id=None)
    return new


def _can_be_key(text: str) -> bool:
    try:
        KEY_PATTERN(text)
    except ValidationError:
        return False
    return True


def _read_item(
    stream: Stream, record: Record, known: Collection[str], *, with_truth: bool
) -> tuple[Post, Truth]:
    if record.problem is not None:
        raise record.problem
    body, truth = record.body, None
    if isinstance(body, dict):
        body = dict(body)
        truth = body.pop("truth", None)
    post = read_post(stream, body)
    _check_size(record, body)
    return post, _read_truth(truth, known) if with_truth else ()


def _check_size(record: Record, body: object) -> None:
    """Refuse an item that no batch of the API would take: its values as JSON, without blanks.

    Measured where the record is long enough: what has one byte in a CSV has six in JSON at most.

    Raises:
        ProblemError: it is too large.
    """
    most = settings.ITEM_MAX_BYTES
    if len(record.source) <= most // 6 or not isinstance(body, dict):
        return
    size = sum(
        len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) for value in body.values()
    )
    if size > most:
        detail = f"has {size:,} characters and at most {most:,} are taken; shorten its payload."
        raise ProblemError("too_large", detail)


def _read_truth(value: object, known: Collection[str]) -> Truth:
    """The categories that are right; a truth of the past may name one that is retired.

    Raises:
        ProblemError: there is none, or one that is not among `known`.
    """
    if value is None:
        raise ProblemError(
            "invalid", "truth is missing; add it, or import without truths.", field="truth"
        )
    keys = value if isinstance(value, list) else [value]
    for key in keys:
        if not isinstance(key, str) or key not in known:
            raise ProblemError(
                "invalid",
                f"truth names {shown(key)}, which is no category of this stream; "
                "name one, or a list of those that would do.",
                field="truth",
                value=key,
            )
    if not keys or len(set(keys)) != len(keys):
        raise ProblemError(
            "invalid", "truth is empty or names a category twice; name each once.", field="truth"
        )
    return tuple(keys)


def _explain(problem: ProblemError) -> str:
    if problem.field is None or problem.value in (None, ""):
        return problem.detail
    return f"{problem.detail} (It has {shown(problem.value)}.)"


def _take_batch(
    stream: Stream,
    batch: _Batch,
    counts: Counts,
    refuse: Callable[[Refusal], None],
    *,
    with_truth: bool,
) -> None:
    """Take in what can be, then tell what was refused in the order of the file."""
    created: dict[int, Taken] = {}
    with transaction.atomic():
        answers = (
            take_in(stream=stream, posts=batch.posts, labelled=with_truth) if batch.posts else []
        )
        for index, answer in enumerate(answers):
            if isinstance(answer, Taken) and answer.created:
                created[index] = answer
        if with_truth:
            _settle(stream, {index: batch.truths[index] for index in created}, created)
    counts.taken += len(created)
    refused = batch.refused
    for place, record, answer in zip(batch.places, batch.records, answers, strict=True):
        if isinstance(answer, IntakeError):
            refused.append((place, Refusal(record, answer.field, str(answer))))
        elif not answer.created:
            counts.known += 1
    for _place, refusal in sorted(refused, key=lambda told: told[0]):
        refuse(refusal)


def _settle(stream: Stream, truths: dict[int, Truth], created: dict[int, Taken]) -> None:
    """Store the truths of items that were created in this transaction, so none has one yet."""
    decisions = {created[index].decision_id: truth for index, truth in truths.items()}
    items = dict(Decision.objects.filter(id__in=list(decisions)).values_list("id", "item_id"))
    now = timezone.now()
    GroundTruth.objects.bulk_create(
        GroundTruth(
            stream=stream,
            item_id=item_id,
            decision_id=decision_id,
            kind=_kind_of(decisions[decision_id]),
            categories=list(decisions[decision_id]),
            pi=1.0,
            blind=True,
            source=GroundTruth.Source.IMPORT,
            settled_at=now,
        )
        for decision_id, item_id in items.items()
    )
    Item.objects.filter(id__in=list(items.values())).update(
        state=Item.State.SETTLED, settled_at=now
    )


def _kind_of(truth: Truth) -> str:
    return GroundTruth.Kind.CATEGORY if len(truth) == 1 else GroundTruth.Kind.AMBIGUOUS


def names_of_categories(stream: Stream) -> dict[str, str]:
    """Keys by label, of the labels that only one category has and that are no key themselves."""
    rows = list(stream.categories.values_list("label", "key"))
    taken = Counter([label for label, _ in rows] + [key for label, key in rows if key != label])
    return {label: key for label, key in rows if taken[label] == 1}
