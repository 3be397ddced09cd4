"""The what-if page: what cut-offs would have done, and keeping them as a draft."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.insight_models import InsightSheet
from routing.core.policy import CategoryRule, CutOffs
from routing.models import Event, Policy, Stream
from routing.policies import load_spec
from tests import scenes
from tests.reviewqueue.views.insight.conftest import add_labels, make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of
from tests.scenes import KEYS, publish

PAGE = "/streams/helpdesk/insight/what-if/"
DRAFT = f"{PAGE}draft"
AT_OUTLOOK = {"HX-Target": "outlook"}


@pytest.fixture
def ready(plain: Client) -> None:
    plain.get(PAGE)
    make_sheets()


def rows_of(page: str) -> dict[str, str]:
    """The text of each row by its name."""
    rows = re.findall(r'(?s)<tr>\s*<th scope="row">([^<\n]+)(.*?)</tr>', page)
    return {name.strip(): text_of(rest) for name, rest in rows}


def test_first_look_waits_and_then_shows_the_page(plain: Client, htmx: Client) -> None:
    assert "This is being counted" in plain.get(f"{PAGE}?auto=0.7").content.decode()
    make_sheets()
    part = htmx.get(f"{PAGE}?auto=0.7", headers={"HX-Target": "figures"}).content.decode()
    assert part.lstrip().startswith('<div id="figures"')
    assert "Acts on 100.0% at once instead of 60.0%" in part


def test_today_s_policy_stands_as_it_is(plain: Client, ready: None) -> None:
    page = plain.get(PAGE).content.decode()
    assert "Acts on 60.0% at once, as today, with 15.0% errors (7." in page
    rows = rows_of(page)
    assert (rows["auto"][:5], rows["flagged"][:5]) == ("15.0%", "50.0%")
    assert "No cut-off is certified under this policy&#x27;s maps yet." in page


def test_moved_cut_off_says_what_it_would_have_done(plain: Client, ready: None) -> None:
    page = plain.get(f"{PAGE}?auto=0.7&flagged=0.7").content.decode()
    assert "Acts on 100.0% at once instead of 60.0%, with 29.0% errors (20.4–38.9%)." in page
    shares = re.findall(r"(?s)table--shares.*?</table>", page)[0]
    assert rows_of(shares)["auto"] == "60.0% 100.0% 96.3–100.0% +40.0"
    assert rows_of(shares)["flagged"] == "40.0% 0.0% 0.0–3.7% −40.0"
    assert "exploratory" in page


def test_move_swaps_the_outlook_alone(htmx: Client, ready: None) -> None:
    part = htmx.get(f"{PAGE}?auto=0.97", headers=AT_OUTLOOK).content.decode()
    assert part.lstrip().startswith('<div class="what-if__outlook" id="outlook"')
    assert 'data-announce="Acts on 0.0% at once instead of 60.0%; no label says' in part
    assert '<form class="card' not in part


def test_cut_off_of_one_category_moves_that_alone(plain: Client, ready: None) -> None:
    page = plain.get(f"{PAGE}?auto:{KEYS[1]}=0.7").content.decode()
    rows = rows_of(page)
    assert "Acts on 100.0% at once instead of 60.0%" in page
    assert rows["VPN issue"] == (
        "0.0% of them today, 100.0% as tried – 50.0% 33.8–66.2% 40 exploratory"
    )


def test_added_category_has_fields_and_takes_the_focus(plain: Client, ready: None) -> None:
    page = plain.get(f"{PAGE}?auto=0.9&add={KEYS[1]}").content.decode()
    [field] = re.findall(r'<input class="input"[^>]*autofocus[^>]*>', page)
    assert (f'name="auto:{KEYS[1]}"' in field, 'value=""' in field) == (True, True)
    assert f'<option value="{KEYS[1]}">' not in page


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("auto=2", "2 is no share; give a number from 0 to 1."),
        ("auto=x", "x is no share; give a number from 0 to 1."),
        ("auto=", "Give a number from 0 to 1."),
        ("flagged=0.95", "cut-offs must not increase from auto to hold"),
        (f"flagged:{KEYS[1]}=nan", "nan is no share"),
    ],
)
def test_cut_offs_that_cannot_be_are_refused_and_kept(
    plain: Client, htmx: Client, ready: None, query: str, says: str
) -> None:
    response = plain.get(f"{PAGE}?{query}")
    assert response.status_code == 422
    assert says in response.content.decode()
    assert f'value="{query.partition("=")[2]}"' in response.content.decode()
    part = htmx.get(f"{PAGE}?{query}", headers=AT_OUTLOOK)
    assert (part.status_code, says in part.content.decode()) == (422, True)


def test_sample_of_an_earlier_policy_is_not_tried_on(
    stream: Stream, plain: Client, ready: None
) -> None:
    publish(stream, auto=0.95)
    assert "This is being counted" in plain.get(PAGE).content.decode()
    make_sheets()
    assert "Acts on 60.0% at once, as today" in plain.get(PAGE).content.decode()


def test_certified_cut_off_is_marked_until_it_is_undercut(plain: Client, ready: None) -> None:
    sheet = InsightSheet.objects.get()
    promise = {"cut_off": 0.9, "alpha": 0.02, "delta": 0.05, "audits": 1204}
    InsightSheet.objects.update(figures={**sheet.figures, "promise": promise})
    page = plain.get(PAGE).content.decode()
    assert "at most 2% errors among what is acted on at once, at 95% confidence" in page
    assert rows_of(page)["auto"].endswith("certified")
    assert rows_of(plain.get(f"{PAGE}?auto=0.89").content.decode())["auto"].endswith("exploratory")
    assert rows_of(plain.get(f"{PAGE}?auto:{KEYS[1]}=0.8").content.decode())["auto"].endswith(
        "exploratory"
    )


def test_curve_is_drawn_and_a_file(plain: Client, ready: None) -> None:
    page = plain.get(PAGE).content.decode()
    assert "Today 60.0% are acted on, with 15.0% errors" in page
    lines = plain.get(f"{PAGE}curve.csv").content.decode().splitlines()
    assert (lines[0], len(lines)) == ("cut_off,share,error,low,high", 3)
    assert plain.get("/streams/helpdesk/insight/what-if/curve.svg").status_code == 200


@pytest.mark.parametrize("categories", [1, 3])
def test_move_costs_the_same_whatever_is_moved(
    stream: Stream, htmx: Client, django_assert_num_queries: DjangoAssertNumQueries,
    categories: int
) -> None:  # fmt: skip
    for key in KEYS[:categories]:
        add_labels(stream, 5, right=3, confidence=0.85, predicted=key)
    htmx.get(PAGE)
    make_sheets()
    query = "&".join(f"auto:{key}=0.8" for key in KEYS[:categories])
    with django_assert_num_queries(9):
        htmx.get(f"{PAGE}?{query}", headers=AT_OUTLOOK)


@pytest.fixture
def editor(stream: Stream) -> User:
    person = scenes.make_person("edda", stream, "stream_admin", is_staff=True)
    codenames = ["add_policy", "change_policy", "view_policy"]
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return person


@pytest.fixture
def editing(editor: User) -> Client:
    client = Client()
    client.force_login(editor)
    return client


def test_what_was_tried_is_kept_as_a_draft(
    stream: Stream, editor: User, editing: Client, plain: Client
) -> None:
    fields = {"auto": "0.95", "flagged": "0.7", "hold": "0.5", f"auto:{KEYS[1]}": "0.97"}
    response = editing.post(DRAFT, fields)
    draft = Policy.objects.get(version=None)
    assert response.status_code == 303
    assert response["Location"] == f"/admin/routing/policy/{draft.id}/change/"
    spec = load_spec(draft)
    assert spec.cut_offs == CutOffs(0.95, 0.7, 0.5)
    assert spec.rules == {KEYS[1]: CategoryRule(auto=0.97)}
    assert (draft.created_by, draft.based_on) == (editor, stream.policies.get(version=1))
    event = Event.objects.get(kind="policy.drafted")
    assert (event.subject_id, event.actor_id) == (draft.id, editor.id)
    assert editing.get(response["Location"]).status_code == 200


def test_draft_that_cannot_be_is_refused_in_words(stream: Stream, editing: Client) -> None:
    response = editing.post(DRAFT, {"auto": "0.5", "flagged": "0.7"})
    assert (response.status_code, response["Location"]) == (303, PAGE)
    page = editing.get(PAGE).content.decode()
    assert "cut-offs must not increase from auto to hold" in page
    assert not Policy.objects.filter(version=None).exists()


def test_only_who_may_edit_policies_is_offered_a_draft(
    plain: Client, editing: Client, ready: None
) -> None:
    offer = f'action="{DRAFT}"'
    assert offer in editing.get(PAGE).content.decode()
    assert offer not in plain.get(PAGE).content.decode()
    assert plain.post(DRAFT, {"auto": "0.95"}).status_code == 403
