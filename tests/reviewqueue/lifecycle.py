"""A plain model of an item's life, and the machine that plays the product against it.

The model knows nothing of SQL: what it says after each step has to be what the tables say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calibration.models import GroundTruth
from reviewqueue.claims import claim_next, expire_leases, renew_lease
from reviewqueue.erasures import erase_items
from reviewqueue.intake import ConflictError, Taken, take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import NotOverturnableError, overturn_verdict, undo_overturn
from reviewqueue.sequencer import sequence_all
from reviewqueue.verdicts import (
    Answer,
    LateVerdictError,
    UndoWindowPassedError,
    record_verdict,
    undo_verdict,
)
from routing.items import Post
from routing.models import Announcement, Item, Stream
from routing.replays import replay_decisions
from tests.scenes import HELD, KEYS, SURE

MOST_ITEMS = 6
PAST = timezone.now() - timedelta(days=1)

# Mostly the first of those that the step is about: the rest is soon seen to be refused.
some_item = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5])
some_person = st.integers(0, 1)
# Mostly whoever has the seat: what others may not do is soon seen.
somebody = st.sampled_from(["holder", "holder", "rita", "sam"])
some_category = st.sampled_from(KEYS)


@dataclass
class Said:
    """A verdict; a withdrawal has no category. One that was brought back is not told again."""

    id: UUID
    category: str
    person: int
    published: bool
    overturns: bool = False
    brought_back: bool = False
    note: str = ""


@dataclass
class Life:
    """One item and its one seat, which an automatic one has not."""

    post: Post
    decision: UUID
    seat: str
    holder: int | None = None
    token: UUID | None = None
    old_tokens: list[UUID] = field(default_factory=list)
    lapsed: bool = False
    said: list[Said] = field(default_factory=list)
    erased: bool = False

    @property
    def live(self) -> Said | None:
        """What was said last, unless it was taken back."""
        return self.said[-1] if self.said and self.said[-1].category else None

    @property
    def state(self) -> str:
        if self.live:
            return "settled"
        return "waiting" if self.seat in ("open", "claimed") else "routed"

    def hold(self, person: int, token: UUID | None) -> None:
        """The seat is this person's under a new lease."""
        if self.token is not None:
            self.old_tokens.append(self.token)
        self.seat, self.holder, self.token, self.lapsed = "claimed", person, token, False

    def free(self) -> None:
        """The lease ran out, and somebody noticed."""
        assert self.token is not None
        self.old_tokens.append(self.token)
        self.seat, self.holder, self.token, self.lapsed = "open", None, None, False


class Loop(RuleBasedStateMachine):
    """Whatever is done, in whatever order, by whoever: the tables say what the model says.

    An example is one transaction that is rolled back.
    """

    def __init__(self, stream: Stream, people: tuple[User, User]) -> None:
        super().__init__()
        self.stream, self.people = stream, people
        self.lives: dict[str, Life] = {}
        self.example = transaction.atomic()
        self.example.__enter__()

    def teardown(self) -> None:
        """Decisions replay, and all that is due is told once, in an order without gaps."""
        try:
            replayed = replay_decisions(stream=self.stream)
            assert (replayed.decisions, replayed.differing) == (len(self.lives), 0)
            self._check_feed()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    @initialize()
    def begin(self) -> None:
        self._take_in(HELD)
        self._take_in(SURE)

    @rule(held=st.booleans(), number=some_item, how=st.sampled_from(["new", "same", "other"]))
    def post(self, held: bool, number: int, how: str) -> None:
        if how == "new":
            if len(self.lives) < MOST_ITEMS:
                self._take_in(HELD if held else SURE)
            return
        name, life = self._life(number)
        other = Post(name, {"body": "something else"}, life.post.scores)
        [answer] = take_in(stream=self.stream, posts=[life.post if how == "same" else other])
        if how == "other":
            assert isinstance(answer, ConflictError)
            return
        assert isinstance(answer, Taken)
        told = answer.decision_id, answer.created, answer.erased_at is not None
        assert told == (life.decision, False, life.erased)

    @rule(person=some_person)
    def claim(self, person: int) -> None:
        expected = self._next_for(person)
        task = claim_next(user=self.people[person], stream=self.stream, queue="hold")
        if expected is None:
            assert task is None
            return
        name, life = expected
        assert task is not None
        assert (task.item.external_id, task.holder_id) == (name, self.people[person].pk)
        if life.seat == "open":
            life.hold(person, task.lease_token)
        assert task.lease_token == life.token

    @rule(number=some_item, who=somebody, stale=st.booleans())
    def beat(self, number: int, who: str, stale: bool) -> None:
        _, life = self._life(number, "claimed")
        person = self._person(life, who)
        token = self._token(life, stale)
        end = renew_lease(task_id=self._task_id(life), user=self.people[person], lease_token=token)
        assert (end is not None) == self._holds(life, person, token)

    @rule(number=some_item, noticed=st.booleans())
    def let_time_pass(self, number: int, noticed: bool) -> None:
        """The lease of one seat runs out; somebody may notice, and free all that have."""
        _, life = self._life(number, "claimed")
        if life.seat == "claimed":
            ReviewTask.objects.filter(id=self._task_id(life)).update(lease_expires_at=PAST)
            life.lapsed = True
        if noticed:
            lapsed = self._lapsed()
            assert expire_leases(stream_id=self.stream.id) == len(lapsed)
            for each in lapsed:
                each.free()

    @rule(
        number=some_item,
        who=somebody,
        category=some_category,
        stale=st.booleans(),
        undoable=st.booleans(),
    )
    def answer(self, number: int, who: str, category: str, stale: bool, undoable: bool) -> None:
        name, life = self._life(number, "claimed")
        person = self._person(life, who)
        token = self._token(life, stale)
        self._open_window(undoable)
        note = f"{name} is {category}"
        try:
            with transaction.atomic():
                verdict = record_verdict(
                    task_id=self._task_id(life),
                    lease_token=token,
                    reviewer=self.people[person],
                    answer=Answer("category", (category,), comment=note),
                )
        except LateVerdictError:
            assert not self._holds(life, person, token), "a right answer was refused"
            return
        assert self._holds(life, person, token), "an answer was taken without a lease"
        life.seat = "answered"
        life.said.append(Said(verdict.id, category, person, not undoable, note=note))

    @rule(number=some_item, who=somebody)
    def undo(self, number: int, who: str) -> None:
        _, life = self._life(number, "answered")
        person = self._person(life, who)
        last = life.said[-1] if life.said else None
        may = (
            last is not None
            and bool(last.category)
            and not (last.published or last.overturns or life.erased)
            and last.person == person
        )
        try:
            with transaction.atomic():
                asked = last.id if last else uuid4()
                task = undo_verdict(verdict_id=asked, reviewer=self.people[person])
        except UndoWindowPassedError:
            assert not may
            return
        assert may
        life.hold(person, task.lease_token)
        withdrawal = Verdict.objects.get(supersedes=asked)
        life.said.append(Said(withdrawal.id, "", person, published=True))

    @rule(number=some_item, person=some_person, category=some_category, undoable=st.booleans())
    def overturn(self, number: int, person: int, category: str, undoable: bool) -> None:
        name, life = self._life(number, "answered")
        if not life.said or life.said[-1].category == category:
            return
        live, self_note = life.live, f"{name} is {category} after all"
        may = live is not None and live.published and not life.erased
        self._open_window(undoable)
        try:
            with transaction.atomic():
                made = overturn_verdict(
                    verdict_id=life.said[-1].id,
                    by=self.people[person],
                    answer=Answer("category", (category,), comment=self_note),
                )
        except NotOverturnableError:
            assert not may
            return
        assert may
        life.said.append(
            Said(made.id, category, person, not undoable, overturns=True, note=self_note)
        )

    @rule(number=some_item, who=somebody)
    def take_overturn_back(self, number: int, who: str) -> None:
        _, life = self._life(number, "answered")
        person = self._person(life, who)
        last = life.said[-1] if life.said else None
        may = (
            last is not None
            and last.overturns
            and not (last.published or life.erased)
            and last.person == person
        )
        try:
            with transaction.atomic():
                asked = last.id if last else uuid4()
                back = undo_overturn(verdict_id=asked, by=self.people[person])
        except UndoWindowPassedError:
            assert not may
            return
        assert may
        before = life.said[-2]
        life.said.append(
            Said(
                back.id,
                before.category,
                before.person,
                published=True,
                brought_back=True,
                note=before.note,
            )
        )

    @rule(number=some_item)
    def erase(self, number: int) -> None:
        name, life = self._life(number)
        done = erase_items(stream=self.stream, external_ids=[name])
        assert (done.erased, done.before, done.unknown) == (not life.erased, life.erased, ())
        life.erased = True
        if life.seat in ("open", "claimed"):
            life.seat = "cancelled"
        for said in life.said:
            said.note = ""

    @invariant()
    def tables_agree(self) -> None:
        lives = self.lives
        here = {"stream": self.stream}
        items = Item.objects.filter(**here).values_list(
            "external_id", "state", "erased_at", "payload"
        )
        assert {name: (state, bool(at), not payload) for name, state, at, payload in items} == {
            name: (life.state, life.erased, life.erased) for name, life in lives.items()
        }
        seats = ReviewTask.objects.filter(**here).values_list(
            "item__external_id", "state", "holder_id", "lease_token"
        )
        assert {name: tuple(rest) for name, *rest in seats} == {
            name: (life.seat, self._key_of(life.holder), life.token)
            for name, life in lives.items()
            if life.seat
        }
        said: dict[str, list[object]] = {name: [] for name in lives}
        for name, categories, *rest in (
            Verdict.objects.filter(**here)
            .order_by("id")
            .values_list("item__external_id", "categories", "id", "reviewer_id", "comment")
        ):
            said[name].append(("".join(categories), *rest))
        assert said == {
            name: [(s.category, s.id, self._key_of(s.person), s.note) for s in life.said]
            for name, life in lives.items()
        }
        labels = GroundTruth.objects.current().filter(**here)
        assert {
            name: rest
            for name, *rest in labels.values_list("item__external_id", "categories", "verdict_id")
        } == {
            name: [[life.live.category], life.live.id] for name, life in lives.items() if life.live
        }

    def _take_in(self, scores: Mapping[str, float]) -> None:
        name = f"t{len(self.lives)}"
        post = Post(name, {"body": f"This is {name}."}, scores)
        [taken] = take_in(stream=self.stream, posts=[post])
        assert isinstance(taken, Taken)
        assert taken.decision_id is not None
        self.lives[name] = Life(post, taken.decision_id, "open" if scores is HELD else "")

    def _life(self, number: int, seat: str = "") -> tuple[str, Life]:
        """One of all, those with a seat in this state first."""
        found = sorted(self.lives.items(), key=lambda pair: pair[1].seat != seat)
        return found[number % len(found)]

    def _person(self, life: Life, who: str) -> int:
        """Who has the seat, or one of the two by name."""
        if who == "holder" and life.holder is not None:
            return life.holder
        return 1 if who == "sam" else 0

    def _next_for(self, person: int) -> tuple[str, Life] | None:
        """What claiming should give; whoever finds nothing open frees what has lapsed first."""
        everything = list(self.lives.items())
        mine = [
            (name, life)
            for name, life in everything
            if life.seat == "claimed" and life.holder == person and not life.lapsed
        ]
        if mine:
            ids = {task.item.external_id: task.claimed_at for task in self._claimed()}
            return min(mine, key=lambda pair: ids[pair[0]] or PAST)
        if not any(life.seat == "open" for life in self.lives.values()):
            for life in self._lapsed():
                life.free()
        return next((pair for pair in everything if pair[1].seat == "open"), None)

    def _claimed(self) -> list[ReviewTask]:
        found = ReviewTask.objects.filter(stream=self.stream, state="claimed")
        return list(found.select_related("item"))

    def _lapsed(self) -> list[Life]:
        return [life for life in self.lives.values() if life.seat == "claimed" and life.lapsed]

    def _holds(self, life: Life, person: int, token: UUID) -> bool:
        held = life.seat == "claimed" and not life.lapsed
        return held and life.holder == person and life.token == token

    def _token(self, life: Life, stale: bool) -> UUID:
        """The seat's token, or one that it had before."""
        if stale and life.old_tokens:
            return life.old_tokens[-1]
        return life.token or uuid4()

    def _task_id(self, life: Life) -> UUID:
        found = ReviewTask.objects.filter(decision_id=life.decision).values_list("id", flat=True)
        return found.first() or uuid4()

    def _open_window(self, undoable: bool) -> None:
        Stream.objects.filter(id=self.stream.id).update(undo_seconds=3600 if undoable else 0)

    def _key_of(self, person: int | None) -> Any:
        return None if person is None else self.people[person].pk

    def _check_feed(self) -> None:
        """Published answers have a position each, 1, 2, 3 and so on; the others have none."""
        sequence_all()
        rows = Announcement.objects.filter(stream=self.stream, position__isnull=False)
        told = list(rows.order_by("position").values_list("position", "kind", "subject_id"))
        assert [row[0] for row in told] == list(range(1, len(told) + 1))
        published = {
            each.id
            for life in self.lives.values()
            for each in life.said
            if each.category and each.published and not each.brought_back
        }
        answered = {row[2] for row in told if row[1] in ("item.settled", "item.overturned")}
        assert answered == published
