"""Calibration runs in the admin: tables instead of JSON, whatever a report holds or lacks."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from calibration.admin.findings import BandRow, CandidateRow, Pair, read_findings
from calibration.models import CalibrationRun
from calibration.runs import measure, recalibrate
from routing.models import Policy, Stream
from tests.calibration.cohorts import NOON, make_audited_stream, post_labelled

LIST = "/admin/calibration/calibrationrun/"


@pytest.fixture
def client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def stream(db: None) -> Stream:
    """A 0.90+ band that runs at 78%."""
    stream = make_audited_stream()
    post_labelled(stream, 412, right=321, confidence=0.93)
    post_labelled(stream, 40, right=20, confidence=0.55)
    return stream


def change_path(run: CalibrationRun) -> str:
    return f"{LIST}{run.id}/change/"


def test_run_page_shows_the_table_in_words_and_figures(client: Client, stream: Stream) -> None:
    run = measure(stream=stream, at=NOON, reason="monthly table")
    page = client.get(change_path(run))
    aggregate, by_category = page.context["found"].tables
    assert aggregate.rows == [
        BandRow(
            category="",
            band="0.50 – 0.60",
            labels=40,
            items="40",
            promised="55.0%",
            right="50.0%",
            interval="35.2% – 64.8%",
            gap="-5.0",
            verdict="not enough labels",
            tone="few",
        ),
        BandRow(
            category="",
            band="0.90 – 1.00",
            labels=412,
            items="412",
            promised="93.0%",
            right="77.9%",
            interval="73.7% – 81.7%",
            gap="-15.1",
            verdict="overconfident, certain",
            tone="over",
        ),
    ]
    assert {row.category for row in by_category.rows} == {"Account unlock"}
    assert by_category.broken == 1
    assert "overconfident, certain" in page.content.decode()
    assert page.context["draft"] is None


def test_refit_page_shows_the_proposal_beside_what_holds_now(
    client: Client, stream: Stream
) -> None:
    run = recalibrate(stream=stream, at=NOON, reason="a rollout")
    draft = Policy.objects.get(id=run.draft_id or "")
    page = client.get(change_path(run))
    found = page.context["found"]
    assert found.changes == run.report["changes"]
    assert page.context["draft"] == draft
    assert f"/admin/routing/policy/{draft.id}/change/" in page.content.decode()
    pairs = {pair.name: pair for pair in found.pairs}
    assert pairs["Share of auto"].before == "91.2%"
    assert pairs["Share of auto"].after == "0.0%"
    assert pairs["Expected calibration error"].before == f"{run.ece_before:.4f}"
    assert pairs["Expected calibration error"].after == f"{run.ece_after:.4f}"
    assert pairs["Smooth calibration error"].before == (
        f"{run.report['scores']['before']['smooth_ece']:.4f}"
    )
    assert [table.caption for table in found.tables][:2] == [
        "All categories, policy in force",
        "All categories, as proposed",
    ]


def test_refit_page_shows_each_kind_of_map_and_what_became_of_it(
    client: Client, stream: Stream
) -> None:
    run = recalibrate(stream=stream, at=NOON, reason="a rollout")
    page = client.get(change_path(run))
    gain, error = run.report["candidates"][0]["saving"]
    assert page.context["found"].candidates[:2] == [
        CandidateRow(
            name="Platt",
            fit=run.report["candidates"][0]["fit"],
            saved=f"{gain:+.4f} ± {error:.4f}",
            simpler="",
            saved_over_simpler="–",
            outcome="chosen",
            is_chosen=True,
        ),
        CandidateRow(
            name="beta",
            fit="",
            saved="–",
            simpler="",
            saved_over_simpler="–",
            outcome="needs 1,000 effective labels, there are 452",
            is_chosen=False,
        ),
    ]
    content = page.content.decode()
    assert "Maps that were compared" in content
    assert "<strong>Platt</strong>" in content
    table = measure(stream=stream, at=NOON, reason="monthly table")
    assert "Maps that were compared" not in client.get(change_path(table)).content.decode()


@pytest.mark.parametrize(
    "report",
    [
        {},
        [],
        {"table": None, "scores": [], "queues": {"now": None}, "changes": "x", "notes": 3},
        {"table": {"before": {"aggregate": [{}, {"frame": 3}, "cell"], "categories": {}}}},
        {"cut_offs": {"auto": {"calibrated_now": None}}, "review": {"hours_now": True}},
        {"candidates": [3, {"saving": [None, 1]}, {"saving": "xy"}], "cut_offs": {"hold": {}}},
    ],
)
def test_run_page_bears_a_report_that_lacks_everything(
    client: Client, stream: Stream, report: object
) -> None:
    run = CalibrationRun.objects.create(
        stream=stream,
        kind="refit",
        reason="odd",
        policy=stream.policies.get(),
        window_start=NOON,
        window_end=NOON,
        labels=0,
        report=report,
    )
    assert client.get(change_path(run)).status_code == 200
    for row in (row for table in read_findings(run, {}).tables for row in table.rows):
        assert (row.promised, row.right, row.interval, row.gap) == ("–", "–", "–", "–")


def test_hours_and_cut_offs_no_confidence_reaches_are_said_in_words(stream: Stream) -> None:
    run = CalibrationRun(
        report={
            "cut_offs": {
                "auto": {
                    "calibrated_now": 0.9,
                    "raw_now": 0.9,
                    "calibrated_draft": 0.9,
                    "raw_draft": None,
                }
            },
            "review": {"hours_now": 12.345, "hours_draft": None},
        }
    )
    assert read_findings(run, {}).pairs == [
        Pair("auto from", "0.90 (raw 0.90)", "0.90 (no raw confidence reaches it)"),
        Pair("Reviewer hours for the window's items", "12.3 h", ""),
    ]


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ([0.851234, 0.95], "0.90 (raw 0.8512 to 0.95 by category)"),
        ([0.85, None], "0.90 (raw 0.85 to never by category)"),
        (None, "0.90 (raw 0.9)"),
    ],
)
def test_raw_cut_offs_of_categories_are_shown_as_a_span(own: object, shown: str) -> None:
    figures = {"calibrated_now": 0.9, "raw_now": 0.9, "own_now": own}
    run = CalibrationRun(report={"cut_offs": {"auto": figures}})
    assert read_findings(run, {}).pairs[0].before == shown.replace("0.9)", "0.90)")


def test_policy_page_shows_what_was_measured_beside_its_cut_offs(
    client: Client, stream: Stream
) -> None:
    policy = stream.policies.get()
    path = f"/admin/routing/policy/{policy.id}/change/"
    assert "measured" not in client.get(path).context
    run = measure(stream=stream, at=NOON, reason="monthly table")
    page = client.get(path)
    assert page.context["measured"] == run
    shown = {row.band: row.verdict for row in page.context["measured_rows"]}
    assert shown["0.90 – 1.00"] == "overconfident, certain"


def test_run_list_asks_the_same_for_one_run_and_for_three(
    client: Client, stream: Stream, django_assert_num_queries: object
) -> None:
    measure(stream=stream, at=NOON, reason="first")
    for _ in range(2):
        with django_assert_num_queries(LIST_QUERIES) as captured:  # type: ignore[operator]
            client.get(LIST)
        assert not [each for each in captured if '"report"' in (each["sql"] or "")]
        measure(stream=stream, at=NOON, reason="again")


LIST_QUERIES = 5


def test_run_can_neither_be_added_changed_nor_deleted(client: Client, stream: Stream) -> None:
    run = measure(stream=stream, at=NOON, reason="first")
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(change_path(run), {}).status_code == 403
    assert client.post(f"{LIST}{run.id}/delete/", {"post": "yes"}).status_code == 403
