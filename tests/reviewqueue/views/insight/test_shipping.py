"""The error budget page of drafted sentences, and its cut-offs as a file."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import timedelta

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import GroundTruth
from reviewqueue.insight_models import InsightSheet
from reviewqueue.intake import Taken, take_in
from routing.grounded import open_grounded_stream
from routing.models import Decision, Stream
from tests import scenes
from tests.calibration.cohorts import make_audited_stream
from tests.grounded_scenes import AMBER, GREEN, REFUSED, make_grounded_stream, make_sentence
from tests.reviewqueue.views.insight.conftest import make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of

pytestmark = pytest.mark.django_db

PAGE = "/streams/drafts/insight/budget/"
TABLE = f"{PAGE}cut-offs.csv"
PICTURE = "/streams/drafts/insight/budget/price.svg"


def add_sentences(
    stream: Stream, size: int, *, supported: int | None, signals: Mapping[str, object], name: str
) -> None:
    """Sentences of today; the first of them supported, and none judged where that is None."""
    posts = [make_sentence(f"{name}-{number}", signals=signals) for number in range(size)]
    taken = take_in(stream=stream, posts=posts, received_at=timezone.now())
    ids = [one.decision_id for one in taken if isinstance(one, Taken) and one.decision_id]
    decisions = Decision.objects.filter(id__in=ids).order_by("id")
    GroundTruth.objects.bulk_create(
        GroundTruth(
            stream=stream,
            item_id=decision.item_id,
            decision=decision,
            kind=GroundTruth.Kind.CATEGORY,
            categories=["supported" if number < supported else "not_supported"],
            pi=1.0,
            blind=True,
            source=GroundTruth.Source.AUDIT,
            settled_at=decision.decided_at,
        )
        for number, decision in enumerate(decisions)
        if supported is not None
    )


def judge_all(stream: Stream) -> None:
    """60 green, of which 3 are wrong; 40 amber, of which 12; 20 refused, of which 16."""
    add_sentences(stream, 60, supported=57, signals=GREEN, name="green")
    add_sentences(stream, 40, supported=28, signals=AMBER, name="amber")
    add_sentences(stream, 20, supported=4, signals=REFUSED, name="refused")


def make_stream(key: str = "drafts", *, error_budget: float | None = None) -> Stream:
    return make_grounded_stream(key, audit_rate=1.0, bulk_label_rate=1.0, error_budget=error_budget)


@pytest.fixture
def drafts(db: None) -> Stream:
    made = make_stream(error_budget=0.2)
    judge_all(made)
    return made


@pytest.fixture
def stream(drafts: Stream) -> Stream:
    """In the place of the stream with scores, so that the analyst is one of this."""
    return drafts


def ready_page(client: Client) -> str:
    client.get(PAGE)
    make_sheets()
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def rows_of(page: str, table: str) -> dict[str, str]:
    """The text of each row's cells by its head."""
    found = re.search(rf'(?s)<table class="table table--{table}">.*?</table>', page)
    assert found is not None
    rows = re.findall(r'(?s)<th scope="row">(.*?)</th>(.*?)</tr>', found[0])
    return {text_of(head): text_of(rest) for head, rest in rows}


def test_first_look_waits_and_then_shows_the_page(plain: Client, htmx: Client) -> None:
    assert "This is being counted" in plain.get(PAGE).content.decode()
    make_sheets()
    part = htmx.get(PAGE).content.decode()
    assert part.lstrip().startswith('<div id="figures"')
    assert 'data-announce="The page is ready"' in part


def test_rate_stands_by_badge_and_in_total(plain: Client) -> None:
    page = ready_page(plain)
    assert "120 labels of 120 sentences" in text_of(page)
    assert rows_of(page, "ships") == {
        "Green": "60 50.0% 60 5.0% 1.7–13.7% 15.0% gap −10.0 within the budget",
        "Amber": "40 33.3% 40 30.0% 18.1–45.4% 27.9% gap +2.1 not decided yet about 22 more labels",
        "In total": "100 83.3% 100 15.0% 9.3–23.3% 20.2% gap −5.2 not decided yet "
        "about 146 more labels",
    }


def test_cut_offs_are_priced_and_the_one_that_keeps_the_budget_is_named(plain: Client) -> None:
    page = ready_page(plain)
    assert (
        "Refused under 0.73, the budget of 20% is kept, the whole interval included; "
        "50.0% ship instead of 83.3%."
    ) in text_of(page)
    rows = rows_of(page, "prices")
    assert list(rows)[:6] == ["0.30", "0.35", "0.40", "0.45", "0.50 in force", "0.55"]
    assert rows["0.50 in force"] == "83.3% 15.0% 9.3–23.3% 15 100 not decided yet"
    assert rows["0.30"] == "100.0% +16.7 points 25.8% 18.8–34.3% 31 120 not decided yet"
    assert (
        rows["0.73 keeps the budget"] == "50.0% −33.3 points 5.0% 1.7–13.7% 3 60 within the budget"
    )


def test_cut_offs_as_a_file(plain: Client) -> None:
    ready_page(plain)
    response = plain.get(TABLE)
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert len(rows) == 100
    assert list(rows[50].items())[:4] == [
        ("cut_off", "0.5"),
        ("items", "100.0"),
        ("completeness", "0.8333333333333334"),
        ("labels", "100"),
    ]
    assert float(rows[50]["rate"]) == pytest.approx(0.15)


def test_budget_that_changes_asks_for_another_sheet(stream: Stream, plain: Client) -> None:
    ready_page(plain)
    Stream.objects.filter(id=stream.id).update(error_budget=0.5)
    InsightSheet.objects.update(made_at=timezone.now() - timedelta(hours=1))
    page = ready_page(plain)
    assert "The cut-off in force keeps the budget of 50%" in text_of(page)


def test_stream_without_a_budget_says_so(stream: Stream, plain: Client) -> None:
    Stream.objects.filter(id=stream.id).update(error_budget=None)
    page = ready_page(plain)
    assert "The stream has no error budget, so no cut-off is named." in page
    assert rows_of(page, "ships")["Green"] == "60 50.0% 60 5.0% 1.7–13.7% 15.0% gap −10.0 –"


def test_sentences_that_nobody_judged_have_no_rate(plain: Client) -> None:
    with pgtrigger.ignore():
        GroundTruth.objects.all().delete()
    page = ready_page(plain)
    assert "120 sentences were decided in the last 90 days, and nobody has judged one." in page
    assert (
        "To tell whether the budget of 20% is kept, 16 labels would do, if none is wrong." in page
    )
    assert plain.get(PICTURE).status_code == 404


def test_stream_without_a_policy_says_so(db: None) -> None:
    open_grounded_stream(key="other", name="Other")
    client = Client()
    client.force_login(scenes.make_person("root", is_superuser=True))
    page = client.get("/streams/other/insight/budget/").content.decode()
    assert "No policy is published yet" in page


def test_stream_with_scores_has_no_such_page(analyst: User) -> None:
    helpdesk = make_audited_stream()
    client = Client()
    client.force_login(scenes.make_person("hal", helpdesk, "analyst"))
    page = "/streams/helpdesk/insight/"
    assert client.get(f"{page}budget/").status_code == 404
    assert client.get(f"{page}budget/cut-offs.csv").status_code == 404
    assert "Error budget<" not in client.get(f"{page}runs/").content.decode()


def test_page_is_linked_from_home_and_the_other_insight_pages(plain: Client) -> None:
    link = f'href="{PAGE}"'
    for page in ("/", "/streams/drafts/insight/runs/", "/insight/budgets/"):
        assert link in plain.get(page).content.decode(), page


def test_all_budgets_tell_what_shipped_wrong(plain: Client) -> None:
    plain.get("/insight/budgets/")
    make_sheets()
    text = text_of(plain.get("/insight/budgets/").content.decode())
    assert "Drafts 20% – 15.0% 9.3–23.3%, 100 labels not decided yet" in text


@pytest.mark.parametrize("page", [PAGE, TABLE, PICTURE])
def test_page_is_open_to_analysts_alone_and_only_read(
    stream: Stream, plain: Client, page: str
) -> None:
    ready_page(plain)
    assert plain.get(page).status_code == 200
    assert plain.post(page).status_code == 405
    assert Client().get(page)["Location"] == f"/accounts/login/?next={page}"
    for person, status in (
        (scenes.make_person("rita", stream, "reviewer"), 403),
        (scenes.make_person("sam", make_stream("other"), "analyst"), 404),
    ):
        client = Client()
        client.force_login(person)
        assert client.get(page).status_code == status


@pytest.mark.parametrize("more", [0, 20])
def test_page_costs_the_same_whatever_was_judged(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, more: int
) -> None:
    add_sentences(stream, more, supported=more, signals=GREEN, name="more")
    ready_page(plain)
    with django_assert_num_queries(7):
        plain.get(PAGE)
