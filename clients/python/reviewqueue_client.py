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
from itertools import islice
from typing import Any, Final, Literal, NotRequired, TypedDict
from urllib.parse import quote, urlencode

__all__ = ["ACTS", "BatchLine", "Decision", "Item", "Refused", "ReviewQueue", "Unreachable"]

ACTS: Final = ("act", "act_and_review")
AGAIN: Final = (429, 502, 503, 504)
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

Action = Literal["act", "act_and_review", "wait", "refuse", "escalate"]
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

    The last four stand in the answers to drafted sentences alone.
    """

    id: str | None
    external_id: str
    queue: Literal["auto", "flagged", "hold", "reject"]
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


class Item(Decision):
    """An item with its latest decision, and the verdict once there is one."""

    state: Literal["routed", "waiting", "settled"]
    received_at: str
    fingerprint: str
    verdict: Verdict | None
    retry_of: NotRequired[str | None]
    retried_by: NotRequired[list[str]]
    retry: NotRequired[Document | None]


class BatchLine(TypedDict, total=False):
    """The answer to one item of a batch: `decision`, or `problem` where it was refused."""

    index: int
    status: int
    decision: Decision
    problem: Document


class Refused(Exception):
    """The API refused a request and sending it again would not help; `problem` says why."""

    def __init__(self, status: int, problem: Document) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or problem}")
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The kind of problem, such as `invalid` or `conflict`."""
        return str(self.problem.get("type", "")).rpartition(":")[2]


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
        self, items: Iterable[Mapping[str, Any]], *, chunk: int = 1000
    ) -> Iterator[BatchLine]:
        """Post items from any iterable, `chunk` at a time; yields their answers in order.

        `index` counts over all chunks. Nothing is sent until the answers are read.
        """
        source, start = iter(items), 0
        while part := list(islice(source, chunk)):
            body = b"\n".join(_encode(item) for item in part)
            answer = self._ask("POST", self._path("items/batch"), body, content_type=NDJSON)
            lines: list[BatchLine] = answer["results"]
            for line in lines:
                line["index"] += start
                yield line
            start += len(part)

    def decide(self, item: Mapping[str, Any]) -> Decision:
        """What would be decided; nothing is stored. `scores` alone are enough."""
        decision: Decision = self._ask("POST", self._path("decide"), _encode(item))
        return decision

    def get_item(self, external_id: str) -> Item:
        """What became of an item."""
        item: Item = self._ask("GET", self._path(f"items/{quote(external_id, safe='')}"))
        return item

    def get_policy(self) -> Document:
        """The published policy: cut-offs, gates, and the categories with their definitions."""
        policy: Document = self._ask("GET", self._path("policy"))
        return policy

    def outcomes(self, after: str = "", *, limit: int = 1000) -> Iterator[tuple[Document, str]]:
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


def _read_problem(error: urllib.error.HTTPError) -> Document:
    """The problem document, or what a proxy on the way said instead."""
    text = error.read().decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"title": error.reason, "detail": text[:200]}
