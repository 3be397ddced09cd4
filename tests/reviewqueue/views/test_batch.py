"""The flagged batch's screen: who may work it, what it shows, sends, keeps and takes back."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Item, Stream
from tests import scenes
from tests.forms import read_form
from tests.reviewqueue.test_batch_claims import UNLOCK, draw, post_flagged
from tests.reviewqueue.views.test_home import rows_of

PATH = "/streams/helpdesk/flagged/batch/"
SEND = f"{PATH}confirm"
LOST_B = "Answered or taken up elsewhere meanwhile: b. Nothing of this table was recorded for it."


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=60)


def form_of(client: Client, path: str = PATH) -> dict[str, list[str]]:
    return read_form(Client.get(client, path), "batch")


def row_id(name: str) -> str:
    return str(ReviewTask.objects.get(item__external_id=name).id)


def states() -> dict[str, str]:
    rows = ReviewTask.objects.values_list("item__external_id", "state")
    return dict(rows.order_by("item__external_id"))


def undo_path() -> str:
    batch = Verdict.objects.exclude(batch=None).latest("answered_at").batch
    return f"{PATH}{batch}/undo"


def text_of(page: bytes) -> str:
    return " ".join(re.sub(r"(?s)<[^>]+>", " ", page.decode()).split())


def test_table_groups_by_category_largest_first(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", scores=UNLOCK)
    post_flagged(stream, "b", "c")
    page = plain.get(PATH).content.decode()
    groups = re.findall(r"(?s)<h2>([^<]+)</h2>.*?nowrap\">([^<]+)<", page)
    assert groups == [("VPN issue", "2 items"), ("Account unlock", "1 item")]
    assert "The remote connection itself fails or drops." in page
    first = text_of(page.split("data-row>")[1].split("</tr>")[0].encode())
    assert "80 % not calibrated" in first
    assert "Account unlock 0.15" in first
    assert "Confidence 80% under 90%" in first
    assert "Confirm 3" in page


def test_keys_are_those_of_the_table(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a")
    hold, table = (plain.get(path).content for path in ("/streams/helpdesk/hold/", PATH))
    assert [b"Next row, row before" in page for page in (hold, table)] == [False, True]
    assert [b"Choose a category</dt>" in page for page in (hold, table)] == [True, False]


def test_categories_are_offered_with_their_definitions(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a")
    stream.categories.filter(key="vpn_issue").update(definition='It "drops".')
    page = plain.get(PATH).content.decode()
    offered = re.findall(
        r'<option value="([^"]+)" data-name="([^"]+)" data-def[^"]+"([^"]*)"', page
    )
    assert [key for _name, key, _definition in offered] == [
        *("account_unlock", "vpn_issue", "security_incident")
    ]
    assert offered[1] == ("VPN issue", "vpn_issue", "It &quot;drops&quot;.")


def test_row_leads_to_its_items_page(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a")
    page = plain.get(PATH).content.decode()
    found = re.search(r'<a class="item__id" href="([^"]+)">a</a>', page)
    assert found is not None
    item = Item.objects.get(external_id="a")
    assert found[1] == f"/streams/helpdesk/items/{item.id}/"
    assert plain.get(found[1]).status_code == 200


def test_nothing_of_a_drawn_item_is_in_the_table(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "row", "drawn-later")
    assert plain.get(PATH).status_code == 200
    draw(stream, "drawn-later")
    assert "drawn-later" not in plain.get(PATH).content.decode()


def test_sending_confirms_corrects_and_leaves(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b", "c", "d", "e")
    sent = form_of(plain)
    b, c, d, e = (row_id(name) for name in "bcde")
    sent["confirm"] = [row_id("a")]
    sent |= {
        f"answer-{b}": ["is:account_unlock"],
        f"other-{c}": ["security  incident"],
        f"answer-{d}": ["none"],
        f"answer-{e}": ["leave"],
    }
    response = plain.post(SEND, sent)
    assert (response.status_code, response["Location"]) == (303, PATH)
    answers = Verdict.objects.order_by("item__external_id").values_list("kind", "categories")
    assert list(answers) == [
        ("category", ["vpn_issue"]),
        ("category", ["account_unlock"]),
        ("category", ["security_incident"]),
        ("no_category_fits", []),
    ]
    assert states()["e"] == "open"
    page = text_of(plain.get(PATH).content)
    assert (
        "1 confirmed, 3 corrected, 1 left: it waits for others, and comes back to you in 15 min"
    ) in page
    assert "Nothing waits for you in the flagged batch" in page


def test_htmx_gets_the_next_table_and_the_undo(stream: Stream, htmx: Client) -> None:
    post_flagged(stream, *(f"HD-{number:02d}" for number in range(51)))
    response = htmx.post(SEND, form_of(htmx))
    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in page
    assert "Last table: 50 confirmed" in text_of(response.content)
    assert "Confirm 1" in page
    assert response["HX-Replace-Url"] == PATH


def test_unknown_category_is_said_at_its_row(stream: Stream, htmx: Client) -> None:
    post_flagged(stream, "a", "b")
    sent = form_of(htmx)
    sent["confirm"] = [row_id("a")]
    sent[f"other-{row_id('b')}"] = ["Printers"]
    response = htmx.post(SEND, sent)
    page = response.content.decode()
    assert response.status_code == 422
    assert "“Printers” is no category of this stream; choose one of the list." in page
    assert 'value="Printers"' in page
    assert "One row needs a look" in page
    assert "Confirm 1, correct 1" in page
    assert states() == {"a": "claimed", "b": "claimed"}


def test_lost_lease_keeps_the_choices_and_takes_the_rows_again(
    stream: Stream, htmx: Client
) -> None:
    post_flagged(stream, "a", "b")
    sent = form_of(htmx)
    sent["confirm"] = [row_id("a")]
    sent[f"answer-{row_id('b')}"] = ["is:account_unlock"]
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    response = htmx.post(SEND, sent)
    assert response.status_code == 409
    assert "Your time with this table was over." in response.content.decode()
    assert Verdict.objects.count() == 0
    again = read_form(response, "batch")
    assert again["confirm"] == [row_id("a")]
    assert again[f"answer-{row_id('b')}"] == ["is:account_unlock"]
    assert htmx.post(SEND, again).status_code == 200
    answers = Verdict.objects.order_by("item__external_id").values_list("categories", flat=True)
    assert list(answers) == [["vpn_issue"], ["account_unlock"]]


def test_rows_of_others_are_named_and_the_rest_recorded(
    stream: Stream, htmx: Client, plain: Client, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b")
    sent = form_of(htmx)
    taken = ReviewTask.objects.filter(item__external_id="b")
    taken.update(holder=second_reviewer, lease_token=uuid4())
    page = text_of(htmx.post(SEND, sent).content)
    assert LOST_B in page
    assert states() == {"a": "answered", "b": "claimed"}


def test_table_that_others_have_whole_is_lost(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    post_flagged(stream, "a")
    sent = form_of(htmx)
    ReviewTask.objects.update(holder=second_reviewer, lease_token=uuid4())
    response = htmx.post(SEND, sent)
    assert response.status_code == 409
    assert "others have its rows by now" in response.content.decode()


def send_mixed(client: Client) -> dict[str, list[str]]:
    """Three rows: one confirmed, one corrected, one left."""
    sent = form_of(client)
    sent["confirm"] = [row_id("a")]
    sent[f"answer-{row_id('b')}"] = ["is:account_unlock"]
    assert client.post(SEND, sent).status_code in {200, 303}
    return sent


@pytest.mark.parametrize("client_name", ["plain", "htmx"])
def test_table_whose_reply_was_lost_counts_once_and_leads_on(
    stream: Stream, request: pytest.FixtureRequest, client_name: str
) -> None:
    client: Client = request.getfixturevalue(client_name)
    post_flagged(stream, "a", "b", "c")
    sent = send_mixed(client)
    response = client.post(SEND, sent, follow=True)
    assert response.status_code == 200
    assert "Nothing waits for you in the flagged batch" in text_of(response.content)
    assert "1 confirmed, 1 corrected" in text_of(response.content)
    assert "taken up elsewhere" not in text_of(response.content)
    assert Verdict.objects.count() == 2
    assert states() == {"a": "answered", "b": "answered", "c": "open"}


def test_rows_lost_the_first_time_are_named_the_second_time_too(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b")
    sent = form_of(htmx)
    taken = ReviewTask.objects.filter(item__external_id="b")
    taken.update(holder=second_reviewer, lease_token=uuid4())
    assert [LOST_B in text_of(htmx.post(SEND, sent).content) for _ in range(2)] == [True, True]


def test_table_sent_again_with_another_answer_is_refused(stream: Stream, htmx: Client) -> None:
    post_flagged(stream, "a", "b", "c")
    sent = send_mixed(htmx)
    sent[f"answer-{row_id('b')}"] = ["none"]
    response = htmx.post(SEND, sent)
    assert response.status_code == 409
    assert "You have sent this table already" in response.content.decode()
    assert states()["c"] == "open"
    answers = Verdict.objects.order_by("item__external_id").values_list("categories", flat=True)
    assert list(answers) == [["vpn_issue"], ["account_unlock"]]


def test_table_of_somebody_elses_is_not_answered_as_taken(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b", "c")
    sent = send_mixed(htmx)
    other = Client(headers={"HX-Request": "true"})
    other.force_login(second_reviewer)
    response = other.post(SEND, sent)
    assert response.status_code == 409
    assert "1 confirmed" not in text_of(response.content)


def send_all_left(client: Client) -> tuple[dict[str, list[str]], bytes]:
    """A table of which nothing was answered, and the reply."""
    sent = form_of(client)
    del sent["confirm"]
    return sent, client.post(SEND, sent, follow=True).content


LEFT_TWO = "2 left: they wait for others, and come back to you in 15 min"


@pytest.mark.parametrize("client_name", ["plain", "htmx"])
def test_table_that_was_left_as_a_whole_says_what_becomes_of_it(
    stream: Stream, request: pytest.FixtureRequest, client_name: str
) -> None:
    client: Client = request.getfixturevalue(client_name)
    post_flagged(stream, "a", "b")
    _sent, page = send_all_left(client)
    assert LEFT_TWO in text_of(page)
    assert "What you leave comes back to you after 15 minutes." in text_of(page)
    assert states() == {"a": "open", "b": "open"}
    assert "Nothing waits for you" in text_of(client.get(PATH).content)


@pytest.mark.parametrize("client_name", ["plain", "htmx"])
def test_table_left_as_a_whole_whose_reply_was_lost_is_known_again(
    stream: Stream, request: pytest.FixtureRequest, client_name: str
) -> None:
    client: Client = request.getfixturevalue(client_name)
    post_flagged(stream, *(f"{number:02d}" for number in range(50)))
    post_flagged(stream, "next")
    sent, first = send_all_left(client)
    again = client.post(SEND, sent, follow=True)
    assert again.status_code == 200
    for page in (first, again.content):
        assert "50 left: they wait for others" in text_of(page)
        assert "Confirm 1" in text_of(page)
    assert "yours again" not in text_of(again.content)


def test_other_table_is_not_called_that_of_which_the_time_is_over(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b")
    sent = form_of(htmx)
    ReviewTask.objects.update(holder=second_reviewer, lease_token=uuid4())
    post_flagged(stream, "next")
    response = htmx.post(SEND, sent)
    page = text_of(response.content)
    assert response.status_code == 409
    assert "This table was sent already, or your time with it was over" in page
    assert "yours again" not in page
    assert read_form(response, "batch")["row"] == [row_id("next")]


def test_opened_row_shows_every_picture(stream: Stream, plain: Client) -> None:
    Stream.objects.update(payload_fields={"scan": "image"}, image_hosts=["pictures.example"])
    sources = [f"https://pictures.example/{number}.png" for number in range(2)]
    foreign = "https://foreign.example/3.png"
    post_flagged(stream, "a", payload={"subject": "a", "scan": sources, "body": "x"})
    post_flagged(stream, "b", payload={"subject": "b", "scan": foreign})
    response = plain.get(PATH)
    page = response.content.decode()
    drawn = re.findall(r"<img ([^>]+)>", page)
    thumb, *whole = [re.findall(r'src="([^"]+)"', one)[0] for one in drawn]
    assert (thumb, whole) == (sources[0], sources)
    assert ["lazy" in one for one in drawn] == [False, True, True]
    assert all('referrerpolicy="no-referrer"' in one for one in drawn)
    assert "zoom-" not in page
    assert f'href="{foreign}"' in page
    assert "img-src 'self' data: https://pictures.example" in response["Content-Security-Policy"]


@pytest.mark.parametrize("client_name", ["plain", "htmx"])
def test_undo_brings_the_table_back_as_it_was_sent(
    stream: Stream, request: pytest.FixtureRequest, client_name: str
) -> None:
    client: Client = request.getfixturevalue(client_name)
    post_flagged(stream, "a", "b")
    sent = form_of(client)
    sent["confirm"] = [row_id("a")]
    sent[f"answer-{row_id('b')}"] = ["is:account_unlock"]
    client.post(SEND, sent)
    response = client.post(undo_path())
    assert response.status_code == 200
    again = read_form(response, "batch")
    assert again["confirm"] == [row_id("a")]
    assert again[f"answer-{row_id('b')}"] == ["is:account_unlock"]
    assert states() == {"a": "claimed", "b": "claimed"}


def test_undo_after_the_window_is_refused(stream: Stream, plain: Client, htmx: Client) -> None:
    post_flagged(stream, "a")
    Stream.objects.update(undo_seconds=0)
    plain.post(SEND, form_of(plain))
    response = htmx.post(undo_path())
    assert response.status_code == 409
    assert "Too late to undo" in response.content.decode()
    assert plain.post(undo_path())["Location"] == PATH
    assert states() == {"a": "answered"}


def test_drawn_share_comes_first(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "row", "drawn")
    draw(stream, "drawn")
    page = plain.get(PATH).content.decode()
    assert "First 1 of these, blind and one by one" in page
    assert 'href="/streams/helpdesk/flagged/"' in page
    assert states() == {"row": "open", "drawn": "open"}
    assert plain.get("/streams/helpdesk/flagged/").status_code == 200
    assert states() == {"row": "open", "drawn": "claimed"}


def test_start_leads_to_the_batch_once_the_drawn_share_is_judged(
    stream: Stream, plain: Client, htmx: Client
) -> None:
    post_flagged(stream, "row")
    response = plain.get("/streams/helpdesk/flagged/")
    assert (response.status_code, response["Location"]) == (303, PATH)
    assert htmx.get("/streams/helpdesk/flagged/")["HX-Redirect"] == PATH


def test_todays_rows_are_taken_early_by_a_link(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "new", before=timedelta(0))
    page = plain.get(PATH).content.decode()
    assert "The batch is done until tomorrow" in page
    assert f'<a href="{PATH}?today=yes">Take today&#x27;s 1 already</a>' in page
    assert form_of(plain, f"{PATH}?today=yes")["today"] == ["yes"]


def test_empty_batch_offers_the_next_queue(stream: Stream, plain: Client) -> None:
    scenes.post(stream, "held")
    page = text_of(plain.get(PATH).content)
    assert "Nothing waits for you in the flagged batch" in page
    assert "Go on with Hold (1)" in page


def test_other_queues_offer_the_flagged_one(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "row")
    assert "Go on with Flagged (1)" in text_of(plain.get("/streams/helpdesk/hold/").content)


def test_home_tells_single_items_from_the_batch(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b", "c")
    draw(stream, "a")
    rows = rows_of(plain.get("/").content.decode())
    assert rows[1].startswith("Flagged 3 waiting 1 blind, 2 in the batch 1 day")
    draw(stream, "b")
    assert "2 blind, 1 in the batch" in plain.get("/").content.decode()


def test_heartbeat_and_release(stream: Stream, plain: Client, htmx: Client) -> None:
    post_flagged(stream, "a")
    token = {"lease_token": form_of(htmx)["lease_token"][0]}
    assert htmx.post(f"{PATH}renew", token).status_code == 200
    assert plain.post(f"{PATH}renew", token)["Location"] == PATH
    assert plain.post(f"{PATH}release", token)["Location"] == "/"
    assert states() == {"a": "open"}
    assert htmx.post(f"{PATH}renew", token).status_code == 409
    assert htmx.post(f"{PATH}renew", {"lease_token": "x"}).status_code == 409


def test_odd_posts_record_nothing(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a")
    plain.get(PATH)
    for body in ({}, {"row": ["x"]}, {"lease_token": "x", "row": [row_id("a")]}):
        assert plain.post(SEND, body).status_code == 409
    assert states() == {"a": "claimed"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", PATH),
        ("post", SEND),
        ("post", f"{PATH}renew"),
        ("post", f"{PATH}release"),
        ("post", f"{PATH}0192f3a0-7c3e-7d51-9d6a-5d0c2b6f4a11/undo"),
    ],
)
def test_only_for_those_who_work_the_queue(stream: Stream, method: str, path: str) -> None:
    client = Client()
    assert getattr(client, method)(path).status_code == 302
    client.force_login(scenes.make_person("stranger"))
    assert getattr(client, method)(path).status_code == 404
    client.force_login(scenes.make_person("ana", stream, "analyst"))
    assert getattr(client, method)(path).status_code == 403
    other = "post" if method == "get" else "get"
    assert getattr(client, other)(path).status_code == 405


@pytest.mark.parametrize("rows", [1, 3])
def test_number_of_queries_is_constant(
    stream: Stream, plain: Client, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_flagged(stream, "warm")
    plain.get(PATH)  # the policy stays in memory
    plain.post(SEND, form_of(plain))
    post_flagged(stream, *(f"HD-{number}" for number in range(rows)))
    with django_assert_num_queries(15):
        assert plain.get(PATH).status_code == 200
