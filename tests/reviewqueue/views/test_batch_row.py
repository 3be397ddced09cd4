"""A row of the flagged batch by itself: every answer there is, and back to the table."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import GroundTruth
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.forms import read_form
from tests.reviewqueue.test_batch_claims import post_flagged
from tests.reviewqueue.views.test_batch import PATH, SEND, form_of, row_id, states, text_of


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=60)


def page_of(name: str) -> str:
    return f"{PATH}{row_id(name)}/"


def open_row(client: Client, name: str, **changes: object) -> dict[str, list[str]]:
    """The answer form of a row that is opened from its table, with what was chosen there."""
    table = {**form_of(client), **changes}
    response = client.post(f"{page_of(name)}open", table)
    assert (response.status_code, response["Location"]) == (303, page_of(name))
    return read_form(client.get(page_of(name)), "answer")


def answer(client: Client, name: str, form: dict[str, list[str]], **said: object) -> str:
    """Where the answer leads."""
    return client.post(f"/tasks/{row_id(name)}/verdict", {**form, **said})["Location"]


@pytest.mark.parametrize(
    ("said", "recorded"),
    [
        (
            {"kind": "ambiguous", "categories": ["vpn_issue", "account_unlock"], "comment": "Both"},
            ("ambiguous", ["vpn_issue", "account_unlock"], "", "Both"),
        ),
        (
            {"kind": "no_category_fits", "proposed_name": "Printers"},
            ("no_category_fits", [], "Printers", ""),
        ),
        (
            {"kind": "category", "categories": ["account_unlock"], "comment": "See the log."},
            ("category", ["account_unlock"], "", "See the log."),
        ),
    ],
)
def test_every_answer_is_given_and_leads_back_to_the_table(
    stream: Stream, plain: Client, said: dict[str, object], recorded: tuple[object, ...]
) -> None:
    post_flagged(stream, "a", "b")
    form = open_row(plain, "a")
    assert answer(plain, "a", form, **said) == PATH
    verdict = Verdict.objects.get()
    given = verdict.kind, verdict.categories, verdict.proposed_name, verdict.comment
    assert given == recorded
    assert (verdict.batch, verdict.blind) == (None, False)
    assert GroundTruth.objects.values_list("kind", "pi", "source").get() == (
        recorded[0],
        None,
        "flagged",
    )
    assert states() == {"a": "answered", "b": "claimed"}
    assert form_of(plain)["row"] == [row_id("b")]


def test_who_cannot_judge_passes_the_row_to_the_experts(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    assert answer(plain, "a", open_row(plain, "a"), kind="cannot_judge") == PATH
    seats = ReviewTask.objects.filter(item__external_id="a").order_by("seat")
    assert list(seats.values_list("queue", "state", "pi")) == [
        ("flagged", "answered", None),
        ("escalated", "open", None),
    ]


def test_row_is_escalated_with_a_comment_and_taken_back(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    form = open_row(plain, "a")
    path = f"/tasks/{row_id('a')}"
    escalated = plain.post(f"{path}/escalate", {**form, "comment": "Whose is it?"})
    assert (escalated.status_code, escalated["Location"]) == (303, PATH)
    seat = ReviewTask.objects.get(item__external_id="a")
    assert (seat.queue, seat.state) == ("escalated", "open")
    page = plain.get(PATH)
    assert "Escalated a to the experts" in text_of(page.content)
    assert f'action="{path}/take-back"' in page.content.decode()
    assert plain.post(f"{path}/take-back")["Location"] == page_of("a")
    assert plain.get(page_of("a")).status_code == 200
    assert form_of(plain)["row"] == [row_id("a"), row_id("b")]


def test_skipped_row_waits_for_others_and_is_taken_back(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    form = open_row(plain, "a")
    path = f"/tasks/{row_id('a')}"
    assert plain.post(f"{path}/skip", form)["Location"] == PATH
    page = plain.get(PATH)
    said = "Skipped a: it waits for others, and comes back to you in 15 min"
    assert said in text_of(page.content)
    assert states() == {"a": "open", "b": "claimed"}
    assert f'action="{path}/unskip"' in page.content.decode()
    assert plain.post(f"{path}/unskip")["Location"] == page_of("a")
    assert form_of(plain)["row"] == [row_id("a"), row_id("b")]


def test_choices_of_the_other_rows_are_kept_once(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b", "c", "d")
    b, c = row_id("b"), row_id("c")
    chosen: dict[str, object] = {
        "confirm": [row_id("d")],
        f"answer-{b}": ["is:account_unlock"],
        f"other-{c}": ["Security incident"],
        "active_ms": ["4000"],
        "today": ["yes"],
    }
    answer(plain, "a", open_row(plain, "a", **chosen), kind="category")
    table = form_of(plain)
    assert {name: table[name] for name in chosen} == chosen
    assert table["row"] == [b, c, row_id("d")]
    assert form_of(plain)["confirm"] == [b, c, row_id("d")]
    assert plain.post(SEND, table).status_code == 303
    given = Verdict.objects.order_by("item__external_id").values_list("categories", flat=True)
    assert list(given) == [
        ["vpn_issue"],
        ["account_unlock"],
        ["security_incident"],
        ["vpn_issue"],
    ]


def test_choices_are_those_of_their_own_stream(stream: Stream, plain: Client) -> None:
    other = scenes.make_stream("other")
    scenes.join(User.objects.get(username="rita"), other)
    post_flagged(stream, "a", "b")
    open_row(plain, "a", confirm=[])
    post_flagged(other, "x")
    there = read_form(plain.get("/streams/other/flagged/batch/"), "batch")
    assert there["confirm"] == there["row"]
    assert "confirm" not in form_of(plain)


def test_script_is_led_to_the_row_and_back_by_whole_pages(stream: Stream, htmx: Client) -> None:
    post_flagged(stream, "a", "b")
    opened = htmx.post(f"{page_of('a')}open", form_of(htmx))
    assert opened["HX-Redirect"] == page_of("a")
    form = read_form(htmx.get(page_of("a"), headers={"HX-Request": ""}), "answer")
    path = f"/tasks/{row_id('a')}/verdict"
    said = {**form, "kind": "category"}
    assert [htmx.post(path, said)["HX-Redirect"] for _ in range(2)] == [PATH, PATH]
    assert Verdict.objects.count() == 1


def test_row_looks_like_any_item_and_leads_back(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    form_of(plain)
    page = plain.get(page_of("a")).content.decode()
    assert f'href="{PATH}" data-key="v"' in page
    assert "Ambiguous, then every category that would do" in page
    assert 'formaction="/tasks/' in page
    assert 'class="progress' not in page  # that is of what is judged singly
    held = scenes.post(stream, "held")
    assert held.state == "open"
    assert "Back to the table" not in plain.get("/streams/helpdesk/hold/").content.decode()


def test_wrong_answer_stays_on_the_row(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    form = open_row(plain, "a")
    sent = {**form, "kind": "ambiguous", "categories": ["vpn_issue"]}
    response = plain.post(f"/tasks/{row_id('a')}/verdict", sent)
    assert response.status_code == 422
    assert "Tick at least two categories that would do." in response.content.decode()


def test_row_whose_time_is_over_keeps_what_was_entered(stream: Stream, htmx: Client) -> None:
    post_flagged(stream, "a", "b")
    form_of(htmx)
    form = read_form(htmx.get(page_of("a"), headers={"HX-Request": ""}), "answer")
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    sent = {**form, "kind": "category", "comment": "Half a thought"}
    response = htmx.post(f"/tasks/{row_id('a')}/verdict", sent)
    page = response.content.decode()
    assert response.status_code == 409
    assert "Half a thought" in page
    assert f'href="{page_of("a")}" data-key="Enter" data-primary>Back to the table' in page
    assert htmx.get(page_of("a"))["HX-Redirect"] == PATH
    assert form_of(htmx)["row"] == [row_id("a"), row_id("b")]


def test_table_whose_time_is_over_opens_no_row(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    table = form_of(plain)
    del table["confirm"]
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    response = plain.post(f"{page_of('a')}open", table)
    assert response.status_code == 409
    assert "Your time with this table was over." in response.content.decode()
    assert "confirm" not in read_form(response, "batch")
    assert plain.post(f"{page_of('a')}open", {"row": [row_id("a")]}).status_code == 409


def test_row_of_somebody_else_leads_to_the_own_table(
    stream: Stream, plain: Client, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b")
    taken = ReviewTask.objects.filter(item__external_id="a")
    taken.update(
        state="claimed",
        holder=second_reviewer,
        lease_token=uuid4(),
        claimed_at=timezone.now(),
        lease_expires_at=timezone.now() + timedelta(minutes=5),
    )
    response = plain.get(page_of("a"))
    assert (response.status_code, response["Location"]) == (303, PATH)


def test_answer_by_itself_is_undone_from_the_table(stream: Stream, plain: Client) -> None:
    post_flagged(stream, "a", "b")
    form = open_row(plain, "a", confirm=[])
    answer(plain, "a", form, kind="no_category_fits", proposed_name="Printers")
    verdict = Verdict.objects.get()
    page = plain.get(PATH).content.decode()
    assert "Last: No category fits, but “Printers” on “a”" in text_of(page.encode())
    assert f'action="/verdicts/{verdict.id}/undo" data-undo-left' in page
    assert plain.post(f"/verdicts/{verdict.id}/undo")["Location"] == page_of("a")
    assert plain.get(page_of("a")).status_code == 200
    assert sorted(form_of(plain)["row"]) == sorted([row_id("a"), row_id("b")])


def test_heartbeat_on_the_row_keeps_the_whole_table(stream: Stream, htmx: Client) -> None:
    post_flagged(stream, "a", "b")
    form_of(htmx)
    form = read_form(htmx.get(page_of("a"), headers={"HX-Request": ""}), "answer")
    soon = timezone.now() + timedelta(minutes=1)
    ReviewTask.objects.update(lease_expires_at=soon)
    assert htmx.post(f"/tasks/{row_id('a')}/heartbeat", form).status_code == 200
    assert ReviewTask.objects.filter(lease_expires_at__gt=soon).count() == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_number_of_queries_is_constant(
    stream: Stream, plain: Client, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_flagged(stream, *(f"HD-{number}" for number in range(rows)))
    table = form_of(plain)
    plain.get(page_of("HD-0"))  # the policy stays in memory
    with django_assert_num_queries(8):
        assert plain.post(f"{page_of('HD-0')}open", table).status_code == 303
    with django_assert_num_queries(7):
        assert plain.get(page_of("HD-0")).status_code == 200
