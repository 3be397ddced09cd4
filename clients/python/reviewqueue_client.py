"""A client of the Review Queue API in one file, with nothing beside Python 3.11 or later.

    queue = ReviewQueue("http://127.0.0.1:8000", key="rq_...", stream="helpdesk")
    decision = queue.post_item(
        {"external_id": "HD-1", "payload": {"body": "Locked out."}, "scores": {"vpn_issue": 0.9}}
    )
    if decision["action"] in ACTS:
        act_on(decision["category"])

Every call may be repeated, since an item is known by its external id: what gets no answer, a 429 or
a 503 is sent again, after `Retry-After` or else after a pause that grows and is drawn at random.
What is refused raises `Refused`, with the problem document. A client is safe to share by threads.
"""

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final, Literal, NotRequired, TypedDict, cast
from urllib.parse import quote, urlencode

__all__ = [
    "ACTS",
    "BatchLine",
    "Decision",
    "Item",
    "Outcome",
    "Policy",
    "Problem",
    "Refused",
    "ReviewQueue",
    "Streams",
    "Unreachable",
]

ACTS: Final = ("act", "act_and_review")
AGAIN: Final = (429, 502, 503, 504)
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "urn:reviewqueue:problem:"
CHUNK_BYTES: Final = 16 * 1024 * 1024

Queue = Literal["auto", "flagged", "hold", "reject"]
Action = Literal["act", "act_and_review", "wait", "refuse", "escalate"]
Measure = Literal["warn", "flagged", "hold"]
Document = dict[str, Any]


class Alternative(TypedDict):
    category: str
    probability: float


class Uncertain(TypedDict):
    message: str
    candidates: list[Alternative]


class Citation(TypedDict):
    """The block that a shipped sentence is to be shown with."""

    id: str
    title: str
    link: str
    date: str | None


class Decision(TypedDict):
    """What to do with an item; `category` is None unless the action acts.

    `badge` to `warnings` stand in the answers to drafted sentences alone, `erased_at` where what
    the item held was erased.
    """

    id: str | None
    external_id: str
    queue: Queue
    action: Action
    category: str | None
    predicted: str
    confidence: float
    raw_confidence: float
    margin: float
    entropy: float
    alternatives: list[Alternative]
    watch: list[str]
    reasons: list[Document]
    policy_version: int
    uncertain: Uncertain | None
    badge: NotRequired[Literal["green", "amber", "refused"]]
    citation: NotRequired[Citation | None]
    contributions: NotRequired[dict[str, float] | None]
    warnings: NotRequired[list[Document]]
    erased_at: NotRequired[str]


class Verdict(TypedDict):
    """What a person said."""

    kind: Literal["category", "no_category_fits", "ambiguous", "cannot_judge"]
    categories: list[str]
    proposed_name: str
    comment: str
    answered_at: str
    block: NotRequired[str | None]
    off_topic: NotRequired[bool]
    claims: NotRequired[list[bool] | None]


class Retry(TypedDict):
    """What a person asks of you for a refused sentence."""

    id: str
    how: Literal["rewrite", "widen"]
    note: str
    requested_at: str


class Item(Decision):
    """An item with its latest decision, and the verdict once there is one."""

    state: Literal["routed", "waiting", "settled"]
    received_at: str
    fingerprint: str
    verdict: Verdict | None
    retry_of: NotRequired[str | None]
    retried_by: NotRequired[list[str]]
    retry: NotRequired[Retry | None]


class Problem(TypedDict):
    """Why something was refused: `detail` for people, `type` and `field` for programs."""

    type: str
    title: str
    status: int
    detail: str
    field: NotRequired[str]
    value: NotRequired[str]
    limit: NotRequired[int]
    retry_after: NotRequired[int]
    stored_fingerprint: NotRequired[str]
    posted_fingerprint: NotRequired[str]


class BatchLine(TypedDict):
    """The answer to one item of a batch: `decision`, or `problem` where it was refused."""

    index: int
    status: int
    decision: NotRequired[Decision]
    problem: NotRequired[Problem]


class Answer(TypedDict):
    """A person's answer without its words; `get_item` has those."""

    id: str
    kind: str
    categories: list[str]
    answered_at: str
    block: NotRequired[str | None]
    off_topic: NotRequired[bool]
    claims: NotRequired[list[bool] | None]


class Machine(TypedDict):
    """What the machine had decided; `category` is what was acted on, if anything."""

    id: str
    queue: str
    action: str
    category: str | None
    predicted: str


class OutcomeData(TypedDict):
    stream: str
    item: str
    external_id: str
    sequence: int
    verdict: Answer
    decision: Machine
    agrees: bool
    seat: str
    published_at: str
    overturned: NotRequired[Answer]


class Outcome(TypedDict):
    """What people decided on an item; `type` is `item.settled` or `item.overturned`."""

    id: str
    type: str
    timestamp: str
    data: OutcomeData


class CutOffs(TypedDict):
    auto: float
    flagged: float
    hold: float


class Gates(TypedDict):
    min_margin: float | None
    max_entropy: float | None
    distrust_entropy: float | None
    escalate_entropy: float | None


# Between two confidences; `from` is no name that a class can have.
Distrusted = TypedDict("Distrusted", {"category": str, "from": float, "to": float})


class Calibration(TypedDict):
    map: str | None
    model_versions: list[str]
    on_other_model: Measure
    uncalibrated: Measure
    distrusted: list[Distrusted]


class Category(TypedDict):
    """A category with what holds for it; scores go by its `key`."""

    key: str
    label: str
    definition: str
    cut_offs: CutOffs
    watch: float | None
    mandatory_review: bool
    mandatory_reason: str
    map: str | None


class Grounding(TypedDict):
    entailment_weight: float
    gap_weight: float
    claims_weight: float
    gap_low: float
    gap_high: float


class Policy(TypedDict):
    """The policy that decides the next item."""

    stream: str
    version: int
    title: str
    published_at: str
    cut_offs: CutOffs
    gates: Gates
    reject_action: Literal["refuse", "escalate"]
    calibration: Calibration
    fallback: list[str]
    grounding: NotRequired[Grounding]
    categories: list[Category]


class Stream(TypedDict):
    key: str
    name: str
    policy_version: int | None


class Limits(TypedDict):
    requests_per_minute: int | None
    item_bytes: int
    batch_bytes: int
    batch_items: int


class Streams(TypedDict):
    """What the key reaches, and how much it may send."""

    streams: list[Stream]
    limits: Limits


class Refused(Exception):
    """The API refused a request and sending it again would not help; `problem` says why."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(f"{status}: {problem['detail'] or problem['title']}")
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The kind of problem, such as `invalid`; empty where it was not the service that spoke."""
        _before, found, code = str(self.problem["type"]).partition(PROBLEM)
        return code if found else ""


class Unreachable(Exception):
    """No answer that counts came, however often it was tried. Trying later is safe."""


@dataclass(frozen=True)
class ReviewQueue:
    """One stream as an upstream system sees it.

    `tries` is how often a request is sent at most, `timeout` the seconds that each may take,
    `longest_wait` the most seconds between two, even where the service asks for more.
    """

    url: str
    key: str
    stream: str
    tries: int = 6
    timeout: float = 30.0
    longest_wait: float = 60.0

    def post_item(self, item: Mapping[str, Any]) -> Decision:
        """Post an item: `external_id`, `payload`, `scores` (or `blocks`) and what else it has."""
        decision: Decision = self._ask("POST", self._path("items"), _encode(item))
        return decision

    def post_batch(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        chunk: int = 1000,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Iterator[BatchLine]:
        """Post items from any iterable, at most `chunk` of them and `chunk_bytes` at a time.

        Yields their answers in order; `index` counts over all chunks. What is too much for the
        service is sent in halves, and an item that is too large alone is answered with its
        problem. Nothing is sent until the answers are read.
        """
        start = 0
        for part in _cut(map(_encode, items), chunk, chunk_bytes):
            yield from self._post_lines(part, start)
            start += len(part)

    def decide(self, item: Mapping[str, Any]) -> Decision:
        """What would be decided; nothing is stored. `scores` alone are enough."""
        decision: Decision = self._ask("POST", self._path("decide"), _encode(item))
        return decision

    def get_item(self, external_id: str) -> Item:
        """What became of an item."""
        item: Item = self._ask("GET", self._path(f"items/{quote(external_id, safe='')}"))
        return item

    def get_policy(self) -> Policy:
        """The published policy: cut-offs, gates, and the categories with their definitions."""
        policy: Policy = self._ask("GET", self._path("policy"))
        return policy

    def streams(self) -> Streams:
        """The streams that the key reaches, this one or not, and what it may send."""
        streams: Streams = self._ask("GET", "/api/v1/streams")
        return streams

    def outcomes(self, after: str = "", *, limit: int = 1000) -> Iterator[tuple[Outcome, str]]:
        """Settled items in order from the cursor `after`, until there are no more for now.

        Yields each outcome with the cursor to keep once it is dealt with. Within a page that is
        the page's own beginning, so that after a crash outcomes come again rather than never.
        """
        more = True
        while more:
            query = urlencode({"limit": limit} | ({"after": after} if after else {}))
            page = self._ask("GET", f"{self._path('outcomes')}?{query}")
            found, more = page["outcomes"], page["more"]
            for place, outcome in enumerate(found):
                yield outcome, page["next"] if place == len(found) - 1 else after
            after = page["next"]

    def _post_lines(self, lines: list[bytes], start: int) -> Iterator[BatchLine]:
        try:
            body = b"\n".join(lines)
            answer = self._ask("POST", self._path("items/batch"), body, content_type=NDJSON)
        except Refused as refused:
            if refused.status != 413:
                raise
            if len(lines) == 1:
                yield {"index": start, "status": 413, "problem": refused.problem}
                return
            half = len(lines) // 2
            yield from self._post_lines(lines[:half], start)
            yield from self._post_lines(lines[half:], start + half)
            return
        results: list[BatchLine] = answer["results"]
        for line in results:
            line["index"] += start
            yield line

    def _path(self, call: str) -> str:
        return f"/api/v1/streams/{quote(self.stream, safe='')}/{call}"

    def _ask(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = JSON
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the caller's own address
            self.url.rstrip("/") + path,
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": content_type},
        )
        trouble = asked = ""
        for attempt in range(self.tries):
            if attempt:
                time.sleep(self._pause(attempt, asked))
            try:
                with _OPENER.open(request, timeout=self.timeout) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    if error.code not in AGAIN:
                        raise Refused(error.code, _read_problem(error)) from error
                    trouble, asked = str(error), error.headers.get("Retry-After", "")
            except (OSError, HTTPException, json.JSONDecodeError) as error:
                trouble, asked = str(error) or type(error).__name__, ""
        raise Unreachable(f"{method} {path} was tried {self.tries} times; the last: {trouble}")

    def _pause(self, attempt: int, asked: str) -> float:
        """Seconds to wait: as long as was asked for, else up to 0.5, 1, 2, 4 ..., and a little
        more at random, so that clients that failed together do not come back together."""
        if asked.isdigit():
            return min(float(asked), self.longest_wait) + random.random() / 4  # noqa: S311
        return min(2.0**attempt / 4, self.longest_wait) * (0.5 + random.random() / 2)  # noqa: S311


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key goes to nobody but the address that it was given for."""

    def redirect_request(self, *_request: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


def _encode(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=False, allow_nan=False).encode()


def _cut(lines: Iterable[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    """The lines in parts of so many lines and bytes; one that is longer is a part of its own."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) > most_bytes:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
        if len(part) >= most:
            yield part
            part, size = [], 0
    if part:
        yield part


def _read_problem(error: urllib.error.HTTPError) -> Problem:
    """The problem document, or what a proxy on the way said instead."""
    text = error.read().decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    problem = found if isinstance(found, dict) else {"detail": text[:200]}
    own = {"type": "about:blank", "title": error.reason, "status": error.code, "detail": ""}
    return cast(Problem, own | problem)
