"""The fault run's checker: silent on a kept promise, and never on a broken one."""

import pytest
from django.contrib.auth.models import User

from benchmarks.checker import CHECKS, DAMAGE, BlindCheckerError, find_violations, prove_checker
from benchmarks.ledger import Ledger
from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import confirm_batch
from reviewqueue.claims import claim_next
from reviewqueue.intake import Taken, take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.items import Post
from routing.models import Stream
from tests.scenes import (
    KEYS,
    LIKELY,
    join,
    make_bare_stream,
    make_person,
    make_stream,
    publish_worked_policy,
)

HELD = (0.576, 0.386, 0.038)


def answer(task: ReviewTask, reviewer: User, ledger: Ledger, note: str) -> Verdict:
    assert task.lease_token is not None
    verdict = record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=reviewer,
        answer=Answer("category", ["vpn_issue"], comment=note),
    )
    ledger.confirm(note)
    return verdict


def claim(stream: Stream, user: User) -> ReviewTask:
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    return task


@pytest.fixture
def ledger(transactional_db: None) -> Ledger:
    """Three held items acknowledged: one answered, one taken back, one untouched."""
    stream = make_bare_stream()
    publish_worked_policy(stream)
    told = Ledger()
    names = ("a", "b", "c")
    posts = [Post(name, {"body": name}, dict(zip(KEYS, HELD, strict=True))) for name in names]
    for name, taken in zip(names, take_in(stream=stream, posts=posts), strict=True):
        assert isinstance(taken, Taken)
        told.note_posted(name)
        told.acknowledge(name, str(taken.decision_id))
    rita, sam = make_person("rita", stream, "reviewer"), make_person("sam", stream, "reviewer")
    answer(claim(stream, rita), rita, told, "kept")
    undone = answer(claim(stream, sam), sam, told, "taken back")
    undo_verdict(verdict_id=undone.id, reviewer=sam)
    told.undo(str(undone.id))
    told.refuse("never stored")
    close_table(make_person("tess"), told)
    return told


def close_table(user: User, ledger: Ledger) -> None:
    """One flagged item, acknowledged and closed as a table of one row."""
    stream = make_stream("tables")
    join(user, stream)
    ledger.note_posted("d")
    [taken] = take_in(stream=stream, posts=[Post("d", {"body": "d"}, LIKELY)])
    assert isinstance(taken, Taken)
    ledger.acknowledge("d", str(taken.decision_id))
    [row] = claim_batch(user=user, stream=stream, with_today=True)
    assert row.lease_token is not None
    confirm_batch(
        user=user, stream=stream, lease_token=row.lease_token, confirmed=[row.id], corrections={}
    )
    ledger.close([str(row.id)])


def test_sees_every_kind_of_damage(ledger: Ledger) -> None:
    assert len(prove_checker(ledger)) == len(DAMAGE) + 1
    assert find_violations(ledger) == []


def test_every_check_is_proved() -> None:
    refused = {"a refused verdict is stored"}

    assert {check for check, _statements in DAMAGE.values()} | refused == set(CHECKS)


def test_sees_what_was_acknowledged_and_is_not_there(ledger: Ledger) -> None:
    ledger.acknowledge("gone", "01a20294-0000-7000-8000-000000000000")

    assert [str(each) for each in find_violations(ledger)] == [
        "an acknowledged item is lost: 1 (gone)",
        "an answered decision is not the stored one: 1 (gone)",
    ]


def test_sees_an_answer_that_changed(ledger: Ledger) -> None:
    ledger.acknowledge("a", "01a20294-0000-7000-8000-000000000000")

    assert [each.check for each in find_violations(ledger)] == [
        "an answered decision is not the stored one"
    ]


def test_reports_impossible_answers(ledger: Ledger) -> None:
    ledger.surprise("418 to a post")

    assert [str(each) for each in find_violations(ledger)] == [
        "a client got an impossible answer: 1 (418 to a post)"
    ]


def test_proves_nothing_with_an_empty_ledger(transactional_db: None) -> None:
    with pytest.raises(BlindCheckerError, match="too empty"):
        prove_checker(Ledger())


def test_proves_nothing_on_damaged_ground(ledger: Ledger) -> None:
    ledger.confirm("was never sent")
    with pytest.raises(BlindCheckerError, match="Before any damage: an accepted verdict is lost"):
        prove_checker(ledger)
