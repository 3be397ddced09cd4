"""Pages that show a drafted sentence as they show any item."""

import pytest
from django.test import Client

from reviewqueue.models import ReviewTask
from reviewqueue.retries import request_retry
from routing.models import Decision, Item, Stream
from tests.grounded_scenes import REFUSED, make_grounded_stream, post_sentence
from tests.scenes import make_person

ROUTING = "/admin/routing"


@pytest.fixture
def drafts(db: None) -> Stream:
    stream = make_grounded_stream(bulk_label_rate=1.0)
    post_sentence(stream, "s-1", sentence="An import file may have at most 12 MB.")
    post_sentence(stream, "s-2", signals=REFUSED)
    return stream


@pytest.fixture
def rita(drafts: Stream, client: Client) -> Client:
    client.force_login(make_person("rita", drafts, "reviewer", "expert", "stream_admin"))
    return client


def test_sentence_is_reviewed_like_any_item(rita: Client, drafts: Stream) -> None:
    page = rita.get("/streams/drafts/flagged/")

    assert page.status_code == 200
    assert "An import file may have at most 12 MB." in page.content.decode()
    assert ReviewTask.objects.get(item__external_id="s-1").state == "claimed"


@pytest.mark.parametrize("path", ["/", "/streams/drafts/watch/", "/streams/drafts/mine/"])
def test_page_of_the_stream_opens(rita: Client, path: str) -> None:
    assert rita.get(path).status_code == 200


def test_page_of_a_sentence_tells_its_history(rita: Client, drafts: Stream) -> None:
    item = Item.objects.get(external_id="s-2")
    request_retry(item_id=item.id, person=None, how="widen")

    page = rita.get(f"/streams/drafts/items/{item.id}/")

    assert page.status_code == 200
    assert "asked for the sentence to be drafted again" in page.content.decode()


def test_batch_of_amber_sentences_opens(db: None, client: Client) -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1")
    ReviewTask.objects.update(due_at="2020-01-01T00:00Z")
    client.force_login(make_person("rita", stream, "reviewer"))

    page = client.get("/streams/drafts/flagged/batch/")

    assert page.status_code == 200


def test_admin_shows_the_decision_on_a_sentence(drafts: Stream) -> None:
    root = Client()
    root.force_login(make_person("root", is_staff=True, is_superuser=True))
    decision = Decision.objects.get(item__external_id="s-2")

    for path in (
        f"{ROUTING}/decision/",
        f"{ROUTING}/decision/{decision.id}/change/",
        f"{ROUTING}/item/{decision.item_id}/change/",
    ):
        assert root.get(path).status_code == 200
