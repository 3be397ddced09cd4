"""Replaying stored decisions: every kind comes out again, and every wrong field is named."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pgtrigger
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.intake import Taken, take_in
from routing import replays
from routing.core.rules import Opinions, RemoteAnswer, decide
from routing.core.signals import score_matrix
from routing.ids import uuid7
from routing.items import NewDecision, Post, insert_decisions
from routing.models import Decision, Item, KeywordRule, Policy, RemoteModel, Stream
from routing.policies import publish_policy, published_spec
from routing.replays import Difference, Replay, replay_decisions
from tests.scenes import KEYS, make_bare_stream, publish

pytestmark = pytest.mark.django_db

PLATT = {"kind": "platt", "parameters": [0.8, -0.1], "knots": []}
TOPS = (0.99, 0.95, 0.9, 0.85, 0.8, 0.72, 0.65, 0.58, 0.5, 0.45, 0.4, 0.36)
CHAINS: Sequence[Sequence[str]] = (
    (),
    ("secondary",),
    ("rules",),
    ("remote",),
    ("person",),
    ("uncertain",),
    ("secondary", "rules", "person"),
    ("rules", "remote", "secondary", "uncertain"),
    ("remote", "person", "uncertain"),
)
SECONDARY: Sequence[Mapping[str, float]] = (
    {},
    {"vpn_issue": 0.97, "account_unlock": 0.02, "security_incident": 0.01},  # acted on
    {"account_unlock": 1},  # always to a person
    {"vpn_issue": 0.6, "security_incident": 0.4},  # watched
    {"vpn_issue": 0.34, "account_unlock": 0.33, "security_incident": 0.33},  # escalated
    {"vpn_issue": 0.62, "account_unlock": 0.28},  # not enough
    {"vpn_issue": 0.55, "account_unlock": 0.3, "security_incident": 0.15},  # nor is this
    {"zeta": 0.5, "alpha": 0.5},  # unknown, in another order than the database's
    {"vpn_issue": 1e22, "account_unlock": 5},
)
WORDS = ("", "the vpn drops", "the vpn drops and the account is locked", "locked", "nothing")
ANSWERS = (
    None,
    RemoteAnswer(error="timeout after 10 s"),
    RemoteAnswer({"vpn_issue": 0.98, "security_incident": 0.02}),
    RemoteAnswer({"vpn_issue": 0.5, "account_unlock": 0.5}),
    RemoteAnswer({"vpn_issue": 0.62, "account_unlock": 0.28}),
    RemoteAnswer({"b": 0.5, "a": 1e22}),
)


def make_scores() -> list[dict[str, float]]:
    """Every category on top at every height: complete, truncated, and a little over 1."""
    found: list[dict[str, float]] = []
    for top in TOPS:
        for shift in range(3):
            first, second, third = (*KEYS[shift:], *KEYS[:shift])
            rest = 1.0 - top
            found.append({first: top, second: rest * 0.7, third: rest * 0.3})
            found.append({first: top, second: rest / 2})
            found.append({third: 0.005, second: rest, first: top})
    return found


def publish_chain(stream: Stream, steps: Sequence[str], **fields: object) -> Policy:
    """A policy with every rule in use and this chain."""
    remote, _ = RemoteModel.objects.get_or_create(
        stream=stream, name="large", url="https://models.example/large"
    )
    policy = Policy.objects.create(
        stream=stream,
        fallback_steps=list(steps),
        remote_model=remote,
        **{"min_margin": 0.3, "max_entropy": 0.6, "escalate_entropy": 0.95} | fields,
    )
    policy.rules.create(
        stream=stream,
        category=stream.categories.get(key="account_unlock"),
        mandatory_review=True,
        mandatory_reason="it opens accounts",
    )
    policy.rules.create(
        stream=stream, category=stream.categories.get(key="security_incident"), watch=0.34
    )
    for name, pattern, key in (("vpn", "vpn", "vpn_issue"), ("lock", "locked", "account_unlock")):
        KeywordRule.objects.create(
            stream=stream,
            policy=policy,
            name=name,
            pattern=pattern,
            category=stream.categories.get(key=key),
            confidence=0.93,
        )
    return publish_policy(policy_id=policy.id, reason="for the test", published_by_id=None)


def post_everything(stream: Stream, name: str, *, at: datetime | None = None) -> list[Taken]:
    """Items of all sorts under the policy in force."""
    rng = Random(name)
    posts = [
        Post(
            external_id=f"{name}-{number:03}",
            payload={"body": rng.choice(WORDS)},
            scores=scores,
            secondary=rng.choice(SECONDARY),
            model_version=rng.choice(("v1", "v2", "")),
        )
        for number, scores in enumerate(make_scores())
    ]
    taken = take_in(stream=stream, posts=posts, received_at=at)
    assert all(isinstance(one, Taken) for one in taken), taken
    return [one for one in taken if isinstance(one, Taken)]


def answer_remotely(stream: Stream, policy: Policy) -> None:
    """A further decision on each item that waits for the remote model, whatever that said."""
    spec = published_spec(policy.id)
    waiting = list(Item.objects.filter(stream=stream, decisions__policy=policy).order_by("id"))
    answers = Random(policy.version).choices(ANSWERS, k=len(waiting))
    matrix, _ = score_matrix(spec.categories, [item.scores for item in waiting])
    full = [number % 7 == 0 for number in range(len(waiting))]
    outcomes = decide(
        spec,
        matrix,
        model_versions=[item.model_version for item in waiting],
        opinions=Opinions([item.secondary for item in waiting], [()] * len(waiting), answers),
        full=full,
    )
    insert_decisions(
        stream_id=stream.id,
        decisions=[
            NewDecision(uuid7(), item.id, policy.id, outcome, 1.0, (), answer, is_full)
            for item, outcome, answer, is_full in zip(waiting, outcomes, answers, full, strict=True)
        ],
        decided_at=timezone.now(),
    )


def replay(stream: Stream, since: datetime | None = None) -> tuple[Replay, list[Difference]]:
    found: list[Difference] = []
    done = replay_decisions(stream=stream, since=since, report=found.append)
    return done, found


@pytest.fixture
def stream(db: None) -> Stream:
    return make_bare_stream(hold_capacity=200)


@pytest.fixture
def filled(stream: Stream) -> Stream:
    """A stream in which every rule, every step of a fallback and the capacity decided something."""
    maps: Mapping[str, object] = {"vpn_issue": PLATT}
    for number, steps in enumerate(CHAINS):
        policy = publish_chain(
            stream,
            steps,
            reject_action=("refuse", "escalate")[number % 2],
            uncalibrated=("warn", "flagged", "hold")[number % 3],
            on_other_model=("warn", "hold", "flagged")[number % 3],
            maps=maps if number % 2 else {},
            model_versions=["v1"] if number % 2 else [],
            distrusted=[["vpn_issue", 5], ["vpn_issue", 4]] if number % 4 == 0 else [],
            source_maps={"secondary": PLATT, "rules": PLATT} if number % 2 else {},
        )
        post_everything(stream, f"p{number}")
        if "remote" in steps:
            answer_remotely(stream, policy)
    return stream


def test_replay_finds_no_difference_in_decisions_of_every_kind(filled: Stream) -> None:
    kinds: set[Any] = set()
    for decision in Decision.objects.all():
        kinds |= {(reason["code"], reason["numbers"].get("result")) for reason in decision.reasons}
        kinds |= {decision.action, f"source {decision.source}", decision.at_capacity}
    steps = {("person", "waits"), ("uncertain", "refused"), ("uncertain", "waits")}
    steps |= {
        (step, result)
        for step in ("secondary", "rules", "remote")
        for result in ("lifted", "stands", "failed", "ended", "missing")
    }
    steps -= {("rules", "stands"), ("remote", "missing"), ("remote", "ended")}
    steps |= {("remote", "asking")}
    assert {(f"fallback_{step}", result) for step, result in steps} <= kinds
    rules = {"confidence", "margin", "entropy", "distrust", "mandatory_review", "watch"}
    rules |= {"escalation", "model_version", "uncalibrated", "capacity"}
    assert {(code, None) for code in rules} <= kinds
    assert {"act", "act_and_review", "wait", "refuse", "escalate", True, False} <= kinds
    assert {"source ", "source secondary", "source rules", "source remote"} <= kinds
    done, found = replay(filled)
    assert found == []
    assert done == Replay(Decision.objects.count(), 0)
    assert done.decisions > 1_200


def test_replay_goes_through_batches_in_few_statements(
    filled: Stream,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    total = Decision.objects.count()
    published_spec.cache_clear()
    sizes: list[int] = []
    monkeypatch.setattr(replays, "BATCH", 100)
    replay_decisions(stream=filled)  # loads the policies
    with django_assert_num_queries(-(-total // 100) + 1):
        done = replay_decisions(stream=filled, advance=sizes.append)
    assert done == Replay(total, 0)
    assert sizes == [100] * (total // 100) + ([total % 100] if total % 100 else [])


def test_replay_of_an_empty_stream_is_nothing(stream: Stream) -> None:
    assert replay(stream) == (Replay(0, 0), [])


def test_replay_leaves_other_streams_alone(stream: Stream) -> None:
    other = make_bare_stream("other")
    for one in (stream, other):
        publish(one)
        post_everything(one, "x")
    tamper(Decision.objects.filter(stream=other).earliest("id"), queue="hold")
    assert replay(stream)[0] == Replay(108, 0)
    assert replay(other)[0] == Replay(108, 1)


def tamper(row: Decision | Item | Policy, **values: Any) -> None:
    """Change a row as somebody could who owns the database: by SQL, past the triggers."""
    assignments = ", ".join(f"{column} = %s" for column in values)
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {row._meta.db_table} SET {assignments} WHERE id = %s",
            [*values.values(), row.id],
        )


@pytest.fixture
def lifted(stream: Stream) -> Decision:
    """A decision that a second opinion lifted, watched, with alternatives."""
    publish_chain(stream, ["secondary"], min_margin=None, max_entropy=None)
    scores = {"vpn_issue": 0.6, "account_unlock": 0.25, "security_incident": 0.15}
    posted = Post("T-1", {"body": "x"}, scores, secondary=SECONDARY[1])
    take_in(stream=stream, posts=[posted])
    made = Decision.objects.get()
    assert (made.queue, made.source, made.category) == ("flagged", "secondary", "vpn_issue")
    return made


@pytest.mark.parametrize(
    ("column", "value", "stored", "recomputed"),
    [
        ("queue", "auto", "auto", "flagged"),
        ("action", "act", "act", "act_and_review"),
        ("predicted", "account_unlock", "account_unlock", "vpn_issue"),
        ("category", "", "", "vpn_issue"),
        ("source", "rules", "rules", "secondary"),
        ("raw_confidence", 0.600000001, 0.600000001, 0.6),
        ("confidence", 0.61, 0.61, 0.6),
        ("margin", 0.0, 0.0, 0.35),
        ("entropy", 0.5, 0.5, 0.853473943),
        ("alternatives", "[]", [], None),
        ("watch", ["vpn_issue"], ["vpn_issue"], []),
        ("reasons", "[]", [], ["confidence", "fallback_secondary"]),
        ("reasons", '"gone"', "gone", ["confidence", "fallback_secondary"]),
    ],
)
def test_replay_names_each_field_that_was_changed(
    lifted: Decision, column: str, value: object, stored: object, recomputed: object
) -> None:
    before = getattr(lifted, column)
    tamper(lifted, **{column: value})
    done, found = replay(lifted.stream)
    expected = before if recomputed is None else recomputed
    assert found == [Difference("T-1", lifted.id, column, stored, expected)]
    assert done == Replay(1, 1)


@pytest.mark.parametrize(
    ("part", "value"),
    [("message", "because"), ("numbers", {"confidence": 0.6}), ("extra", 1)],
)
def test_replay_names_the_part_of_the_reason_that_was_changed(
    lifted: Decision, part: str, value: object
) -> None:
    right = lifted.reasons[0].get(part)
    wrong = [{**lifted.reasons[0], part: value}, lifted.reasons[1]]
    tamper(lifted, reasons=json.dumps(wrong))
    found = replay(lifted.stream)[1]
    assert found == [Difference("T-1", lifted.id, f"reasons.0.{part}", value, right)]


def test_replay_counts_a_decision_with_several_differences_once(lifted: Decision) -> None:
    tamper(lifted, queue="hold", action="wait", category="")
    done, found = replay(lifted.stream)
    assert [each.field for each in found] == ["queue", "action", "category"]
    assert done == Replay(1, 1)


def test_replay_finds_a_wrong_row_among_right_ones(filled: Stream) -> None:
    wrong = Decision.objects.filter(queue="hold").latest("id")
    copied = ", ".join(
        field.column
        for field in Decision._meta.local_concrete_fields
        if field.column and field.column not in ("id", "queue")
    )
    with connection.cursor() as cursor:  # inserting is not refused, only changing
        cursor.execute(
            f"INSERT INTO routing_decision (id, queue, {copied}) "
            f"SELECT %s, 'auto', {copied} FROM routing_decision WHERE id = %s",
            [(inserted := uuid7()), wrong.id],
        )
    done, found = replay(filled)
    assert found == [Difference(wrong.item.external_id, inserted, "queue", "auto", "hold")]
    assert done == Replay(Decision.objects.count(), 1)


def test_replay_shows_what_changed_scores_would_have_made(lifted: Decision) -> None:
    tamper(lifted.item, scores='{"vpn_issue": 0.95, "account_unlock": 0.05}')
    fields = {each.field for each in replay(lifted.stream)[1]}
    assert {"queue", "source", "raw_confidence", "reasons"} <= fields


@pytest.mark.parametrize(
    ("scores", "field", "value"),
    [
        ('{"vpn_issue": 1.5}', "scores.vpn_issue", 1.5),
        ("[]", "scores", []),
        ('{"vpn_issue": "high"}', "scores.vpn_issue", "high"),
    ],
)
def test_replay_tells_scores_that_cannot_be_read(
    lifted: Decision, scores: str, field: str, value: object
) -> None:
    tamper(lifted.item, scores=scores)
    done, found = replay(lifted.stream)
    assert [(each.field, each.stored) for each in found] == [(field, value)]
    assert str(found[0].recomputed).startswith("cannot be replayed: ")
    assert done == Replay(1, 1)


@pytest.mark.parametrize("answer", ['{"scores": {}, "sure": true}', '"yes"', "7"])
def test_replay_tells_a_remote_answer_that_cannot_be_read(lifted: Decision, answer: str) -> None:
    tamper(lifted, remote_answer=answer)
    (found,) = replay(lifted.stream)[1]
    assert (found.field, found.stored) == ("remote_answer", json.loads(answer))
    assert str(found.recomputed).startswith("cannot be replayed: ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"maps": '{"": {"kind": "magic"}}'}, "cannot be replayed: kind 'magic' is no map; use"),
        ({"distrusted": '[["vpn_issue"]]'}, "cannot be replayed: not enough values to unpack"),
        ({"maps": "[]"}, "cannot be replayed: 'list' object has no attribute 'items'"),
        ({"fallback_steps": ["prayer"]}, "cannot be replayed: fallback: 'prayer' is no step"),
    ],
)
def test_replay_tells_a_policy_that_cannot_be_read_at_each_of_its_decisions(
    lifted: Decision, values: Mapping[str, object], message: str
) -> None:
    publish(lifted.stream)
    post_everything(lifted.stream, "other")
    tamper(lifted.policy, **values)
    published_spec.cache_clear()
    done, (found,) = replay(lifted.stream)
    assert (found.field, found.stored) == ("policy", str(lifted.policy_id))
    assert str(found.recomputed).startswith(message)
    assert done == Replay(109, 1)


def test_replay_shows_what_a_changed_policy_would_have_made(lifted: Decision) -> None:
    tamper(lifted.policy, auto=0.95, reject_action="escalate")
    published_spec.cache_clear()
    assert [(each.field, each.stored) for each in replay(lifted.stream)[1]] == [
        ("reasons.0.message", "confidence 0.60 under 0.90"),
        ("reasons.0.numbers", {"band": "hold", "cut_off": 0.9, "confidence": 0.6}),
    ]


def test_replay_since_leaves_the_earlier_out(stream: Stream) -> None:
    publish(stream)
    old = datetime(2026, 11, 2, 9, tzinfo=UTC)
    post_everything(stream, "old", at=old)
    post_everything(stream, "new", at=old + timedelta(days=1))
    tamper(Decision.objects.earliest("id"), queue="hold", action="wait")
    assert replay(stream)[0] == Replay(216, 1)
    assert replay(stream, old)[0] == Replay(216, 1)
    assert replay(stream, old + timedelta(microseconds=1))[0] == Replay(108, 0)
    assert replay(stream, old + timedelta(days=2))[0] == Replay(0, 0)
