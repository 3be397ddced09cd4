"""The watch list: who sees it, its filters and pages, and that nothing of a blind item is in it."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue import watchlist
from reviewqueue.claims import claim_next
from reviewqueue.payloads import read_payload
from reviewqueue.verdicts import undo_verdict
from reviewqueue.views.watch_lines import excerpt_of
from routing.models import Item, Stream
from tests import scenes
from tests.grounded_scenes import make_grounded_stream
from tests.reviewqueue.test_watchlist import (
    HELD,
    LIKELY,
    UNWATCHED,
    VAGUE,
    blind,
    judge,
    make_watching_stream,
    post,
)

PATH = "/streams/helpdesk/watch/"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_watching_stream()


def text_of(page: str) -> str:
    return " ".join(re.sub(r"(?s)<[^>]+>", " ", page).split())


def lines_of(page: str) -> list[str]:
    """The text of each line of the list, its title first."""
    rows = re.findall(r"(?s)<tr>\s*<th scope=\"row\">.*?</tr>", page)
    return [text_of(row) for row in rows]


def titles(client: Client, query: str = "") -> list[str]:
    response = client.get(f"{PATH}{query}")
    assert response.status_code == 200
    return re.findall(r">Ticket ([\w-]+)</a>", response.content.decode())


def test_list_shows_what_reached_its_level_newest_first(stream: Stream, plain: Client) -> None:
    for name, scores in (("a", HELD), ("b", LIKELY), ("c", VAGUE), ("d", UNWATCHED)):
        post(stream, name, scores)
    lines = lines_of(plain.get(PATH).content.decode())
    clock = r" \d\d:\d\d$"
    assert [re.sub(clock, "", line) for line in lines] == [
        "Ticket c It drops. Security incident 0.26 from 0.25 VPN issue 40% not calibrated "
        "Reject Refused answered “uncertain”",
        "Ticket b It drops. Security incident 0.26 from 0.25 VPN issue 72% not calibrated "
        "Flagged Acted on to be checked",
        "Ticket a It drops. Security incident 0.38 from 0.25 VPN issue 52% not calibrated "
        "Hold Waiting",
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("", ["s", "c", "b", "a"]),
        ("waiting", ["a"]),
        ("acted", ["b"]),
        ("refused", ["c"]),
        ("settled", ["s"]),
    ],
)
def test_list_is_filtered_by_state(
    stream: Stream, plain: Client, htmx: Client, state: str, expected: list[str]
) -> None:
    for name, scores in (("a", HELD), ("b", LIKELY), ("c", VAGUE)):
        post(stream, name, scores)
    settled = post(stream, "s")
    Item.objects.filter(id=settled.item_id).update(state="settled", settled_at=timezone.now())
    assert titles(plain, f"?state={state}") == expected
    assert titles(htmx, f"?state={state}") == expected


def test_list_is_filtered_by_watched_category(reviewer: User, plain: Client) -> None:
    stream = scenes.make_stream("other", watch={"security_incident": 0.25, "vpn_issue": 0.60})
    scenes.join(reviewer, stream)
    post(stream, "both", {"vpn_issue": 0.7, "security_incident": 0.3, "account_unlock": 0.0})
    post(stream, "one", HELD)
    page = "/streams/other/watch/"

    def found(key: str) -> list[str]:
        content = plain.get(f"{page}?category={key}").content.decode()
        return re.findall(r">Ticket (\w+)</a>", content)

    assert (found(""), found("vpn_issue")) == (["one", "both"], ["both"])
    assert found("security_incident") == ["one", "both"]


def test_category_that_is_watched_no_more_stays_in_the_filter(
    stream: Stream, plain: Client
) -> None:
    post(stream, "old")
    scenes.publish(stream, {"vpn_issue": {"watch": 0.9}})
    page = plain.get(f"{PATH}?category=security_incident").content.decode()
    options = re.findall(r"<option[^>]*>([^<]*)<", page)
    assert options == [
        "Every watched category",
        "VPN issue, from 0.90",
        "Security incident, watched no more",
    ]
    assert titles(plain, "?category=security_incident") == ["old"]


def test_settled_line_shows_the_verdict_once_it_cannot_be_undone(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    Stream.objects.update(undo_seconds=3600)
    post(stream, "a")
    stream.refresh_from_db()
    verdict = judge(stream, reviewer)
    [line] = lines_of(plain.get(PATH).content.decode())
    assert "Settled may be undone yet" in line
    assert verdict.published_at > timezone.now()
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    post(stream, "b")
    judge(stream, reviewer)
    newest = lines_of(plain.get(PATH).content.decode())[0]
    assert "Settled Security incident" in newest


@pytest.mark.parametrize("query", ["", "?category=security_incident", "?state=waiting"])
def test_blind_item_is_in_no_html_until_it_is_judged(
    stream: Stream, plain: Client, htmx: Client, query: str
) -> None:
    decision = post(stream, "blind")
    assert titles(plain, query) == ["blind"]
    blind(decision)
    for client in (plain, htmx):
        page = client.get(f"{PATH}{query}").content.decode()
        assert "Ticket" not in page
        assert str(decision.id) not in page
        assert client.get(f"{PATH}{decision.id}/").status_code == 404


@pytest.mark.parametrize("role", ["reviewer", "adjudicator", "expert", "analyst", "stream_admin"])
def test_blind_item_is_hidden_from_every_role(stream: Stream, role: str) -> None:
    blind(post(stream, "blind"))
    post(stream, "open")
    client = Client()
    client.force_login(scenes.make_person("somebody", stream, role))
    assert titles(client) == ["open"]


def test_blind_verdict_brings_the_item_back_when_it_cannot_be_undone(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    Stream.objects.update(undo_seconds=3600)
    stream.refresh_from_db()
    decision = post(stream, "blind")
    blind(decision)
    task = claim_next(user=reviewer, stream=stream, queue="hold")
    assert (task is not None, titles(plain)) == (True, [])
    verdict = judge(stream, reviewer)
    assert titles(plain) == []
    undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    assert titles(plain) == []
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    judge(stream, reviewer)
    assert titles(plain) == ["blind"]


def test_pages_follow_by_key_without_repeating_or_skipping(
    stream: Stream, plain: Client, htmx: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlist, "PAGE", 2)
    for number in range(5):
        post(stream, str(number))
    seen, query = [], ""
    for _turn in range(3):
        page = plain.get(f"{PATH}{query}").content.decode()
        seen += re.findall(r">Ticket (\w+)</a>", page)
        older = re.search(r'href="/streams/helpdesk/watch/(\?before=[^"]+)" hx-get', page)
        query = older.group(1) if older else ""
        post(stream, f"late{_turn}")
    assert seen == ["4", "3", "2", "1", "0"]
    assert query == ""
    assert "This is the end of the list." in page
    page = plain.get(PATH).content.decode()
    older = re.search(r'hx-get="/streams/helpdesk/watch/(\?before=[^"]+)"', page)
    assert older is not None
    part = htmx.get(f"{PATH}{older.group(1)}").content.decode()
    assert part.strip().startswith("<tr>")
    assert "<h1>" not in part
    assert part.count("autofocus") == 1


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_do_not_grow_with_rows(
    stream: Stream, plain: Client, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(rows):
        post(stream, str(number))
    plain.get(PATH)
    with django_assert_num_queries(11):
        plain.get(PATH)
    with django_assert_num_queries(11):
        plain.get(f"{PATH}?category=security_incident&state=waiting")


def test_stream_of_sentences_says_why_it_has_no_list(reviewer: User, plain: Client) -> None:
    stream = make_grounded_stream()
    scenes.join(reviewer, stream)
    page = plain.get("/streams/drafts/watch/").content.decode()
    assert "Drafted sentences are not watched" in page
    assert "An admin sets a watch level" not in page
    assert 'href="/streams/drafts/drafts/">Drafts</a>' in page


def test_unwatched_stream_says_so(reviewer: User, plain: Client) -> None:
    stream = scenes.make_stream("bare")
    scenes.join(reviewer, stream)
    page = plain.get("/streams/bare/watch/").content.decode()
    assert "No category of this stream is watched" in page
    assert re.findall(r'class="button" href="([^"]*)"', page) == ["/"]
    assert '<form class="filters"' not in page


def test_empty_list_says_so(stream: Stream, plain: Client) -> None:
    page = plain.get(PATH).content.decode()
    assert "Nothing has reached a watch level yet" in page
    assert 'class="button" href=' not in page
    page = plain.get(f"{PATH}?state=settled").content.decode()
    assert "Nothing on the list is like this" in page
    page = plain.get(f"{PATH}?before={uuid4()}").content.decode()
    assert "Nothing older" in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("category=weather", "weather is not watched here; choose one of the list."),
        ("state=lost", "lost is no state; choose one of the list."),
        ("before=x", "This page was not found; begin with the newest."),
    ],
)
def test_filter_that_is_none_is_named(
    stream: Stream, plain: Client, htmx: Client, query: str, words: str
) -> None:
    post(stream, "a")
    for client in (plain, htmx):
        response = client.get(f"{PATH}?{query}")
        assert (response.status_code, words in response.content.decode()) == (422, True)


def test_list_needs_a_session_a_membership_and_get(stream: Stream, plain: Client) -> None:
    decision = post(stream, "a")
    stranger = Client()
    stranger.force_login(scenes.make_person("stranger"))
    for path in (PATH, f"{PATH}{decision.id}/"):
        assert Client().get(path).headers["Location"] == f"/accounts/login/?next={path}"
        assert stranger.get(path).status_code == 404
        assert plain.post(path).status_code == 405
    assert plain.get("/streams/none/watch/").status_code == 404


def test_htmx_gets_the_list_alone(stream: Stream, htmx: Client) -> None:
    post(stream, "a")
    part = htmx.get(PATH).content.decode().strip()
    assert part.startswith('<div id="watched" data-announce="1 item">')
    assert "<h1>" not in part


def test_entry_shows_the_item_and_what_the_machine_said(stream: Stream, plain: Client) -> None:
    decision = post(stream, "a")
    page = text_of(plain.get(f"{PATH}{decision.id}/").content.decode())
    assert "Ticket a It drops." in page
    assert "Not calibrated VPN issue 52 %" in page
    assert "Security incident 0.38 reaches 0.25" in page
    assert "State Hold Waiting" in page
    assert "Review what waits in Hold" in page


@pytest.mark.parametrize(
    ("mapped", "said", "shown"),
    [
        ("security_incident", " not calibrated", "Not calibrated"),
        ("vpn_issue", "", "Calibrated"),
        ("", "", "Calibrated"),
    ],
)
def test_entry_is_calibrated_where_a_map_applies_to_its_category(
    stream: Stream, plain: Client, mapped: str, said: str, shown: str
) -> None:
    maps = {mapped: {"kind": "platt", "parameters": [1.0, 0.0], "knots": []}}
    rules = {"security_incident": {"watch": 0.25}}
    scenes.publish(stream, rules, maps=maps, model_versions=[""])
    decision = post(stream, "a")
    [line] = lines_of(plain.get(PATH).content.decode())
    assert re.findall(r" VPN issue \d+%(.*) Hold", line) == [said]
    page = text_of(plain.get(f"{PATH}{decision.id}/").content.decode())
    assert re.findall(r"(Not calibrated|Calibrated) VPN issue", page) == [shown]


def test_analyst_reads_an_entry_and_is_sent_to_no_queue(stream: Stream) -> None:
    decision = post(stream, "a")
    client = Client()
    client.force_login(scenes.make_person("ana", stream, "analyst"))
    page = text_of(client.get(f"{PATH}{decision.id}/").content.decode())
    assert "Ticket a It drops." in page
    assert "Review what waits" not in page


def test_entry_of_another_stream_or_off_the_list_is_404(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    other = scenes.make_stream("other", watch={"security_incident": 0.25})
    scenes.join(reviewer, other)
    assert plain.get(f"{PATH}{post(other, 'a').id}/").status_code == 404
    assert plain.get(f"{PATH}{post(stream, 'b', UNWATCHED).id}/").status_code == 404


def test_home_leads_to_each_streams_watch_list(stream: Stream, plain: Client) -> None:
    page = plain.get("/").content.decode()
    assert re.findall(r'href="([^"]+/watch/)"', page) == [PATH]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"title": "T", "body": "one\n\ntwo"}, "one two"),
        ({"talk": [{"role": "user", "content": "hello  there"}]}, "hello there"),
        ({"page": "<p>a &amp; <b>b</b></p>"}, "a & b"),
        ({"site": "https://example.org/x"}, "https://example.org/x"),
        ({"room": "12", "floor": "3"}, "Room 12, Floor 3"),
        ({"body": "x" * 200}, "x" * 159 + "…"),
        ({}, ""),
    ],
)
def test_excerpt_is_the_first_of_what_is_read(payload: dict[str, str], expected: str) -> None:
    paper = read_payload(payload, layout={"page": "html"}, fallback_title="id")
    assert excerpt_of(paper) == expected
