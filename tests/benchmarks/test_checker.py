"""The fault run's checker: silent on a kept promise, and never on a broken one."""

from uuid import UUID

import pytest
from django.contrib.auth.models import User

from benchmarks.checker import CHECKS, find_violations
from benchmarks.damage import DAMAGE, BlindCheckerError, prove_checker
from benchmarks.ledger import Ledger
from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import confirm_batch, undo_batch
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
    tables, tess = make_stream("tables"), make_person("tess")
    join(tess, tables)
    close_table("d", tess, tables, told)
    undone_table = close_table("e", tess, tables, told)
    undo_batch(batch=undone_table, user=tess)
    told.undo_table(str(undone_table))
    return told


def close_table(names: str, user: User, stream: Stream, ledger: Ledger) -> UUID:
    """Flagged items named by letters, acknowledged and closed as a table; returns its id."""
    for name in names:
        ledger.note_posted(name)
        [taken] = take_in(stream=stream, posts=[Post(name, {"body": name}, LIKELY)])
        assert isinstance(taken, Taken)
        ledger.acknowledge(name, str(taken.decision_id))
    rows = claim_batch(user=user, stream=stream, with_today=True)
    lease_token = rows[0].lease_token
    assert lease_token is not None
    result = confirm_batch(
        user=user,
        stream=stream,
        lease_token=lease_token,
        confirmed=[row.id for row in rows],
        corrections={},
    )
    ledger.close(str(row.id) for row in rows)
    return result.batch


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


def test_sees_a_table_that_is_undone_in_part(ledger: Ledger) -> None:
    tables, uma = Stream.objects.get(key="tables"), make_person("uma")
    join(uma, tables)
    batch = close_table("fg", uma, tables, ledger)
    undo_verdict(verdict_id=Verdict.objects.get(item__external_id="f").id, reviewer=uma)
    ledger.undo_table(str(batch))

    assert [str(each) for each in find_violations(ledger)] == [
        f"an accepted undo of a table is lost: 1 ({batch})"
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
