"""Items, decisions, events and the other lists: read, found, never touched, at a constant cost."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from calibration.frames import fold_deltas
from calibration.models import AuditDraw, DriftAlarm, DriftWatch, JobRun
from reviewqueue.claims import claim_next
from reviewqueue.intake import take_in
from reviewqueue.models import Membership, RemoteAsk
from reviewqueue.verdicts import Answer, record_verdict
from reviewqueue.webhook_models import Delivery, Webhook
from routing.admin import readonly
from routing.admin.readonly import ReadOnly
from routing.items import Post
from routing.models import Announcement, Decision, Event, Item, RemoteModel, Stream
from tests.routing.admin.conftest import log_in, make_staff
from tests.scenes import HELD, LIKELY, SURE, make_bare_stream, make_stream, post

RECORDS = sorted(
    model._meta.label for model, page in admin.site._registry.items() if isinstance(page, ReadOnly)
)


def list_path(label: str) -> str:
    return f"/admin/{label.lower().replace('.', '/')}/"


@pytest.fixture
def worked(db: None) -> Stream:
    """A stream where something of every kind has happened once."""
    stream = make_stream(audit_rate=1.0)
    add_work(stream, "t1")
    return stream


def add_work(stream: Stream, name: str) -> None:
    """One more of each: items in two queues, a draw, a verdict with its truth, a job, an alarm."""
    post(stream, name)
    take_in(stream=stream, posts=[Post(external_id=f"{name}-sure", payload={}, scores=SURE)])
    user = User.objects.create_user(f"rev-{name}")
    Membership.objects.create(user=user, stream=stream, role="reviewer")
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    answer = Answer(kind="category", categories=["vpn_issue"])
    record_verdict(
        task_id=task.id, lease_token=task.lease_token, reviewer=user, answer=answer, active_ms=900
    )
    fold_deltas()
    JobRun.objects.create(stream=stream, job="weekly_audit", period=name, result={"opened": 1})
    drifted, _made = DriftWatch.objects.get_or_create(
        stream=stream, policy=stream.policies.get(version=1)
    )
    DriftAlarm.objects.create(
        stream=stream,
        watch=drifted,
        category=name,
        side="more",
        audits=60,
        errors=30,
        promised_errors=3.0,
        evidence=50.0,
        threshold=40.0,
    )
    model, _made = RemoteModel.objects.get_or_create(
        stream=stream, name="second", url="https://second.example/"
    )
    RemoteAsk.objects.create(stream=stream, item=task.item, decision=task.decision, model=model)
    webhook, _made = Webhook.objects.get_or_create(stream=stream, url="https://upstream.example/")
    told = Announcement.objects.get(stream=stream, item=task.item)
    Delivery.objects.create(stream=stream, webhook=webhook, announcement=told)


def test_records_are_all_that_the_machine_and_people_did() -> None:
    assert RECORDS == [
        "calibration.AuditDraw",
        "calibration.CalibrationRun",
        "calibration.DriftAlarm",
        "calibration.FrameCount",
        "calibration.GroundTruth",
        "calibration.JobRun",
        "calibration.RunRequest",
        "reviewqueue.Delivery",
        "reviewqueue.RemoteAsk",
        "reviewqueue.ReviewTask",
        "reviewqueue.Verdict",
        "routing.Announcement",
        "routing.Decision",
        "routing.Event",
        "routing.Item",
    ]


# These have pages of their own, with tests of their own.
APART = {"calibration.CalibrationRun", "calibration.RunRequest"}
WORKED = [label for label in RECORDS if label not in APART]


@pytest.mark.parametrize("label", WORKED)
def test_record_is_shown_and_cannot_be_touched(
    root_client: Client, worked: Stream, label: str
) -> None:
    row = apps.get_model(label).objects.order_by("pk").first()
    assert row is not None
    path = f"{list_path(label)}{row.pk}/change/"
    page = root_client.get(path)
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    for method, where in (
        (root_client.post, path),
        (root_client.post, f"{list_path(label)}{row.pk}/delete/"),
        (root_client.get, f"{list_path(label)}add/"),
    ):
        assert method(where).status_code == 403


@pytest.mark.parametrize("label", WORKED)
def test_list_and_page_ask_the_same_at_one_row_and_at_three(
    root_client: Client, worked: Stream, label: str
) -> None:
    def count(path: str) -> int:
        with CaptureQueriesContext(connection) as context:
            assert root_client.get(path).status_code == 200
        return len(context)

    row = apps.get_model(label).objects.order_by("pk")[0]
    page = f"{list_path(label)}{row.pk}/change/"
    root_client.get(page)
    before = count(list_path(label)), count(page)
    for name in ("t2", "t3"):
        add_work(worked, name)
    assert (count(list_path(label)), count(page)) == before
    assert before[0] <= 10
    assert before[1] <= 6


def test_list_counts_no_further_than_its_limit(
    root_client: Client, worked: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("t2", "t3"):
        add_work(worked, name)
    monkeypatch.setattr(readonly, "COUNTED", 2)
    with CaptureQueriesContext(connection) as context:
        page = root_client.get(list_path("routing.Item"))
    assert page.context["cl"].result_count == 2
    counts = [each["sql"] for each in context.captured_queries if "COUNT(" in (each["sql"] or "")]
    assert len(counts) == 1
    assert "LIMIT 2" in counts[0]


def test_list_gives_up_counting_what_takes_too_long(
    worked: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readonly, "COUNTING_MS", 50)
    rare = Item.objects.extra(where=["pg_sleep(2) IS NOT NULL"])
    assert readonly.BoundedPaginator(rare, 50).count == readonly.COUNTED
    assert readonly.BoundedPaginator(Item.objects.filter(stream=worked), 50).count == 2
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("routing.Item", 1),
        ("routing.Decision", 1),
        ("reviewqueue.ReviewTask", 1),
        ("reviewqueue.Verdict", 1),
        ("calibration.GroundTruth", 1),
        ("calibration.AuditDraw", 0),
    ],
)
def test_search_finds_by_the_whole_external_id(
    root_client: Client, worked: Stream, label: str, found: int
) -> None:
    add_work(worked, "t2")
    page = root_client.get(f"{list_path(label)}?q=t1")
    assert page.context["cl"].result_count == found
    assert root_client.get(f"{list_path(label)}?q=t").context["cl"].result_count == 0


def test_event_is_found_by_its_subject(root_client: Client, worked: Stream) -> None:
    item = Item.objects.get(external_id="t1")
    page = root_client.get(f"{list_path('routing.Event')}?q={item.id}")
    assert [event.kind for event in page.context["cl"].result_list] == ["verdict.recorded"]
    assert '<td class="field-what_happened">answered</td>' in page.content.decode()
    page = root_client.get(f"{list_path('routing.Event')}?q=no-id")
    assert page.context["cl"].result_count == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [("queue=hold", 1), ("queue=auto", 1), ("queue=flagged", 0), ("action__exact=act", 1)],
)
def test_decisions_are_filtered(
    root_client: Client, worked: Stream, query: str, expected: int
) -> None:
    AuditDraw.objects.update(opened_at=worked.created_at)  # until then it is to be judged blind
    query = query.replace("queue=", "queue__exact=")
    page = root_client.get(f"{list_path('routing.Decision')}?{query}")
    assert page.context["cl"].result_count == expected


@pytest.mark.parametrize(
    ("label", "query"),
    [
        ("routing.Item", "scores__vpn_issue__startswith=0.5"),
        ("routing.Item", "secondary__vpn_issue__gte=0.5"),
        ("routing.Item", "external_id__regex=((a*)*)*b"),
        ("routing.Decision", "confidence__gte=0.9"),
        ("routing.Decision", "queue__startswith=a"),
        ("reviewqueue.Verdict", "categories__contains=vpn_issue"),
    ],
)
def test_lists_answer_only_what_their_filters_ask(
    root_client: Client, worked: Stream, label: str, query: str
) -> None:
    """By any other comparison one could feel for what is hidden, digit by digit."""
    response = root_client.get(f"{list_path(label)}?{query}")
    assert response.status_code == 400


def test_decisions_are_filtered_by_watched_category(root_client: Client) -> None:
    watching = make_stream(watch={"security_incident": 0.15, "vpn_issue": 0.99})
    other = make_stream("other", watch={"security_incident": 0.01})
    for name, scores in (("held", HELD), ("sure", SURE)):
        for stream in (watching, other):
            take_in(stream=stream, posts=[Post(external_id=name, payload={}, scores=scores)])
    path = list_path("routing.Decision")
    page = root_client.get(f"{path}?stream={watching.id}")
    [shown] = [each for each in page.context["cl"].filter_specs if each.title == "watch list"]
    assert [name for _key, name in shown.lookup_choices] == [
        "any",
        "Helpdesk: VPN issue",
        "Helpdesk: Security incident",
    ]

    def found(watch: object) -> list[tuple[str, str]]:
        rows = root_client.get(f"{path}?watch={watch}").context["cl"].result_list
        return sorted((row.stream.key, row.item.external_id) for row in rows)

    assert found("any") == [("helpdesk", "held"), ("other", "held"), ("other", "sure")]
    assert found(watching.categories.get(key="security_incident").id) == [("helpdesk", "held")]
    assert found(watching.categories.get(key="vpn_issue").id) == []
    assert len(found("unknown")) == 4


def test_draws_are_filtered_by_whether_their_seat_is_open(
    root_client: Client, worked: Stream
) -> None:
    path = list_path("calibration.AuditDraw")
    assert root_client.get(f"{path}?seat=waiting").context["cl"].result_count == 1
    assert root_client.get(f"{path}?seat=opened").context["cl"].result_count == 0
    AuditDraw.objects.update(opened_at=worked.created_at)
    assert root_client.get(f"{path}?seat=opened").context["cl"].result_count == 1


def test_item_page_shows_payload_as_text_and_why_it_is_where_it_is(root_client: Client) -> None:
    stream = make_stream()
    task = post(stream, "t9", scores=LIKELY, payload={"body": "<script>alert(1)</script>"})
    content = root_client.get(f"/admin/routing/item/{task.item_id}/change/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert "<script>alert(1)" not in content
    [decision] = Decision.objects.filter(item=task.item_id)
    assert decision.reasons[0]["message"] in content


@pytest.mark.parametrize("label", WORKED)
def test_staff_see_records_of_their_own_stream_only(worked: Stream, label: str) -> None:
    row = apps.get_model(label).objects.filter(stream=worked).order_by("pk").first()
    assert row is not None
    model = label.split(".")[1].lower()
    stranger = log_in(make_staff("sue", make_bare_stream("other"), f"view_{model}"))
    assert stranger.get(list_path(label)).context["cl"].result_count == 0
    assert stranger.get(f"{list_path(label)}?stream={worked.id}").context["cl"].result_count == 0
    assert stranger.get(f"{list_path(label)}{row.pk}/change/").status_code == 302
    own = log_in(make_staff("tim", worked, f"view_{model}"))
    assert own.get(f"{list_path(label)}{row.pk}/change/").status_code == 200


def test_reviewer_with_a_permission_but_no_admin_role_sees_nothing(worked: Stream) -> None:
    user = User.objects.create_user("ray", is_staff=True)
    Membership.objects.create(user=user, stream=worked, role="reviewer")
    user.user_permissions.set(Permission.objects.filter(codename="view_event"))
    assert Event.objects.filter(stream=worked).exists()
    page = log_in(user).get(list_path("routing.Event"))
    assert page.context["cl"].result_count == 0
