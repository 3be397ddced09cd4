"""Alarms: a model version that the maps do not know is noted once, whoever posts and how often."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.db import connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from reviewqueue.intake import take_in
from routing import alarms
from routing.alarms import AlarmWords, alarms_in_force, alarms_of, word_alarm, word_alarms
from routing.items import Post
from routing.models import Event, ModelAlarm, Policy, Stream
from tests.scenes import HELD, make_bare_stream, publish

PLATT = {"kind": "platt", "parameters": [1.0, 0.0]}


def make_mapped_stream(key: str = "helpdesk", **fields: object) -> Stream:
    """Version 1 has a map that was fitted on m1."""
    stream = make_bare_stream(key)
    publish_mapped(stream, **fields)
    return stream


def publish_mapped(stream: Stream, **fields: object) -> Policy:
    return publish(stream, None, **{"maps": {"": PLATT}, "model_versions": ["m1"], **fields})


def post(stream: Stream, *versions: str, name: str = "t", labelled: bool = False) -> None:
    posts = [
        Post(f"{name}-{number}", {}, HELD, model_version=version)
        for number, version in enumerate(versions)
    ]
    take_in(stream=stream, posts=posts, labelled=labelled)


def noted(stream: Stream) -> list[tuple[int | None, str]]:
    found = ModelAlarm.objects.filter(stream=stream).order_by("policy__version", "model_version")
    return list(found.values_list("policy__version", "model_version"))


def everything() -> "QuerySet[Stream]":
    return Stream.objects.all()


@pytest.mark.django_db
def test_unknown_version_is_noted_once_with_one_event() -> None:
    stream = make_mapped_stream(on_other_model="hold")
    policy = stream.policies.get()
    for name in ("a", "b"):
        post(stream, "m1", "m3", "m2", "m2", name=name)
    assert noted(stream) == [(1, "m2"), (1, "m3")]
    events = Event.objects.filter(kind="model_version.unknown").order_by("id")
    assert [event.data for event in events] == [
        {
            "model_version": version,
            "fitted_on": ["m1"],
            "policy_version": 1,
            "policy_says": "hold",
        }
        for version in ("m2", "m3")
    ]
    assert {event.subject_id for event in events} == {policy.id}


@pytest.mark.django_db
def test_known_version_is_no_alarm() -> None:
    stream = make_mapped_stream(model_versions=["m1", "m2"])
    post(stream, "m1", "m2")
    assert noted(stream) == []


@pytest.mark.django_db
def test_policy_without_maps_has_nothing_to_be_alarmed_about() -> None:
    stream = make_bare_stream()
    publish(stream)
    post(stream, "m2")
    assert noted(stream) == []


@pytest.mark.django_db
def test_labelled_history_is_no_alarm() -> None:
    stream = make_mapped_stream()
    post(stream, "m0", labelled=True)
    assert noted(stream) == []


@pytest.mark.django_db
def test_item_that_was_known_is_no_alarm() -> None:
    stream = make_mapped_stream(model_versions=["m1", "m2"])
    post(stream, "m2")
    publish_mapped(stream)
    post(stream, "m2")
    assert noted(stream) == []


@pytest.mark.django_db
def test_next_version_of_the_policy_is_alarmed_anew() -> None:
    stream = make_mapped_stream()
    post(stream, "m2", name="a")
    assert [alarm.policy.version for alarm in alarms_in_force(everything())] == [1]
    second = publish_mapped(stream)
    assert alarms_in_force(everything()) == []
    post(stream, "m2", name="b")
    assert noted(stream) == [(1, "m2"), (2, "m2")]
    assert [alarm.policy for alarm in alarms_in_force(everything())] == [second]
    publish_mapped(stream, model_versions=["m2"])
    post(stream, "m2", name="c")
    assert alarms_in_force(everything()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "again", "expected"),
    [(["m1"], ["m1"], 0), (["m2"], ["m2"], 1), (["m1"], ["m2", "m3", "m4"], 2)],
)
def test_statements_do_not_grow_with_versions(
    first: Sequence[str], again: Sequence[str], expected: int
) -> None:
    stream = make_mapped_stream()
    post(stream, *first, name="a")
    with CaptureQueriesContext(connections["default"]) as queries:
        post(stream, *again, name="b")
    own = [
        query["sql"]
        for query in queries
        if "routing_modelalarm" in (query["sql"] or "") or "routing_event" in (query["sql"] or "")
    ]
    assert len(own) == expected


@pytest.mark.django_db(transaction=True)
def test_batches_at_the_same_time_note_a_version_once() -> None:
    stream = make_mapped_stream()
    start = Barrier(4)

    def run(number: int) -> None:
        start.wait()
        try:
            post(stream, *(["m2", "m3"][:: 1 if number % 2 else -1]), name=f"batch{number}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))
    assert noted(stream) == [(1, "m2"), (1, "m3")]
    assert Event.objects.filter(kind="model_version.unknown").count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("says", "consequence"),
    [("warn", "with a warning"), ("flagged", "at least flagged"), ("hold", "held")],
)
def test_alarm_says_what_is_so_and_what_to_do(says: str, consequence: str) -> None:
    stream = make_mapped_stream(on_other_model=says)
    when = datetime(2026, 11, 3, 12, tzinfo=UTC)
    take_in(stream=stream, posts=[Post("t", {}, HELD, model_version="m2")], received_at=when)
    [alarm] = alarms_of(stream.policies.get())
    assert word_alarm(alarm) == AlarmWords(
        "Model version m2 has come since 3 Nov; version 1's maps were fitted on m1. "
        f"Its items are routed uncalibrated ({consequence}).",
        "Recalibrate on m2's labels, or list it in a new version of the policy if it is the "
        "same model.",
    )


@pytest.mark.django_db
def test_items_without_a_version_are_named_so() -> None:
    stream = make_mapped_stream()
    post(stream, "")
    [words] = word_alarms(alarms_of(stream.policies.get()))
    assert words.what.startswith("Items without a model version have come since ")
    assert words.todo == "Let upstream send the model version with each item."


@pytest.mark.django_db
def test_many_alarms_are_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "SHOWN", 2)
    stream = make_mapped_stream()
    post(stream, "m2", "m3", "m4", "m5")
    words = word_alarms(alarms_of(stream.policies.get()))
    assert [each.what[:21] for each in words] == [
        "Model version m5 has ",
        "Model version m4 has ",
        "More model versions t",
    ]
