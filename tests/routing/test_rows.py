"""Hand-written statements: what rows become objects, and objects rows."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from routing.events import make_event
from routing.models import Category, Event, Stream
from routing.rows import Columns, Question, fetch_row, insert_together

AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def make_rows(stream: Stream, key: str = "printer") -> tuple[Category, Event]:
    category = Category(stream=stream, key=key, label="Drucker 50 %", position=9)
    event = make_event(
        stream_id=stream.id, kind="noted", subject_id=category.id, happened_at=AT, words=["a", "ü"]
    )
    return category, event


def test_rows_of_two_models_are_stored_in_one_statement(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    category, event = make_rows(stream)
    with django_assert_num_queries(1):
        insert_together(category, event)
    stored = Category.objects.get(id=category.id)
    assert (stored.key, stored.label, stored.retired_at) == ("printer", "Drucker 50 %", None)
    noted = Event.objects.get(id=event.id)
    assert (noted.data, noted.actor_id, noted.happened_at) == ({"words": ["a", "ü"]}, None, AT)
    assert (category._state.adding, event._state.db) == (False, "default")


def test_an_object_from_a_row_is_what_the_orm_makes(stream: Stream) -> None:
    columns = Columns(Stream, "stream")
    row = fetch_row(
        f"SELECT 7, {columns.sql} FROM routing_stream AS stream WHERE id = %(id)s",
        {"id": stream.id},
    )
    assert row is not None
    made, known = columns.make(row, 1), Stream.objects.get(id=stream.id)
    state, known_state = made.__dict__.pop("_state"), known.__dict__.pop("_state")
    assert made.__dict__ == known.__dict__
    assert (state.adding, state.db) == (known_state.adding, known_state.db) == (False, "default")


def test_what_a_row_leaves_out_is_loaded_when_asked_for(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    columns = Columns(Stream, "stream", without=("name",))
    row = fetch_row(
        f"SELECT {columns.sql} FROM routing_stream AS stream WHERE id = %(id)s",
        {"id": stream.id},
    )
    assert row is not None
    made = columns.make(row)
    with django_assert_num_queries(1):
        assert made.name == stream.name


def test_a_statement_before_runs_first(stream: Stream) -> None:
    insert_together(*make_rows(stream))
    again = make_rows(stream)
    rename = "UPDATE routing_category SET key = %(new)s WHERE key = 'printer'", {"new": "old"}
    insert_together(*again, before=rename)
    keys = Category.objects.filter(stream=stream, position=9).order_by("id")
    assert list(keys.values_list("key", flat=True)) == ["old", "printer"]


def test_a_refused_row_stores_none_of_them(stream: Stream) -> None:
    insert_together(*make_rows(stream))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_together(*make_rows(stream))
    assert Event.objects.filter(kind="noted").count() == 1


def test_a_question_along_takes_the_same_journey(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    along = Question("SELECT %(number)s::int + 1", {"number": 4})
    with transaction.atomic():
        row = fetch_row(
            "SELECT name FROM routing_stream WHERE id = %(id)s",
            {"id": stream.id},
            before=("UPDATE routing_stream SET name = %(name)s", {"name": "Renamed"}),
            along=along,
        )
    assert (row, along.row) == (("Renamed",), (5,))
    with django_assert_num_queries(0):
        assert along.answer() == (5,)


def test_a_question_of_its_own_is_asked_once(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    question = Question("SELECT 3 WHERE %(wanted)s", {"wanted": False})
    with django_assert_num_queries(1):
        assert (question.answer(), question.answer()) == (None, None)


def test_an_error_along_undoes_what_went_before(stream: Stream) -> None:
    along = Question("SELECT 1 / %(nothing)s::int", {"nothing": 0})
    with pytest.raises(DataError), transaction.atomic():
        fetch_row(
            "SELECT 1 WHERE %(yes)s",
            {"yes": True},
            before=("UPDATE routing_stream SET name = %(name)s", {"name": "Renamed"}),
            along=along,
        )
    assert Stream.objects.get(id=stream.id).name == stream.name


@pytest.mark.django_db(transaction=True)
def test_a_journey_on_a_closed_connection_is_an_error_of_django(stream: Stream) -> None:
    connection.ensure_connection()
    connection.connection.close()
    try:
        with pytest.raises(OperationalError, match="the connection is closed"):
            fetch_row("SELECT 1", {}, before=("SELECT 2", {}))
    finally:
        connection.close()
