"""Sixteen reviewers at a long queue: the next item, and a verdict with the next item.

*Next* is what HTMX asks for somebody who holds nothing, so each request claims; every one is of
another account. The rate is what sixteen get who ask on and on, the times are those at an offered
rate, counted from when each request was due. *Verdict* is the browser's post, which answers with
the next item, by sixteen accounts that go on and on.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from urllib.parse import urlencode

from benchmarks.backlog import fill_queue, settle_tables
from benchmarks.cast import Reviewer, make_reviewers, make_stream
from benchmarks.clients import Caller, Load, Step, drive, offer
from benchmarks.limits import claim_rate, empty_view
from benchmarks.stage import Stage
from routing.models import Stream

REVIEWERS = 16
SHORT = 1_000
LONG = 100_000
FULL = 1_000_000
NEXT_SECONDS = 12.0
OFFERED = 200.0
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
    _ask_for_next(stage, [short], make_reviewers("warm", 64, streams=[short]), seconds=60)
    found["next_growth"] = _measure_growth(stage, short, long)
    many = make_reviewers("many", 5_000, streams=[long])
    with stage.metered() as cpu:
        load = _ask_for_next(stage, [long], many, seconds=NEXT_SECONDS)[long.key]
    found |= _name("next", load, cpu())
    more = make_reviewers("more", int(OFFERED * NEXT_SECONDS) + REVIEWERS, streams=[long])
    calm = offer(_askers(stage, [long], more, {}), rate=OFFERED, seconds=NEXT_SECONDS)
    found["next_offered_req_s"] = calm.rate
    found |= {"next_p50_ms": calm.percentile_ms(0.50), "next_p99_ms": calm.percentile_ms(0.99)}
    found |= _answer(stage, long, make_reviewers("answering", REVIEWERS, streams=[long]))
    idle = make_reviewers("idle", 10_000, streams=[])
    found["limit_claims_s"] = claim_rate(
        long, [each.user.pk for each in idle], queue="hold", seconds=5.0, clients=8
    )
    found["limit_empty_view_req_s"] = empty_view(clients=REVIEWERS, seconds=4.0).rate
    return found


def _name(what: str, load: Load, cpu: float) -> dict[str, float]:
    return {
        f"{what}_req_s": load.rate,
        f"{what}_p50_ms": load.percentile_ms(0.50),
        f"{what}_p99_ms": load.percentile_ms(0.99),
        f"{what}_cpu_ms": load.mean_ms(cpu),
    }


def _measure_growth(stage: Stage, short: Stream, long: Stream) -> float:
    """The median at the long queue over that at the short one, asked in turn."""
    askers = make_reviewers("in-turn", 2 * (SHORT - 200), streams=[short, long])
    loads = _ask_for_next(stage, [short, long], askers, seconds=NEXT_SECONDS)
    return loads[long.key].percentile_ms(0.50) / loads[short.key].percentile_ms(0.50)


def _ask_for_next(
    stage: Stage, streams: Sequence[Stream], reviewers: Sequence[Reviewer], *, seconds: float
) -> dict[str, Load]:
    """Each reviewer asks once, in turn for one of the streams; returns the load by stream."""
    took: dict[str, list[float]] = {stream.key: [] for stream in streams}
    whole = drive(_askers(stage, streams, reviewers, took), seconds=seconds)
    return {key: Load(whole.seconds, latencies) for key, latencies in took.items()}


def _askers(
    stage: Stage,
    streams: Sequence[Stream],
    reviewers: Sequence[Reviewer],
    took: Mapping[str, list[float]],
) -> list[Step]:
    """Sixteen clients that share the reviewers; each writes its times into `took` by stream."""

    def asker(share: Iterator[tuple[Reviewer, str]]) -> Step:
        caller = Caller(stage.url, {"HX-Request": "true"})

        def ask() -> float | None:
            reviewer, key = next(share, (None, ""))
            if reviewer is None:
                return None
            page = caller.expect(200, "GET", f"/streams/{key}/hold/", None, reviewer.headers)
            if _ACTION.search(page.body) is None:
                raise RuntimeError(f"{reviewer.user} was shown no item.")
            if key in took:
                took[key].append(page.seconds)
            return page.seconds

        return ask

    steps = []
    for number in range(REVIEWERS):
        keys = cycle(stream.key for stream in streams)
        steps.append(asker(zip(reviewers[number::REVIEWERS], keys, strict=False)))
    return steps


def _answer(stage: Stage, stream: Stream, reviewers: Sequence[Reviewer]) -> dict[str, float]:
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
    drive(steps, seconds=1.0)
    with stage.metered() as cpu:
        load = drive(steps, seconds=VERDICT_SECONDS)
    return _name("verdict", load, cpu())


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
