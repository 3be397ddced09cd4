"""What is measured of a grown stream: each case the same work, whatever the stream holds.

Everything runs in this process on one connection, by Django's test client where it is a request, so
that processor time and pages are those of the work and of nothing else.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from benchmarks.cast import authorise
from benchmarks.growth_past import grown_id, make_post, make_scores
from benchmarks.growth_rows import Shift
from benchmarks.review import read_form
from calibration.frames import fold_deltas
from calibration.monitoring import watch_audits
from calibration.runs import measure
from calibration.shifts import measure_shift
from reviewqueue import claims, deliveries, sequencer
from reviewqueue.exports import Selection, export_lines
from reviewqueue.insight.making import make_next
from reviewqueue.insight_models import InsightSheet
from reviewqueue.models import Membership, ReviewTask
from reviewqueue.recalibrations import recalibrate_stream
from reviewqueue.seats import open_audit_seats
from routing.items import Post
from routing.models import Announcement, Stream

BATCH: Final = 1_000
HOST: Final = "localhost"
HTMX: Final = {"HX-Request": "true"}
PAGES: Final = ("reliability", "what-if", "health", "ambiguity", "drift", "reviewers", "runs")
LISTS: Final = (
    "routing/item",
    "routing/item/?state__exact=waiting",
    "routing/decision",
    "routing/decision/?queue__exact=reject",
    "routing/event",
    "reviewqueue/reviewtask",
    "reviewqueue/reviewtask/?state__exact=open",
    "reviewqueue/verdict",
    "calibration/auditdraw",
    "calibration/groundtruth",
    "calibration/framecount",
    "reviewqueue/delivery",
)


@dataclass(frozen=True, slots=True)
class Case:
    """`act` returns how many units it did; `flat`: what a unit costs must not grow."""

    name: str
    unit: str
    act: Callable[[], float]
    times: int = 20
    warm_up: int = 2
    flat: bool = True


@dataclass
class Scene:
    """A grown stream, who asks, and how many clones there are by now."""

    shift: Shift
    clones: int
    size: int
    rng: random.Random = field(default_factory=lambda: random.Random(3))
    upstream: Client = field(default_factory=lambda: Client(SERVER_NAME=HOST))
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers = {
            name.lower(): value
            for name, value in authorise(self.stream).items()
            if name == "Authorization"
        }

    @property
    def stream(self) -> Stream:
        return self.shift.past.stream

    @property
    def place(self) -> str:
        """Where upstream posts."""
        return f"/api/v1/streams/{self.stream.key}"

    def veteran(self) -> Client:
        """A browser of somebody who gave a twentieth of all verdicts."""
        return sign_in(self.shift.past.reviewers[0])

    def admin(self) -> Client:
        """A browser of somebody who may do everything."""
        user, _created = User.objects.get_or_create(
            username="grown-admin", defaults={"is_staff": True, "is_superuser": True}
        )
        Membership.objects.get_or_create(
            stream=self.stream, user=user, role=Membership.Role.STREAM_ADMIN
        )
        return sign_in(user)

    def some_id(self) -> str:
        """The external id of any item of the past's clones."""
        return grown_id(self.rng.randint(1, self.clones), self.rng.randrange(self.shift.items))

    def post(self, path: str, body: object) -> bytes:
        """What upstream is answered."""
        answer = self.upstream.post(
            f"{self.place}/{path}",
            json.dumps(body).encode(),
            content_type="application/json",
            headers=dict(self.headers),
        )
        return expect(answer.status_code, answer.content, (200, 201))

    def get(self, path: str) -> bytes:
        """What upstream reads."""
        answer = self.upstream.get(f"{self.place}/{path}", headers=dict(self.headers))
        return expect(answer.status_code, answer.content)


def sign_in(user: User) -> Client:
    """A browser with a session of this person."""
    client = Client(SERVER_NAME=HOST)
    client.force_login(user)
    return client


def expect(status: int, content: bytes, wanted: Sequence[int] = (200,)) -> bytes:
    """The content. Raises RuntimeError where the status is another."""
    if status not in wanted:
        raise RuntimeError(f"{status} was answered, not {wanted}: {content[:500]!r}")
    return content


def make_cases(scene: Scene) -> Iterator[Case]:
    """All cases in the order in which they run: readers first, then what changes the stream."""
    yield from _pages(scene)
    yield from _upstream(scene)
    yield from _lists(scene)
    yield from _sweeps(scene)
    yield from _review(scene)
    yield from _intake(scene)
    yield from _background(scene)
    yield from insight_cases(scene)


def _pages(scene: Scene) -> Iterator[Case]:
    browser = scene.veteran()
    key = scene.stream.key
    yield Case("home", "page", _getter(browser, "/"))
    yield Case("my verdicts", "page", _getter(browser, f"/streams/{key}/mine/"))
    yield Case("watch list", "page", _getter(browser, f"/streams/{key}/watch/"))

    def find_item() -> float:
        answer = browser.get("/items/", {"id": scene.some_id()}, follow=True)
        expect(answer.status_code, answer.content)
        return 1.0

    yield Case("an item found and read", "page", find_item)


def _upstream(scene: Scene) -> Iterator[Case]:
    def read_item() -> float:
        scene.get(f"items/{scene.some_id()}")
        return 1.0

    places = Announcement.objects.filter(stream=scene.stream, position__isnull=False)
    first = places.order_by("position").values_list("position", flat=True)[0] or 0
    last = places.order_by("-position").values_list("position", flat=True)[0] or 0

    def read_feed() -> float:
        answer = json.loads(scene.get(f"outcomes?after=o{scene.rng.randint(first, last)}"))
        return float(len(answer["outcomes"]))

    yield Case("an item read by upstream", "request", read_item, times=50)
    yield Case("the feed from anywhere", "outcome", read_feed, times=10)

    def export_day() -> float:
        since = timezone.now() - timedelta(days=1)
        selection = Selection(scene.stream, since=since)
        return float(sum(block.count(b"\n") for block in export_lines(selection)))

    yield Case("export of the last day", "item", export_day, times=1, warm_up=0)


def _lists(scene: Scene) -> Iterator[Case]:
    browser = scene.admin()
    for name in LISTS:
        path, _question, query = name.partition("/?")
        title = f"admin's {path.rpartition('/')[2]}s" + (f" ({query})" if query else "")
        address = f"/admin/{path}/" + (f"?{query}" if query else "")
        yield Case(title, "page", _getter(browser, address), times=3, warm_up=1)


def _sweeps(scene: Scene) -> Iterator[Case]:
    """What beat starts all day long, where nothing is due."""
    del scene

    def sweep(work: Callable[[], object]) -> Callable[[], float]:
        def act() -> float:
            work()
            return 1.0

        return act

    yield Case("sweep: leases", "sweep", sweep(claims.expire_leases))
    yield Case("sweep: announcements", "sweep", sweep(sequencer.sequence_all))
    yield Case("sweep: deliveries", "sweep", sweep(deliveries.send_due))
    yield Case("sweep: old deliveries", "sweep", sweep(deliveries.delete_old_deliveries))
    yield Case("sweep: frame counts", "sweep", sweep(fold_deltas))


def _review(scene: Scene) -> Iterator[Case]:
    key = scene.stream.key
    people = User.objects.bulk_create(
        User(username=f"next-{scene.size}-{number}", password="!") for number in range(160)
    )
    Membership.objects.bulk_create(
        Membership(stream=scene.stream, user=person, role=Membership.Role.REVIEWER)
        for person in people
    )
    # One browser and a cookie for each: a test client loads its middleware at its first request.
    cookies = iter([sign_in(person).cookies for person in people])
    passed_round = scene.veteran()

    def ask_for_next() -> float:
        passed_round.cookies = next(cookies)
        answer = passed_round.get(f"/streams/{key}/hold/", headers=HTMX)
        read_form(expect(answer.status_code, answer.content))
        return 1.0

    yield Case("next task", "request", ask_for_next, times=120, warm_up=20)
    browser = scene.veteran()
    shown = [browser.get(f"/streams/{key}/hold/").content]

    def answer_task() -> float:
        path, body = read_form(shown[0])
        answer = browser.post(
            path, body, content_type="application/x-www-form-urlencoded", headers=HTMX
        )
        shown[0] = expect(answer.status_code, answer.content)
        return 1.0

    yield Case("verdict with the next task", "request", answer_task, times=120, warm_up=20)

    def close_table() -> float:
        table = f"/streams/{key}/flagged/batch/"
        page = expect(*_get(browser, f"{table}?today=yes"))
        rows = [row.decode() for row in _ROW.findall(page)]
        token = _TOKEN.search(page)
        if token is None:
            raise RuntimeError(f"This page shows no table: {page[:500]!r}")
        fields = {"lease_token": token[1].decode(), "today": "yes", "row": rows, "confirm": rows}
        answer = browser.post(f"{table}confirm", fields, headers=HTMX)
        expect(answer.status_code, answer.content)
        return float(len(rows))

    _pass_over_blind_share(scene.stream)
    yield Case("a table of flagged items", "row", close_table, times=1, warm_up=0)

    def sequence() -> float:
        return float(sequencer.sequence_stream(scene.stream.id))

    yield Case("announcements given their place", "announcement", sequence, times=1, warm_up=0)


def _pass_over_blind_share(stream: Stream) -> None:
    """What is judged blind comes before the table; a stream that grew has hundreds of it."""
    blind = ReviewTask.objects.open().filter(
        stream=stream, queue=ReviewTask.Queue.FLAGGED, pi__isnull=False
    )
    blind.update(state=ReviewTask.State.CANCELLED, closed_at=timezone.now())


_ROW: Final = re.compile(rb'name="row" value="([0-9a-f-]{36})"')
_TOKEN: Final = re.compile(rb'name="lease_token" value="([0-9a-f-]{36})"')


def _intake(scene: Scene) -> Iterator[Case]:
    numbers = iter(range(1_000_000_000))

    def bodies(count: int) -> list[dict[str, object]]:
        names = (f"new-{scene.size}-{next(numbers):07}" for _ in range(count))
        return [_body(name, make_post(name, make_scores(scene.rng)[2])) for name in names]

    ready = [bodies(BATCH) for _ in range(8)]
    singles = iter(bodies(150))
    batches = iter(ready)

    def take_batch() -> float:
        scene.post("items/batch", next(batches))
        return float(BATCH)

    def take_single() -> float:
        scene.post("items", next(singles))
        return 1.0

    def take_again() -> float:
        posts = scene.shift.past.posts
        again = []
        for _ in range(BATCH):
            clone, number = scene.rng.randint(1, scene.clones), scene.rng.randrange(len(posts))
            again.append(_body(grown_id(clone, number), posts[number]))
        told = json.loads(scene.post("items/batch", again))
        if told["taken"]:
            raise RuntimeError(f"{told['taken']} items were taken twice.")
        return float(BATCH)

    yield Case("intake, batches of 1,000", "item", take_batch, times=6)
    yield Case("intake, one by one", "item", take_single, times=120, warm_up=20)
    yield Case("the same batch again, of any age", "item", take_again, times=3, warm_up=1)


def _body(external_id: str, post: Post) -> dict[str, object]:
    return {
        "external_id": external_id,
        "payload": post.payload,
        "scores": post.scores,
        "model_version": post.model_version,
    }


def _background(scene: Scene) -> Iterator[Case]:
    def fold() -> float:
        return float(fold_deltas())

    yield Case("frame counts folded", "note", fold, times=1, warm_up=0)

    def draw() -> float:
        done = open_audit_seats(
            stream=scene.stream, at=timezone.now() + timedelta(days=7 * len(str(scene.size)))
        )
        return 0.0 if done is None else float(str(done.result["drawn"]))

    yield Case("audit seats opened", "draw", draw, times=1, warm_up=0)

    def watch() -> float:
        watch_audits(stream=scene.stream, at=timezone.now() + timedelta(days=1))
        return 1.0

    yield Case("drift watch, nothing new", "stream", watch, times=3, warm_up=0)

    def shift() -> float:
        measure_shift(stream=scene.stream, at=timezone.now() + timedelta(days=scene.size % 97))
        return 1.0

    yield Case("shift of scores", "stream", shift, times=1, warm_up=0, flat=False)

    def month() -> float:
        run = measure(stream=scene.stream, at=timezone.now(), reason="to be measured")
        return max(1.0, run.labels / 1_000)

    yield Case("reliability of 30 days", "1,000 labels", month, times=1, warm_up=0)

    def recalibrate() -> float:
        run = recalibrate_stream(
            stream=scene.stream, at=timezone.now(), reason="to be measured", days=90
        )
        return max(1.0, run.labels / 1_000)

    yield Case("recalibration of 90 days", "1,000 labels", recalibrate, times=1, warm_up=0)


def insight_cases(scene: Scene) -> Iterator[Case]:
    """What a worker takes to make each sheet, then each page that reads it; a moved cut-off."""
    browser = scene.admin()
    base = f"/streams/{scene.stream.key}/insight"
    InsightSheet.objects.filter(stream=scene.stream).delete()
    for page in PAGES:
        yield Case(f"first {page} page", "page", _getter(browser, f"{base}/{page}/"), 1, 0)

    def make_sheet() -> float:
        sheet = make_next()
        if sheet is None or sheet.error:
            raise RuntimeError(f"{sheet}: {sheet.error if sheet else 'none is due'}")
        return 1.0

    # In the order in which the pages have asked; the list of runs needs none.
    for page in PAGES[:-1]:
        yield Case(f"{page} sheet made", "sheet", make_sheet, 1, 0, flat=False)
    for page in PAGES:
        yield Case(f"{page} page", "page", _getter(browser, f"{base}/{page}/"), times=10)
    moved = _getter(browser, f"{base}/what-if/?auto=0.93&flagged=0.75&hold=0.5")
    yield Case("a cut-off moved", "request", moved, times=10)


def _getter(browser: Client, address: str) -> Callable[[], float]:
    def act() -> float:
        expect(*_get(browser, address))
        return 1.0

    return act


def _get(browser: Client, address: str) -> tuple[int, bytes]:
    answer = browser.get(address)
    return answer.status_code, answer.content
