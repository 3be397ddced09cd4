"""The taxonomy as it is now, beside the policy in force."""

from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from routing.categories import TaxonomyGap, find_gap, is_in_history, known_keys
from routing.models import KeywordRule, Stream
from tests.scenes import KEYS, make_bare_stream, post


def move(stream: Stream, **positions: int) -> None:
    for key, position in positions.items():
        stream.categories.filter(key=key).update(position=position)


def retire(stream: Stream, *keys: str) -> None:
    stream.categories.filter(key__in=keys).update(retired_at=timezone.now())


def test_known_keys_include_the_retired_and_the_new_of_the_stream_alone(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_bare_stream("other", categories=("foreign",))
    stream.categories.create(key="printer", label="Printer", position=9)
    retire(stream, "vpn_issue")
    with django_assert_num_queries(1):
        assert known_keys(stream.id) == {*KEYS, "printer"}


def test_no_gap_without_a_difference_or_without_a_policy(stream: Stream) -> None:
    assert find_gap(stream) is None
    stream.categories.filter(key="vpn_issue").update(label="VPN", definition="Tunnels.")
    assert find_gap(stream) is None
    move(stream, account_unlock=10, vpn_issue=11, security_incident=12)
    assert find_gap(stream) is None
    assert find_gap(make_bare_stream("bare")) is None


def test_gap_names_what_was_added_retired_and_moved(stream: Stream) -> None:
    policy = stream.policies.get()
    stream.categories.create(key="printer", label="Printer", position=0)
    assert find_gap(stream) == TaxonomyGap(policy, ("printer",), (), reordered=False)
    retire(stream, "vpn_issue")
    assert find_gap(stream) == TaxonomyGap(policy, ("printer",), ("vpn_issue",), reordered=False)
    move(stream, account_unlock=9)
    assert find_gap(stream) == TaxonomyGap(policy, ("printer",), ("vpn_issue",), reordered=True)


def test_category_is_in_history_once_something_names_it(stream: Stream) -> None:
    assert is_in_history(stream.categories.get(key="vpn_issue"))
    printer = stream.categories.create(key="printer", label="Printer", position=9)
    post(stream, "a", scores={"vpn_issue": 0.5})
    assert not is_in_history(printer)
    post(stream, "b", scores={"vpn_issue": 0.5, "printer": 0.2})
    assert is_in_history(printer)


def test_keyword_rule_of_a_draft_names_its_category(stream: Stream) -> None:
    printer = stream.categories.create(key="printer", label="Printer", position=9)
    KeywordRule.objects.create(
        stream=stream,
        policy=stream.policies.create(),
        category=printer,
        name="jam",
        pattern="paper jam",
        confidence=0.9,
    )
    assert is_in_history(printer)
