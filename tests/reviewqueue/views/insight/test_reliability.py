"""The reliability page, its table as a file, its pictures, and the items behind a cell."""

import csv
import io
import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.insight_models import InsightSheet
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import VERSION
from tests.reviewqueue.views.insight.conftest import add_labels, make_sheets
from tests.scenes import KEYS, publish

PAGE = "/streams/helpdesk/insight/reliability/"
HALVES = {"kind": "platt", "parameters": [1.0, -2.0], "knots": []}


def text_of(page: str) -> str:
    return " ".join(re.sub(r"(?s)<svg.*?</svg>|<[^>]+>", " ", page).split())


def ready_page(client: Client, query: str = "") -> str:
    client.get(f"{PAGE}{query}")
    make_sheets()
    response = client.get(f"{PAGE}{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_first_look_waits_and_asks_again(plain: Client, htmx: Client) -> None:
    page = plain.get(PAGE).content.decode()
    assert "This is being counted" in page
    assert f'hx-get="{PAGE}" hx-trigger="every 1s"' in page
    part = htmx.get(PAGE).content.decode()
    assert part.lstrip().startswith('<div id="figures"')
    make_sheets()
    part = htmx.get(PAGE).content.decode()
    assert ("This is being counted" in part, 'data-announce="The page is ready"' in part) == (
        False,
        True,
    )


def test_bands_stand_with_interval_count_and_verdict(plain: Client) -> None:
    text = text_of(ready_page(plain))
    assert "100 labels of 100 items" in text
    assert "0.90 – 1.00 60 of 60 95.0% 85.0% 73.9–91.9% overconfident, certain −10.0 points" in text
    assert "0.00 – 0.50 0 of 0 – – not enough labels" in text
    assert "No calibration map is in force" in text


def test_categories_stand_worst_first_and_lead_to_their_items(plain: Client) -> None:
    page = ready_page(plain)
    assert re.findall(r"<h3>([^<]+)</h3>", page) == ["Account unlock", "VPN issue"]
    rows = re.findall(r'(?s)<tr>\s*<th scope="row">([A-Z][^<]+)</th>(.*?)</tr>', page)
    assert [label for label, _cells in rows] == ["Account unlock", "VPN issue"]
    links = re.findall(r'href="([^"]+items/[^"]+)"', rows[0][1])
    expected = (
        f"{PAGE}items/?days=30&amp;maps=raw&amp;lower=0.9&amp;upper=1.0&amp;category={KEYS[0]}"
    )
    assert links == [expected]
    assert plain.get(links[0].replace("&amp;", "&")).status_code == 200


def test_before_and_after_calibration_stand_side_by_side(stream: Stream, plain: Client) -> None:
    publish(stream, maps={"": HALVES}, model_versions=[VERSION])
    page = ready_page(plain)
    titles = re.findall(r'<h2 id="panel-[^"]+">([^<]+)</h2>', page)
    assert titles == ["Raw confidence, as the model gave it", "Calibrated by policy 2"]
    assert page.count('<svg class="drawing"') == 4


def test_pictures_are_named_and_told_in_words(plain: Client) -> None:
    page = ready_page(plain)
    [title] = re.findall(r'<title id="title-raw">([^<]+)</title>', page)
    [words] = re.findall(r'<desc id="description-raw">([^<]+)</desc>', page)
    assert title == "Reliability diagram: Raw confidence, as the model gave it"
    assert words == "promised 75.0%, right 50.0% of 40; promised 95.0%, right 85.0% of 60"


def test_period_is_chosen_by_address(stream: Stream, plain: Client) -> None:
    ready_page(plain)
    page = ready_page(plain, "?days=90")
    assert '<a href="?days=90" aria-current="true">90 days</a>' in page
    assert set(InsightSheet.objects.values_list("kind", flat=True)) == {
        "reliability_30",
        "reliability_90",
    }
    assert plain.get(f"{PAGE}?days=7").status_code == 200


def test_newer_labels_are_announced_and_the_old_figures_stay(stream: Stream, plain: Client) -> None:
    ready_page(plain)
    add_labels(stream, 1, right=1, confidence=0.95)
    text = text_of(plain.get(PAGE).content.decode())
    assert "newer data is being counted: load again" in text
    assert "100 labels of 100 items" in text


def test_stream_without_labels_says_so(db: None) -> None:
    other = scenes.make_stream("other")
    client = Client()
    client.force_login(scenes.make_person("olga", other, "analyst"))
    client.get("/streams/other/insight/reliability/")
    make_sheets()
    page = client.get("/streams/other/insight/reliability/").content.decode()
    assert "No labels yet" in page


@pytest.mark.parametrize("page", ["reliability", "what-if"])
def test_stream_without_a_policy_says_so(db: None, page: str) -> None:
    bare = scenes.make_bare_stream("bare")
    client = Client()
    client.force_login(scenes.make_person("olga", bare, "analyst"))
    response = client.get(f"/streams/bare/insight/{page}/")
    assert response.status_code == 200
    assert "No policy is published yet" in response.content.decode()


def test_failure_is_shown(stream: Stream, plain: Client) -> None:
    plain.get(PAGE)
    sheet = InsightSheet.objects.get()
    InsightSheet.objects.update(version=sheet.asked_version, error="It was too much.")
    page = plain.get(PAGE).content.decode()
    assert ("It was too much." in page, "hx-trigger" in page) == (True, False)


def test_table_is_a_file_of_numbers(plain: Client) -> None:
    ready_page(plain)
    response = plain.get(f"{PAGE}table.csv")
    assert response["Content-Disposition"] == ('attachment; filename="helpdesk-reliability-30.csv"')
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert len(rows) == 3 * 6
    [row] = [each for each in rows if not each["category"] and each["lower"] == "0.9"]
    assert (row["maps"], row["labels"], row["accuracy"], row["verdict"]) == (
        "raw",
        "60",
        "0.85",
        "overconfident_certain",
    )


def test_picture_is_a_file_in_light_colours(plain: Client) -> None:
    ready_page(plain)
    response = plain.get("/streams/helpdesk/insight/reliability-30/raw.svg")
    assert (response.status_code, response["Content-Type"]) == (200, "image/svg+xml")
    assert "#1b6f45" in response.content.decode() or "#8f5200" in response.content.decode()
    for name in ("reliability-30/nothing", "reliability-90/raw", "nothing/raw"):
        assert plain.get(f"/streams/helpdesk/insight/{name}.svg").status_code == 404


@pytest.mark.parametrize("labels", [1, 3])
def test_page_costs_the_same_whatever_it_shows(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, labels: int
) -> None:
    for number in range(labels):
        add_labels(stream, 60, right=30, confidence=0.85, predicted=KEYS[number])
    ready_page(plain)
    with django_assert_num_queries(8):
        plain.get(PAGE)


ITEMS = f"{PAGE}items/?maps=raw&lower=0.7&upper=0.8"


def test_items_of_a_cell_stand_with_both_answers(plain: Client, htmx: Client) -> None:
    ready_page(plain)
    page = plain.get(f"{ITEMS}&category={KEYS[1]}").content.decode()
    assert "<h1>VPN issue, 0.70 – 0.80</h1>" in page
    assert page.count('<th scope="row">') == 25
    wrong = text_of(plain.get(f"{ITEMS}&show=wrong").content.decode())
    assert wrong.count("VPN issue raw 0.75 Account unlock") == 20
    assert text_of(plain.get(f"{ITEMS}&show=right").content.decode()).count("the same") == 20
    [older] = re.findall(r'hx-get="([^"]+)"', page)
    part = htmx.get(older.replace("&amp;", "&")).content.decode()
    assert (part.count('<th scope="row">'), "<html" in part) == (15, False)


@pytest.mark.parametrize(
    "query",
    ["", "?maps=raw&lower=0.7", "?maps=none&lower=0.7&upper=0.8", "?maps=raw&lower=x&upper=0.8",
     "?maps=draft&lower=0.7&upper=0.8", "?maps=raw&lower=0.7&upper=0.8&category=nothing"],
)  # fmt: skip
def test_cell_that_is_none_is_not_found(plain: Client, query: str) -> None:
    ready_page(plain)
    assert plain.get(f"{PAGE}items/{query}").status_code == 404


def test_empty_cell_says_so(plain: Client) -> None:
    ready_page(plain)
    page = plain.get(f"{PAGE}items/?maps=raw&lower=0.1&upper=0.2").content.decode()
    assert "Nothing to show here" in page


@pytest.mark.parametrize("labels", [1, 3])
def test_items_cost_the_same_at_every_number_of_rows(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, labels: int
) -> None:
    add_labels(stream, labels, right=0, confidence=0.65)
    ready_page(plain)
    with django_assert_num_queries(10):
        page = plain.get(f"{PAGE}items/?maps=raw&lower=0.6&upper=0.7").content.decode()
    assert page.count('<th scope="row">') == labels
