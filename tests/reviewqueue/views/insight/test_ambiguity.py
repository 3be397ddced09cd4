"""The ambiguity map: pairs with examples, topics, proposals, and the steps from each."""

import csv
import html
import io
import re

import pgtrigger
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import GroundTruth
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Decision, Event, Item, Stream
from tests import scenes
from tests.reviewqueue.insight.topics import (
    Message,
    invent_messages,
    make_topic_stream,
    take_messages,
)
from tests.reviewqueue.views.insight.conftest import make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of
from tests.scenes import KEYS

PAGE = "/streams/helpdesk/insight/ambiguity/"
FORWARD = f"{PAGE}forward"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_topic_stream()


@pytest.fixture
def admin(stream: Stream) -> Client:
    """A stream admin who may change the stream."""
    person = scenes.make_person("ada", stream, "stream_admin", is_staff=True)
    allowed = ("view_stream", "change_stream", "add_category", "change_category", "view_category")
    person.user_permissions.set(Permission.objects.filter(codename__in=allowed))
    client = Client()
    client.force_login(person)
    return client


def ready_page(client: Client) -> str:
    client.get(PAGE)
    make_sheets()
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def add_close_pairs(stream: Stream, size: int) -> None:
    """Labelled errors between two other categories, each a row of its own in the map."""
    scores = {KEYS[1]: 0.5, KEYS[2]: 0.4, KEYS[0]: 0.1}
    take_messages(stream, [Message(f"odd {size} {n}", scores, KEYS[2]) for n in range(size)])


def test_first_look_waits_and_htmx_gets_the_part(stream: Stream, htmx: Client) -> None:
    assert "This is being counted" in htmx.get(PAGE).content.decode()
    make_sheets()
    part = htmx.get(PAGE).content.decode()
    assert (part.lstrip().startswith('<div id="figures"'), "<html" in part) == (True, False)


def test_pair_stands_with_its_examples_side_by_side(plain: Client) -> None:
    page = ready_page(plain)
    text = text_of(page)
    assert "20 errors in 720 labels · 120 fit no category" in text
    assert "Account unlock ↔ and VPN issue 100.0% of all errors, 20 labels" in text
    assert "Model: Account unlock · people: VPN issue 100.0%" in text
    [pair] = re.findall(r'(?s)<li class="pair".*?</section>', page)
    assert pair.count('class="example"') == 3
    assert '<title id="title-map">What gets mixed up</title>' in page
    assert "Account unlock said where people said VPN issue: 100.0%" in page


def test_topics_stand_with_words_and_a_name(plain: Client) -> None:
    page = ready_page(plain)
    topics = re.findall(
        r'(?s)<li class="topic">.*?</h3>.*?</li>\s*(?=<li class="topic"|</ul>)', page
    )
    assert "no category fits 40 of 40 judged (100%)" in text_of(topics[0])
    words = set(re.findall(r"<span>([a-z ]+)</span>", topics[0]))
    assert len(words) == 6


def test_analyst_is_offered_no_step(plain: Client, admin: Client) -> None:
    page = ready_page(plain)
    assert [words in page for words in ("Make it a category", "Merge", "Define both")] == [
        False
    ] * 3
    page = admin.get(PAGE).content.decode()
    assert [words in page for words in ("Make it a category", "Merge", "Define both")] == [True] * 3


def test_steps_lead_to_the_categories_with_the_fields_filled_in(
    stream: Stream, admin: Client
) -> None:
    page = html.unescape(ready_page(admin))
    [define] = re.findall(r'href="([^"]+apart=[^"]+)"', page)
    form = admin.get(define).context["inline_admin_formsets"][0].formset
    given = {each.instance.key: each.initial["definition"] for each in form.initial_forms}
    assert given[KEYS[0]] == ("Somebody cannot sign in to their own account. Not “VPN issue”: …")
    assert given[KEYS[2]] == "Something may have been compromised."
    [merge] = re.findall(r'href="([^"]+merge=[^"]+)"', page)
    form = admin.get(merge).context["inline_admin_formsets"][0].formset
    assert [each.initial["retired"] for each in form.initial_forms] == [False, True, False]
    assert (
        form.initial_forms[0]
        .initial["definition"]
        .endswith("Also what was “VPN issue”. The remote connection itself fails or drops.")
    )
    new = re.findall(r'href="([^"]+new=[^"]+)"', page)[0]
    form = admin.get(new).context["inline_admin_formsets"][0].formset
    first = form.extra_forms[0].initial
    assert first["key"] == str(first["label"]).lower().replace(" ", "_")
    assert str(first["definition"]).startswith("About: ")
    assert stream.categories.count() == 3


def test_waiting_items_of_a_topic_are_brought_forward(admin: Client, plain: Client) -> None:
    other = Stream.objects.get()
    take_messages(other, invent_messages(sure=0, lacking=20, seed=9), label=False)
    ReviewTask.objects.update(queue="hold")
    ready_page(plain)
    page = admin.get(PAGE).content.decode()
    token = re.findall(r'name="topic" value="([^"]+)"', page)[0]
    waiting = int(re.findall(r"Have (\d+) waiting judged next", page)[0])
    response = admin.post(FORWARD, {"topic": token})
    assert (response.status_code, response["Location"]) == (303, PAGE)
    assert ReviewTask.objects.filter(priority=1000).count() == waiting
    event = Event.objects.get(kind="tasks.brought_forward")
    assert event.data["tasks"] == waiting
    assert plain.post(FORWARD, {"topic": token}).status_code == 403


def test_topic_that_is_counted_anew_moves_nothing(admin: Client) -> None:
    ready_page(admin)
    admin.post(FORWARD, {"topic": "nothing"})
    assert "counted anew meanwhile" in admin.get(PAGE).content.decode()
    assert not Event.objects.filter(kind="tasks.brought_forward").exists()


def test_names_that_people_proposed_are_listed(
    stream: Stream, plain: Client, analyst: User
) -> None:
    item = Item.objects.order_by("-id")[0]
    decision = Decision.objects.get(item=item)
    task = ReviewTask.objects.create(
        stream=stream, item=item, decision=decision, queue="hold", seat=1, state="answered",
        holder=analyst, closed_at=timezone.now(), opened_at=timezone.now(),
        due_at=timezone.now(),
    )  # fmt: skip
    verdict = Verdict.objects.create(
        stream=stream, item=item, task=task, reviewer=analyst, kind="no_category_fits",
        proposed_name="Parking  permits", blind=True, confirms=False, opened_at=timezone.now(),
        active_ms=1, published_at=timezone.now(),
    )  # fmt: skip
    with pgtrigger.ignore():
        GroundTruth.objects.filter(item=item).update(verdict_id=verdict.id)
    text = text_of(ready_page(plain))
    assert "Proposed by people, where no category fits" in text
    assert "Parking permits 1 message" in text


def test_examples_that_are_judged_blind_are_left_out(stream: Stream, plain: Client) -> None:
    page = ready_page(plain)
    shown = re.findall(r"/items/([0-9a-f-]{36})/", page)
    for item in Item.objects.filter(id__in=shown):
        ReviewTask.objects.create(
            stream=stream, item=item, decision=Decision.objects.get(item=item),
            queue="audit", due_at=timezone.now(), blind=True, opened_at=timezone.now(),
        )  # fmt: skip
    again = plain.get(PAGE).content.decode()
    assert set(shown) & set(re.findall(r"/items/([0-9a-f-]{36})/", again)) == set()


def test_pairs_are_a_file_of_numbers(plain: Client) -> None:
    ready_page(plain)
    response = plain.get(f"{PAGE}pairs.csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert (rows[0]["first"], rows[0]["second"], rows[0]["labels"]) == (*KEYS[:2], "20")
    assert response["Content-Disposition"] == 'attachment; filename="helpdesk-ambiguity.csv"'


def test_stream_without_items_says_so(db: None) -> None:
    other = scenes.make_stream("other")
    client = Client()
    client.force_login(scenes.make_person("olga", other, "analyst"))
    page = "/streams/other/insight/ambiguity/"
    client.get(page)
    make_sheets()
    assert "Nothing is mixed up so far" in client.get(page).content.decode()


@pytest.mark.parametrize("rows", [1, 3])
def test_page_costs_the_same_whatever_it_shows(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, rows: int
) -> None:
    add_close_pairs(stream, 3 * (rows - 1))
    ready_page(plain)
    with django_assert_num_queries(14):
        plain.get(PAGE)
