"""Refused sentences that are asked for again."""

import pytest
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.messages import read_message
from reviewqueue.retries import RetryError, read_chain, request_retry
from reviewqueue.retry_models import RetryRequest
from routing.models import Announcement, Event, Item
from tests.grounded_scenes import REFUSED, make_grounded_stream, post_sentence
from tests.scenes import make_person, make_stream, post

pytestmark = pytest.mark.django_db


def item_of(external_id: str) -> Item:
    return Item.objects.get(external_id=external_id)


def test_retry_is_asked_for_and_announced() -> None:
    stream = make_grounded_stream()
    rita = make_person("rita", stream, "reviewer")
    post_sentence(stream, "s-1", signals=REFUSED, draft="letter-7", position=3)

    request = request_retry(
        item_id=item_of("s-1").id, person=rita, how="widen", note=" Look into the files. "
    )

    assert (request.how, request.note, request.requested_by) == (
        "widen",
        "Look into the files.",
        rita,
    )
    told = Announcement.objects.get(kind="item.retry_requested")
    message = read_message(told)
    assert message["type"] == "item.retry_requested"
    assert message["data"]["retry"] == {
        "id": str(request.id),
        "how": "widen",
        "has_note": True,
        "requested_at": request.requested_at.isoformat(),
    }
    assert (message["data"]["external_id"], message["data"]["draft"]) == ("s-1", "letter-7")
    event = Event.objects.get(kind="retry.requested")
    assert (event.subject_id, event.actor_id) == (item_of("s-1").id, rita.pk)


def test_retry_asked_for_twice_is_one() -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1", signals=REFUSED)

    first = request_retry(item_id=item_of("s-1").id, person=None, how="widen")
    again = request_retry(item_id=item_of("s-1").id, person=None, how="rewrite", note="Shorter.")

    assert (again.id, again.how) == (first.id, "widen")
    assert RetryRequest.objects.count() == Announcement.objects.filter(item__isnull=False).count()


@pytest.mark.parametrize(
    ("how", "note", "field", "message"),
    [
        ("pray", "", "how", "Choose between another prompt and a wider retrieval."),
        ("widen", "x" * 1001, "note", "Shorten the note to 1000 characters."),
        ("widen", "\0", "note", "Shorten the note to 1000 characters."),
    ],
)
def test_retry_that_cannot_be_is_refused_by_name(
    how: str, note: str, field: str, message: str
) -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1", signals=REFUSED)

    with pytest.raises(RetryError) as caught:
        request_retry(item_id=item_of("s-1").id, person=None, how=how, note=note)

    assert (caught.value.field, str(caught.value)) == (field, message)


def test_only_a_refused_sentence_is_drafted_again() -> None:
    post_sentence(make_grounded_stream(), "s-1")
    post(make_stream(), "HD-1")

    for name in ("s-1", "HD-1"):
        with pytest.raises(RetryError, match="Only a refused sentence is drafted again"):
            request_retry(item_id=item_of(name).id, person=None, how="widen")


def test_chain_of_retries_is_read_from_any_of_them() -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1", signals=REFUSED)
    post_sentence(stream, "s-2", signals=REFUSED, retry_of="s-1")
    post_sentence(stream, "s-3", retry_of="s-2")
    post_sentence(stream, "s-9")

    for name in ("s-1", "s-2", "s-3"):
        assert [each.external_id for each in read_chain(item_of(name))] == ["s-1", "s-2", "s-3"]
    assert [each.external_id for each in read_chain(item_of("s-9"))] == ["s-9"]


def test_upstream_reads_what_is_asked_and_what_came_of_it() -> None:
    stream = make_grounded_stream()
    _key, secret = issue_api_key(name="drafting", streams=[stream])
    post_sentence(stream, "s-1", signals=REFUSED)
    request = request_retry(
        item_id=item_of("s-1").id, person=None, how="rewrite", note="Name the limit."
    )
    post_sentence(stream, "s-2", retry_of="s-1")

    def told(name: str) -> dict[str, object]:
        address = f"/api/v1/streams/drafts/items/{name}"
        answer = Client().get(address, headers={"Authorization": f"Bearer {secret}"}).json()
        return {key: answer[key] for key in ("badge", "retry_of", "retried_by", "retry")}

    assert told("s-1") == {
        "badge": "refused",
        "retry_of": None,
        "retried_by": ["s-2"],
        "retry": {
            "id": str(request.id),
            "how": "rewrite",
            "note": "Name the limit.",
            "requested_at": request.requested_at.isoformat(),
        },
    }
    assert told("s-2") == {"badge": "amber", "retry_of": "s-1", "retried_by": [], "retry": None}
