"""What the database itself refuses."""

from collections.abc import Callable

import pgtrigger
import pytest
from django.db import Error, IntegrityError, connection, transaction

from routing.models import Category, Policy, Stream
from routing.policies import copy_policy
from tests.conftest import Upstream, make_body
from tests.scenes import make_bare_stream, publish


def refused(act: Callable[[], object], name: str) -> None:
    with pytest.raises(Error, match=name), transaction.atomic():
        act()


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE routing_decision SET queue = 'hold'",
        "DELETE FROM routing_decision",
        "TRUNCATE routing_decision CASCADE",
        "UPDATE routing_event SET kind = ''",
        "DELETE FROM routing_event",
        "UPDATE routing_policy SET auto = 1 WHERE version IS NOT NULL",
        "DELETE FROM routing_policy WHERE version IS NOT NULL",
        "UPDATE routing_categoryrule SET auto = 1",
        "DELETE FROM routing_categoryrule",
        "UPDATE routing_policy SET version = NULL, published_at = NULL",
    ],
)
def test_history_is_append_only(upstream: Upstream, sql: str) -> None:
    upstream.post("items", make_body())

    refused(lambda: execute(sql), "pgtrigger")


def test_rule_cannot_move_into_a_published_policy(stream: Stream) -> None:
    published = stream.policies.get()
    draft = copy_policy(policy=published, created_by_id=None)
    rule = draft.rules.get(category__key="vpn_issue")
    rule.policy = published

    refused(rule.save, "immutable")
    with pytest.raises(Error, match="immutable"), transaction.atomic():
        published.rules.create(stream=stream, category=stream.categories.get(key="account_unlock"))


def test_draft_can_change_and_go(stream: Stream) -> None:
    draft = copy_policy(policy=stream.policies.get(), created_by_id=None)
    draft.auto = 0.99
    draft.save()
    draft.rules.update(watch=None)
    draft.delete()

    assert stream.policies.count() == 1


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"auto": 0.5, "flagged": 0.6}, "policy_cut_offs_fall"),
        ({"auto": 1.5}, "policy_probabilities"),
        ({"min_margin": float("nan")}, "policy_probabilities"),
        ({"version": 1}, "policy_published_is_numbered"),
    ],
)
def test_policy_constraints(db: None, fields: dict[str, float], constraint: str) -> None:
    stream = make_bare_stream()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Policy.objects.create(stream=stream, **fields)


def test_one_version_number_per_stream(stream: Stream) -> None:
    second = publish(stream)
    with (
        pgtrigger.ignore("routing.Policy:published_is_immutable"),
        pytest.raises(IntegrityError, match="policy_version_unique"),
        transaction.atomic(),
    ):
        Policy.objects.filter(id=second.id).update(version=1)


def test_category_key_is_unique_in_its_stream(stream: Stream) -> None:
    with pytest.raises(IntegrityError, match="category_key_unique"), transaction.atomic():
        Category.objects.create(stream=stream, key="vpn_issue", label="again")
    Category.objects.create(
        stream=make_bare_stream("other", categories=()), key="vpn_issue", label="x"
    )
