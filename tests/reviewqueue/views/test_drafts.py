"""A stream's drafts, and one of them as its author would see it."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from calibration.models import AuditDraw
from reviewqueue.retries import request_retry
from routing.models import Decision, Item, Stream
from tests import scenes
from tests.grounded_scenes import AMBER, GREEN, REFUSED, make_grounded_stream, post_sentence
from tests.reviewqueue.views.test_sentence_screen import text_of

LIST = "/streams/drafts/drafts/"
LETTER = "/streams/drafts/draft/?id=letter+7"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_grounded_stream()


def post_letter(stream: Stream) -> None:
    """Posted out of order; the places say which comes first."""
    for position, text, signals in (
        (2, "It may have 99 MB.", REFUSED),
        (0, "A file may have 10 MB.", GREEN),
        (1, "CSV is read.", AMBER),
    ):
        post_sentence(
            stream,
            f"s-{position}",
            sentence=text,
            signals=signals,
            draft="letter 7",
            position=position,
        )


def item(external_id: str) -> Item:
    return Item.objects.get(external_id=external_id)


def words_of(client: Client, address: str = LETTER) -> str:
    page = text_of(client.get(address).content)
    return page.partition("Skip to content")[2].partition("Not confirmed")[0].strip()


def test_draft_stands_in_its_order_with_badges(plain: Client, stream: Stream) -> None:
    post_letter(stream)

    assert words_of(plain).endswith(
        "Drafts Drafts 1 green 1 amber 1 refused letter 7 "
        "A file may have 10 MB. Green Limits CSV is read. Amber Limits "
        "No confident source Retry : It may have 99 MB. "
        "Choose a sentence to read it beside its sources. "
        "This is the draft as its author sees it: refused sentences are left out."
    )


def test_sentence_opens_beside_the_draft(plain: Client, htmx: Client, stream: Stream) -> None:
    post_letter(stream)
    address = f"{LETTER}&at={item('s-2').id}"

    whole, part = words_of(plain, address), text_of(htmx.get(address).content)

    for words in (whole, part):
        assert "Sentence It may have 99 (stands in no source) MB. Machine's answer" in words
        assert "Limits cited score 0.90" in words
        assert words.count("Draft it again") == 1
    assert part.startswith("Sentence")
    assert plain.get(address).content.decode().count('aria-current="true"') == 1


@pytest.mark.parametrize("at", ["nothing", "01890000-0000-7000-8000-000000000000", ""])
def test_sentence_that_is_not_of_the_draft_opens_nothing(
    plain: Client, stream: Stream, at: str
) -> None:
    post_letter(stream)

    assert "Choose a sentence" in words_of(plain, f"{LETTER}&at={at}")


def test_sentence_that_was_asked_for_again_says_so(plain: Client, stream: Stream) -> None:
    post_letter(stream)
    request_retry(item_id=item("s-2").id, person=None, how="widen")

    words = words_of(plain)

    assert "No confident source asked for again Choose" in words


def test_retried_sentence_stands_in_the_place_of_the_refused(plain: Client, stream: Stream) -> None:
    post_letter(stream)
    post_sentence(stream, "s-0b", sentence="At most 10 MB.", draft="letter 7", signals=REFUSED)
    post_sentence(stream, "s-2b", sentence="It may have 10 MB.", retry_of="s-2")
    post_sentence(stream, "s-0c", sentence="10 MB at most.", retry_of="s-0b", draft="letter 7")

    words = words_of(plain)

    assert (
        "Amber Limits It may have 10 MB. Amber Limits 10 MB at most. Amber Limits Choose" in words
    )
    assert "No confident source" not in words


def test_sentence_that_is_judged_blind_has_no_badge(plain: Client, stream: Stream) -> None:
    post_letter(stream)
    decision = Decision.objects.get(item__external_id="s-2")
    AuditDraw.objects.create(stream=stream, decision=decision, item=decision.item, pi=0.05)

    words = words_of(plain, f"{LETTER}&at={decision.item_id}")

    assert "Amber Limits It may have 99 MB. not shown yet Sentence It may have 99 MB. What" in words
    assert [told for told in ("Refused", "refused ", "score", "cited") if told in words] == [
        "refused "
    ]


def test_draft_is_escaped(plain: Client, stream: Stream) -> None:
    evil = "<script>x</script>"
    post_sentence(stream, "s-1", sentence=evil, draft=evil)

    for page in (plain.get(LIST), plain.get("/streams/drafts/draft/", {"id": evil})):
        assert page.status_code == 200
        assert "<script>x" not in page.content.decode()


def test_latest_drafts_come_first(plain: Client, stream: Stream) -> None:
    post_letter(stream)
    post_sentence(stream, "n-1", draft="notes/1")
    post_sentence(stream, "o-1")

    page = plain.get(LIST).content

    assert "notes/1 An import file may have at most 10 MB. 1 sentence " in text_of(page)
    assert "letter 7 A file may have 10 MB. 3 sentences" in text_of(page)
    assert text_of(page).index("notes/1") < text_of(page).index("letter 7")
    assert b'href="/streams/drafts/draft/?id=notes%2F1"' in page


def test_stream_without_drafts_says_so(plain: Client, stream: Stream) -> None:
    assert "No draft yet" in words_of(plain, LIST)


def test_drafts_are_reached_from_home_and_from_the_sentence(plain: Client, stream: Stream) -> None:
    post_letter(stream)

    assert f'href="{LIST}"' in plain.get("/").content.decode()
    page = plain.get(f"/streams/drafts/items/{item('s-0').id}/").content.decode()
    assert f'href="{LETTER}"' in page


@pytest.mark.parametrize("name", ["other", ""])
def test_unknown_draft_is_not_found(plain: Client, stream: Stream, name: str) -> None:
    post_letter(stream)

    assert plain.get(f"/streams/drafts/draft/?id={name}").status_code == 404


@pytest.mark.parametrize("address", [LIST, LETTER])
def test_anonymous_is_sent_to_log_in(client: Client, stream: Stream, address: str) -> None:
    assert client.get(address).status_code == 302


@pytest.mark.parametrize("address", [LIST, LETTER])
def test_stranger_finds_nothing(client: Client, stream: Stream, address: str) -> None:
    post_letter(stream)
    client.force_login(scenes.make_person("sam"))

    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", [LIST, LETTER])
def test_wrong_method_is_refused(plain: Client, stream: Stream, address: str) -> None:
    assert plain.post(address).status_code == 405


def test_stream_of_scores_has_no_drafts(plain: Client, stream: Stream) -> None:
    helpdesk = scenes.make_stream()
    scenes.join(stream.memberships.get().user, helpdesk)

    assert plain.get("/streams/helpdesk/drafts/").status_code == 404
    assert plain.get("/streams/helpdesk/draft/?id=x").status_code == 404


def test_analyst_reads_drafts_and_asks_for_nothing(client: Client, stream: Stream) -> None:
    post_letter(stream)
    client.force_login(scenes.make_person("ann", stream, "analyst"))

    words = words_of(client)

    assert "No confident source" in words
    assert "Retry" not in words


@pytest.mark.parametrize(("address", "queries"), [(LIST, 4), (LETTER, 9)])
def test_queries_do_not_grow_with_the_rows(
    plain: Client,
    stream: Stream,
    django_assert_num_queries: DjangoAssertNumQueries,
    address: str,
    queries: int,
) -> None:
    post_sentence(stream, "r-0", draft="letter 7", signals=REFUSED)
    plain.get(address)
    with django_assert_num_queries(queries):
        plain.get(address)

    post_letter(stream)
    post_sentence(stream, "r-1", draft="other", signals=REFUSED)
    with django_assert_num_queries(queries):
        plain.get(address)
