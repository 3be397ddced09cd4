"""Files of items: read line by line, checked as strictly as posts, taken in by the thousand.

A line is a JSON object as the API takes it. Beside those fields it may have `text` instead of a
payload, which becomes `{"text": ...}`, and `truth`: the category that is known to be right, or a
list of those that would do.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from gzip import GzipFile
from io import BufferedReader
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from calibration.models import GroundTruth
from reviewqueue.intake import IntakeError, Taken, take_in
from reviewqueue.payloads import label_of
from reviewqueue.posts import check_post
from reviewqueue.refusals import ProblemError, shown
from reviewqueue.strict_json import parse_json
from routing.categories import known_keys
from routing.core.policy import PolicyError
from routing.items import Post
from routing.models import Category, Decision, Item, Policy, Stream
from routing.models.streams import KEY_PATTERN
from routing.policies import copy_policy, current_spec, publish_policy

BATCH_ITEMS: Final = 1_000
BATCH_BYTES: Final = 16 * 1024 * 1024
LINE_BYTES: Final = 1024 * 1024
MOST_CATEGORIES: Final = 1_000

Truth = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file by its number from 1; `body` is None where it is too long to be read."""

    number: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not taken in, and why; `field` may be empty."""

    number: int
    field: str
    message: str

    def __str__(self) -> str:
        named = not self.field or self.message.startswith(self.field)
        return f"line {self.number}{'' if named else f', {self.field}'}: {self.message}"


@dataclass(slots=True)
class Counts:
    """What became of the lines: stored now, stored before with the same content, refused."""

    taken: int = 0
    known: int = 0
    refused: int = 0

    def __str__(self) -> str:
        return f"{self.taken:,} taken, {self.known:,} known, {self.refused:,} refused"


@dataclass(slots=True)
class _Batch:
    """Lines that go in together, parallel lists."""

    numbers: list[int] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    size: int = 0

    def add(self, line: Line, post: Post, truth: Truth) -> None:
        self.numbers.append(line.number)
        self.posts.append(post)
        self.truths.append(truth)
        self.size += len(line.body or b"")

    @property
    def is_full(self) -> bool:
        return len(self.posts) >= BATCH_ITEMS or self.size >= BATCH_BYTES


def read_lines(source: BufferedReader | GzipFile) -> Iterator[Line]:
    """The lines of `source` that are not blank, each held in memory alone."""
    number = 0
    while body := source.readline(LINE_BYTES + 1):
        number += 1
        if number == 1:
            body = body.removeprefix(BOM_UTF8)
        if len(body) > LINE_BYTES and not body.endswith(b"\n"):
            while (rest := source.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield Line(number, None)
        elif body.strip():
            yield Line(number, body)


def import_lines(
    *,
    stream: Stream,
    lines: Iterable[Line],
    with_truth: bool,
    on_refusal: Callable[[Refusal], None],
) -> Counts:
    """Take the items of `lines` into the stream; bad lines are told and left out.

    `with_truth`: every line brings its truth, which becomes ground truth. As all of the file's
    items are labelled, each label has the inclusion probability 1; a line without a truth is
    therefore refused. The items are settled, and nobody is asked about them. Items that are
    known already stay as they are. Without it a truth is ignored.

    Each batch is one transaction, so an interrupted import is simply run again.

    Raises:
        NoPolicyError: the stream has no published policy.
    """
    current_spec(stream.id)  # without a policy not even the first line could be taken
    known = known_keys(stream.id)
    counts = Counts()

    def refuse(refusal: Refusal) -> None:
        counts.refused += 1
        on_refusal(refusal)

    batch = _Batch()
    for line in lines:
        try:
            post, truth = _read_item(line, known, with_truth=with_truth)
        except ProblemError as problem:
            refuse(Refusal(line.number, problem.field or "", _explain(problem)))
            continue
        batch.add(line, post, truth)
        if batch.is_full:
            _take_batch(stream, batch, counts, refuse, with_truth=with_truth)
            batch = _Batch()
    _take_batch(stream, batch, counts, refuse, with_truth=with_truth)
    return counts


def collect_categories(lines: Iterable[Line]) -> list[str]:
    """The category keys that the readable lines name in their scores, in order of appearance."""
    keys: dict[str, None] = {}
    for line in lines:
        try:
            parsed = parse_json(line.body or b"")
        except ProblemError:
            continue
        scores = parsed.get("scores") if isinstance(parsed, dict) else None
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


def _read_item(line: Line, known: Collection[str], *, with_truth: bool) -> tuple[Post, Truth]:
    if line.body is None:
        raise ProblemError(
            "too_large", f"is longer than {LINE_BYTES:,} bytes; shorten its payload."
        )
    parsed = parse_json(line.body)
    truth: object = None
    if isinstance(parsed, dict):
        truth = parsed.pop("truth", None)
        if "text" in parsed:
            if "payload" in parsed:
                raise ProblemError("invalid", "text stands beside payload; give one.", field="text")
            parsed["payload"] = {"text": parsed.pop("text")}
    return check_post(parsed), _read_truth(truth, known) if with_truth else ()


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
    if problem.code == "malformed":  # every line of the file is line 1 to the parser
        return problem.detail.replace(" at line 1, column ", " at column ")
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
    if not batch.posts:
        return
    created: dict[int, Taken] = {}
    with transaction.atomic():
        answers = take_in(stream=stream, posts=batch.posts, labelled=with_truth)
        for index, answer in enumerate(answers):
            if isinstance(answer, Taken) and answer.created:
                created[index] = answer
        if with_truth:
            _settle(stream, {index: batch.truths[index] for index in created}, created)
    counts.taken += len(created)
    for number, answer in zip(batch.numbers, answers, strict=True):
        if isinstance(answer, IntakeError):
            refuse(Refusal(number, answer.field, str(answer)))
        elif not answer.created:
            counts.known += 1


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
