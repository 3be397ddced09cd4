"""The calls that take items in, try them and tell what became of them."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from reviewqueue import logs
from reviewqueue.api import examples
from reviewqueue.api.answers import answer_taken, answer_verdict, respond_json
from reviewqueue.api.bearer import find_stream, limits_of_request
from reviewqueue.api.bodies import read_body
from reviewqueue.api.document import NDJSON, answers_like, takes
from reviewqueue.api.edge import note_headers
from reviewqueue.api.problems import POST_REFUSALS, REFUSALS, document_of
from reviewqueue.api.schemas import BatchOut, DecisionOut, ItemOut
from reviewqueue.api.sentences import answer_posted, answer_stored
from reviewqueue.doorbell import ASK_REMOTE_MODELS, ring
from reviewqueue.intake import ConflictError, IntakeError, Taken, decide_only, read_taken, take_in
from reviewqueue.posts import ItemPost, TriedPost
from reviewqueue.refusals import ProblemError
from reviewqueue.sentence_posts import SentencePost, TriedSentence, read_post
from reviewqueue.settlements import published_verdict
from reviewqueue.strict_json import Element, parse_array, parse_json
from routing.core.rules import Decision as Outcome
from routing.items import Post, latest_decisions, state_before_verdict
from routing.models import Item, Stream

router = Router(tags=["items"])


@router.post(
    "/streams/{stream}/items",
    response={200: DecisionOut, 201: DecisionOut, **POST_REFUSALS},
    openapi_extra=takes((ItemPost, SentencePost), examples.POSTS)
    | answers_like(
        {
            201: {
                "held": ("Held for a person", examples.HELD),
                "amber": ("A drafted sentence, shipped and reviewed", examples.AMBER),
            },
            200: {"again": ("The same body again", examples.HELD)},
        }
    ),
    summary="Take one item in and decide it",
)
def post_item(request: HttpRequest, stream: Path[str]) -> HttpResponse:
    """Answers 201 with the decision; the same body again answers 200 with the same decision."""
    found = find_stream(request, stream)
    post = read_post(found, parse_json(_read_item(request)))
    answer = take_in(stream=found, posts=[post])[0]
    if isinstance(answer, IntakeError):
        raise _problem(answer)
    logs.bind(item=answer.item_id)
    _ring_if_asked([answer])
    return respond_json(_answer(found, post, answer), status=201 if answer.created else 200)


@router.post(
    "/streams/{stream}/decide",
    response={200: DecisionOut, **POST_REFUSALS},
    openapi_extra=takes((TriedPost, TriedSentence), examples.TRIED)
    | answers_like({200: {"acted_on": ("Sure enough to act on", examples.ACTED_ON)}}),
    summary="Decide one item and store nothing",
)
def try_item(request: HttpRequest, stream: Path[str]) -> HttpResponse:
    """What a post of these scores would be answered now, without an id."""
    found = find_stream(request, stream)
    post = read_post(found, parse_json(_read_item(request)), tried=True)
    answer = decide_only(stream=found, posts=[post])[0]
    if isinstance(answer, IntakeError):
        raise _problem(answer)
    return respond_json(_answer(found, post, answer))


@router.post(
    "/streams/{stream}/items/batch",
    response={200: BatchOut, **POST_REFUSALS},
    openapi_extra=takes((ItemPost, SentencePost), examples.BATCHES, most=settings.BATCH_MAX_ITEMS)
    | answers_like({200: {"mixed": ("One taken, one refused", examples.BATCH_ANSWER)}}),
    summary="Take many items in",
)
def post_batch(request: HttpRequest, stream: Path[str]) -> HttpResponse:
    """A JSON array or NDJSON of items; bad ones are refused one by one, the rest is taken."""
    found = find_stream(request, stream)
    parsed = _parse_batch(request)
    posts: list[Post] = []
    places: list[int] = []
    lines: dict[int, dict[str, object]] = {}
    for index, part in enumerate(parsed):
        try:
            if isinstance(part, ProblemError):
                raise part
            posts.append(_check(found, part))
            places.append(index)
        except ProblemError as problem:
            lines[index] = _refused(index, problem)
    logs.bind(items=len(parsed))
    counts = {"taken": 0, "known": 0, "refused": len(lines)}
    answers = take_in(stream=found, posts=posts)
    _ring_if_asked(answers)
    for index, post, answer in zip(places, posts, answers, strict=True):
        if isinstance(answer, Taken):
            counts["taken" if answer.created else "known"] += 1
            lines[index] = {
                "index": index,
                "status": 201 if answer.created else 200,
                "decision": _answer(found, post, answer),
            }
        else:
            counts["refused"] += 1
            lines[index] = _refused(index, _problem(answer))
    return respond_json({**counts, "results": [lines[index] for index in range(len(parsed))]})


@router.get(
    "/streams/{stream}/items/{path:external_id}",
    response={200: ItemOut, **REFUSALS},
    openapi_extra=answers_like({200: {"settled": ("Judged by a person", examples.SETTLED)}}),
    summary="What became of an item",
)
def get_item(request: HttpRequest, stream: Path[str], external_id: Path[str]) -> HttpResponse:
    """The latest decision and state, with the verdict once its undo window is over."""
    found = find_stream(request, stream)
    known = (
        {}
        if "\0" in external_id
        else latest_decisions(stream_id=found.id, external_ids=[external_id])
    )
    decision = known.get(external_id)
    if decision is None:
        raise ProblemError(
            "not_found",
            f"No item {external_id!r} was posted to {stream!r}; check the id.",
            field="external_id",
            value=external_id,
        )
    item = decision.item
    verdict = published_verdict(item) if item.state == Item.State.SETTLED else None
    state = item.state
    if verdict is None and state == Item.State.SETTLED:
        state = state_before_verdict(decision.action)
    return respond_json(
        {
            **answer_taken(read_taken(decision)),
            **(answer_stored(decision, item) if found.is_grounded else {}),
            "state": str(state),
            "received_at": item.received_at.isoformat(),
            "fingerprint": bytes(item.fingerprint).hex(),
            "verdict": answer_verdict(verdict, is_grounded=found.is_grounded),
        }
    )


@router.get("/streams/{stream}/items/batch", include_in_schema=False)
def get_item_called_batch(request: HttpRequest, stream: Path[str]) -> HttpResponse:
    """An item with this id, which the address of batches would hide."""
    return get_item(request, stream, "batch")


def _answer(stream: Stream, post: Post, taken: Taken) -> dict[str, object]:
    answer = answer_taken(taken)
    return answer | answer_posted(taken.made, post) if stream.is_grounded else answer


def _read_item(request: HttpRequest) -> bytes:
    limit = limits_of_request(request).item_bytes
    note_headers(request, {"Item-Limit": limit})
    return read_body(request, limit=limit)


def _parse_batch(request: HttpRequest) -> Sequence[object]:
    """The items, each a parsed body or the problem that it has alone."""
    limits = limits_of_request(request)
    most, longest = limits.batch_items, limits.item_bytes
    note_headers(
        request,
        {"Item-Limit": longest, "Body-Limit": limits.batch_bytes, "Batch-Limit": most},
    )
    body = read_body(request, limit=limits.batch_bytes)
    parts = _parse_lines if request.content_type == NDJSON else _parse_elements
    parsed = list(islice(parts(body, longest), most + 1))
    if not 1 <= len(parsed) <= most:
        raise ProblemError(
            "invalid",
            f"A batch has 1 to {most:,} items, this one has {'more' if parsed else 'none'}.",
            members={"limit": most},
        )
    return parsed


def _parse_lines(body: bytes, longest: int) -> Iterator[object]:
    for line in BytesIO(body):
        if not line.strip():
            continue
        try:
            yield _oversize(len(line), longest) or parse_json(line)
        except ProblemError as problem:
            yield problem


def _parse_elements(body: bytes, longest: int) -> Iterator[object]:
    for element in parse_array(body):
        yield _oversize(element.length, longest) or element


def _check(stream: Stream, part: object) -> Post:
    """A part of a batch as a post; only an array's elements tell whether they are sound."""
    if isinstance(part, Element):
        return read_post(stream, part.value, is_sound=part.is_sound)
    return read_post(stream, part)


def _oversize(length: int, longest: int) -> ProblemError | None:
    """An item of a batch may be as long as one that is posted alone."""
    if length <= longest:
        return None
    return ProblemError(
        "too_large",
        f"The item has {length:,} characters and at most {longest:,} are taken; "
        "shorten its payload.",
        members={"limit": longest},
    )


def _ring_if_asked(answers: Sequence[Taken | IntakeError]) -> None:
    """Let a worker ask the remote model about what waits for it; a sweep would soon do so too."""
    if any(
        isinstance(answer, Taken) and isinstance(answer.made, Outcome) and answer.made.asks
        for answer in answers
    ):
        ring(ASK_REMOTE_MODELS)


def _problem(error: IntakeError) -> ProblemError:
    members = {}
    if isinstance(error, ConflictError):
        members = {"stored_fingerprint": error.stored, "posted_fingerprint": error.posted}
    code = "conflict" if members else "invalid"
    return ProblemError(code, str(error), field=error.field, value=error.value, members=members)


def _refused(index: int, problem: ProblemError) -> dict[str, object]:
    document = document_of(problem)
    return {"index": index, "status": document["status"], "problem": document}
