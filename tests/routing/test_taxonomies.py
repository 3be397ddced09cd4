"""The kept taxonomy: every change of it holds from the next look on."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from routing.models import Category, Stream
from routing.rows import fetch_row
from routing.taxonomies import TAXONOMY_MARK, Taxonomy, taxonomy_as_of
from tests.scenes import make_bare_stream


@pytest.fixture
def stream(db: None) -> Stream:
    return make_bare_stream()


def look(stream: Stream) -> Taxonomy:
    row = fetch_row(f"SELECT {TAXONOMY_MARK}", {"stream": stream.id})
    assert row is not None
    return taxonomy_as_of(stream.id, row[0])


def rename_by_sql(stream: Stream) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE routing_category SET label = 'Tunnel' WHERE key = 'vpn_issue' "
            "AND stream_id = %s",
            [stream.id],
        )


def retire(stream: Stream) -> None:
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())


def remove(stream: Stream) -> None:
    stream.categories.get(key="vpn_issue").delete()


def test_taxonomy_keeps_order_labels_and_retired_ones(stream: Stream) -> None:
    retire(stream)
    taxonomy = look(stream)
    assert list(taxonomy.by_key) == ["account_unlock", "vpn_issue", "security_incident"]
    assert [one.key for one in taxonomy.active] == ["account_unlock", "security_incident"]
    assert taxonomy.label_of("vpn_issue") == "VPN issue"
    assert taxonomy.label_of("unheard") == "unheard"


def test_taxonomy_is_read_once_while_nobody_changes_it(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = look(stream)
    with django_assert_num_queries(1):
        assert look(stream) is first


@pytest.mark.parametrize("change", [rename_by_sql, retire, remove])
def test_change_holds_at_the_next_look(stream: Stream, change: Callable[[Stream], None]) -> None:
    before = look(stream)
    change(stream)
    change_again = look(stream)
    now = [(one.key, one.label, one.retired_at) for one in change_again.by_key.values()]
    assert now == list(
        stream.categories.order_by("position").values_list("key", "label", "retired_at")
    )
    assert now != [(one.key, one.label, one.retired_at) for one in before.by_key.values()]


def test_new_category_holds_at_the_next_look(stream: Stream) -> None:
    look(stream)
    Category.objects.create(stream=stream, key="printer", label="Printer", position=9)
    assert look(stream).label_of("printer") == "Printer"
