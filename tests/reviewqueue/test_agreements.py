"""Agreement between the two people who judge an item apart."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue import agreements
from reviewqueue.agreements import (
    count_agreement_by_person,
    measure_agreement,
    measure_sightings,
    word_recent_agreement,
)
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, undo_verdict
from routing.models import Stream
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_settlements import (
    BOTH,
    CANNOT,
    UNLOCK,
    VPN,
    judge_both,
    make_double_stream,
)
from tests.reviewqueue.test_verdicts import judge
from tests.scenes import join, make_person, make_stream

DAY = timedelta(days=1)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_double_stream()


def judge_pairs(stream: Stream, people: tuple[User, User], *answers: tuple[Answer, Answer]) -> None:
    post_held(stream, *(f"{stream.items.count()}-{n}" for n in range(len(answers))))
    for first, second in answers:
        judge_both(stream, (people[0], first), (people[1], second))


def test_pairs_of_first_answers_are_compared(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    """doccano#1846 and argilla#4251, no agreement: it is counted from pairs of first answers."""
    people = (reviewer, second_reviewer)
    judge_pairs(stream, people, (VPN, VPN), (VPN, VPN), (UNLOCK, UNLOCK), (UNLOCK, VPN))
    now = timezone.now()
    found = measure_agreement(stream=stream, start=now - DAY, end=now + DAY)
    assert (found.pairs, found.raw.value) == (4, 0.75)
    # Seat 1: 2 vpn, 2 unlock. Seat 2: 3 vpn, 1 unlock. By chance 6/16 + 2/16.
    assert found.kappa.value == pytest.approx((0.75 - 0.5) / (1 - 0.5))
    # Of 8 ratings 5 are vpn and 3 unlock; D_e = 1 - (5 * 4 + 3 * 2) / 56.
    assert found.alpha.value == pytest.approx(1 - 0.25 / (1 - 26 / 56))
    # Three categories to choose from: p_e = (5/8 * 3/8 * 2) / 2.
    assert found.ac1.value == pytest.approx((0.75 - 15 / 64) / (1 - 15 / 64))


def test_what_is_no_pair_does_not_count(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    adjudicator = make_person("ada", stream, "adjudicator")
    people = (reviewer, second_reviewer)
    judge_pairs(stream, people, (VPN, CANNOT), (VPN, BOTH))
    judge(claim(stream, adjudicator, "adjudication"), adjudicator, VPN)
    post_held(stream, "half", "taken back")
    judge(claim(stream, reviewer), reviewer)
    judge(claim(stream, second_reviewer), second_reviewer)
    _, last = judge_both(stream, (reviewer, VPN), (second_reviewer, VPN))
    undo_verdict(verdict_id=last.id, reviewer=second_reviewer)
    now = timezone.now()
    found = measure_agreement(stream=stream, start=now - DAY, end=now + DAY)
    assert (found.pairs, found.raw.value) == (2, 0.5)
    assert measure_agreement(stream=stream, start=now + DAY, end=now + 2 * DAY).pairs == 0


def test_words_for_too_few_for_all_alike_and_for_enough(
    stream: Stream, reviewer: User, second_reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = (reviewer, second_reviewer)
    judge_pairs(stream, people, (VPN, VPN))
    at = timezone.now() + DAY
    assert word_recent_agreement(stream=stream, at=at) == (
        "Not enough yet: 1 item was judged by two people in the last 90 days, 30 are needed."
    )
    monkeypatch.setattr(agreements, "FEWEST", 1)
    assert word_recent_agreement(stream=stream, at=at) == (
        "Two people gave the same answer to 100% of 1 items (100% to 100%). "
        "All answers were the same, so chance alone would agree as often."
    )
    judge_pairs(stream, people, (UNLOCK, UNLOCK), (UNLOCK, VPN), (VPN, VPN))
    words = word_recent_agreement(stream=stream, at=at)
    assert words.startswith("Two people gave the same answer to 75% of 4 items (25% to 100%).")
    assert "Beyond chance: kappa 0.50 (" in words


def test_reads_stay_bounded(
    stream: Stream,
    reviewer: User,
    second_reviewer: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    people = (reviewer, second_reviewer)
    judge_pairs(stream, people, *[(VPN, VPN)] * 3)
    monkeypatch.setattr(agreements, "MOST", 2)
    now = timezone.now()
    with django_assert_num_queries(3):
        assert measure_agreement(stream=stream, start=now - DAY, end=now + DAY).pairs == 2


def test_agreement_is_counted_for_each_of_the_two(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    judge_pairs(stream, (reviewer, second_reviewer), (VPN, VPN), (UNLOCK, VPN))
    now = timezone.now()
    counted = count_agreement_by_person(stream=stream, start=now - DAY, end=now + DAY)
    assert counted == {reviewer.pk: (1, 2), second_reviewer.pk: (1, 2)}


OTHER = Answer("no_category_fits")


def judge_held(person: User, stream: Stream, *, right: int, wrong: int, blind: bool) -> None:
    """Answers on held items, which the machine takes for a VPN issue."""
    names = [f"{'blind' if blind else 'shown'}-{number}" for number in range(right + wrong)]
    post_held(stream, *names)
    ReviewTask.objects.open().filter(item__external_id__in=names).update(blind=blind)
    for number in range(right + wrong):
        task = claim(stream, person)
        judge(
            task, person, Answer("category", [task.decision.predicted]) if number < right else OTHER
        )


def test_answers_judged_blind_are_held_against_those_that_saw(reviewer: User) -> None:
    single = make_stream("single", blind_rate=0.0)
    join(reviewer, single)
    judge_held(reviewer, single, right=3, wrong=1, blind=True)
    judge_held(reviewer, single, right=4, wrong=0, blind=False)
    now = timezone.now()
    found = measure_sightings(stream=single, start=now - DAY, end=now + DAY)
    assert (found.kept_blind, found.blind, found.kept_shown, found.shown) == (3, 4, 4, 4)
    assert found.bias.value == 0.25
    assert found.bias.low is not None
    assert found.bias.low < 0.0


def test_other_queues_and_what_nobody_could_judge_do_not_count(reviewer: User) -> None:
    single = make_stream("single")
    join(reviewer, single)
    judge_held(reviewer, single, right=2, wrong=0, blind=True)
    ReviewTask.objects.update(queue="audit")
    post_held(single, "no idea")
    judge(claim(single, reviewer), reviewer, CANNOT)
    now = timezone.now()
    found = measure_sightings(stream=single, start=now - DAY, end=now + DAY)
    assert (found.blind, found.shown, found.bias.value) == (0, 0, None)
    assert found.bias.reason == "nothing was judged blind yet"


def test_sightings_read_the_newest_answers_in_one_query(
    reviewer: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    single = make_stream("single")
    join(reviewer, single)
    judge_held(reviewer, single, right=3, wrong=0, blind=True)
    monkeypatch.setattr(agreements, "MOST_ANSWERS", 2)
    now = timezone.now()
    with django_assert_num_queries(1):
        found = measure_sightings(stream=single, start=now - DAY, end=now + DAY)
    assert found.blind == 2
