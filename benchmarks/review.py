"""Sixteen reviewers at a long queue: the next item, and a verdict with the next item.

*Next* is the whole page for somebody who holds nothing, so each request claims; every one is of
another account. *Verdict* is the browser's post, which answers with the next item, by sixteen
accounts that go on and on.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlencode

from benchmarks.backlog import fill_queue, settle_tables
from benchmarks.cast import Reviewer, make_reviewers, make_stream
from benchmarks.clients import Caller, Load, drive
from benchmarks.limits import claim_rate, empty_view
from benchmarks.stage import Stage
from routing.models import Stream

REVIEWERS = 16
SHORT = 1_000
LONG = 100_000
FULL = 1_000_000
NEXT_SECONDS = 12.0
VERDICT_SECONDS = 15.0
_ACTION = re.compile(rb'action="(/tasks/[0-9a-f-]{36}/verdict)"')
_TOKEN = re.compile(rb'name="lease_token" value="([0-9a-f-]{36})"')
_CHOICE = re.compile(rb'name="categories" value="([^"]+)"')


def run(stage: Stage, *, full: bool = False) -> dict[str, float]:
    """The review figures and their limits by name."""
    backlog = FULL if full else LONG
    short, long = make_stream("short"), make_stream("long")
    fill_queue(short, SHORT)
    fill_queue(long, backlog)
    settle_tables()
    found: dict[str, float] = {"backlog_tasks": backlog}
    # The workers' templates and plans are warm when it counts.
    _ask_for_next(stage, short, make_reviewers("warm", 64, streams=[short]), seconds=60)
    few = _ask_for_next(stage, short, make_reviewers("few", 400, streams=[short]), seconds=60)
    many = make_reviewers("many", 4_000, streams=[long])
    load = _ask_for_next(stage, long, many, seconds=NEXT_SECONDS)
    found |= {
        "next_req_s": load.rate,
        "next_p50_ms": load.percentile_ms(0.50),
        "next_p99_ms": load.percentile_ms(0.99),
        "next_growth": load.percentile_ms(0.50) / few.percentile_ms(0.50),
    }
    answering = make_reviewers("answering", REVIEWERS, streams=[long])
    load = _answer(stage, long, answering)
    found |= {
        "verdict_req_s": load.rate,
        "verdict_p50_ms": load.percentile_ms(0.50),
        "verdict_p99_ms": load.percentile_ms(0.99),
    }
    idle = make_reviewers("idle", 10_000, streams=[])
    found["limit_claims_s"] = claim_rate(
        long, [each.user.pk for each in idle], queue="hold", seconds=5.0, clients=8
    )
    found["limit_empty_view_req_s"] = empty_view(clients=REVIEWERS, seconds=4.0).rate
    return found


def _ask_for_next(
    stage: Stage, stream: Stream, reviewers: Sequence[Reviewer], *, seconds: float
) -> Load:
    path = f"/streams/{stream.key}/hold/"

    def asker(share: Iterator[Reviewer]) -> Callable[[], float | None]:
        caller = Caller(stage.url)

        def ask() -> float | None:
            reviewer = next(share, None)
            if reviewer is None:
                return None
            answer = caller.expect(200, "GET", path, None, reviewer.headers)
            if _ACTION.search(answer.body) is None:
                raise RuntimeError(f"{reviewer.user} was shown no item.")
            return answer.seconds

        return ask

    shares = [iter(reviewers[number::REVIEWERS]) for number in range(REVIEWERS)]
    return drive([asker(share) for share in shares], seconds=seconds)


def _answer(stage: Stage, stream: Stream, reviewers: Sequence[Reviewer]) -> Load:
    def answerer(reviewer: Reviewer) -> Callable[[], float | None]:
        caller = Caller(stage.url, reviewer.headers)
        shown = [caller.expect(200, "GET", f"/streams/{stream.key}/hold/").body]

        def answer() -> float | None:
            path, body = read_form(shown[0])
            headers = {
                "HX-Request": "true",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            got = caller.expect(200, "POST", path, body, headers)
            shown[0] = got.body
            return got.seconds

        return answer

    steps = [answerer(reviewer) for reviewer in reviewers]
    return drive(steps, seconds=VERDICT_SECONDS, warm_up=1.0)


def read_form(page: bytes) -> tuple[str, bytes]:
    """Where a review page posts its answer, and the body that confirms its first choice."""
    action, token, choice = (found.search(page) for found in (_ACTION, _TOKEN, _CHOICE))
    if action is None or token is None or choice is None:
        raise RuntimeError(f"This page shows no item: {page[:500]!r}")
    fields = {
        "lease_token": token[1].decode(),
        "kind": "category",
        "categories": choice[1].decode(),
        "active_ms": "4000",
    }
    return action[1].decode(), urlencode(fields).encode()
