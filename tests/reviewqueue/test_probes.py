"""What machines ask: /healthz, /readyz, /metrics."""

import re
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from calibration.frames import fold_deltas
from calibration.models import JobRun
from reviewqueue import draining, exposition, gauges, readiness
from reviewqueue.claims import claim_next
from reviewqueue.exposition import Metric, Sample
from reviewqueue.gauges import BATCH, TABLES, read_gauges
from reviewqueue.insight_models import InsightSheet
from reviewqueue.models import ReviewTask
from reviewqueue.webhook_models import Webhook
from routing.models import Announcement, Stream
from tests.conftest import Upstream, make_body
from tests.scenes import make_bare_stream, publish_worked_policy

TOKEN = "a token for tests"


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test finds its own state, not that of the one before."""
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)


@pytest.fixture
def metered(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def read_metrics() -> dict[str, float]:
    answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer["Content-Type"]) == (200, exposition.CONTENT_TYPE)
    found = {}
    for line in answer.content.decode().splitlines():
        if not line.startswith("#"):
            name, value = re.fullmatch(r"(\w+(?:\{.*\})?) (\S+)", line).groups()  # type: ignore[union-attr]
            assert name not in found
            found[name] = float(value)
    return found


@pytest.fixture
def no_database(settings: Settings) -> Iterator[None]:
    """The database's address leads nowhere; this test's own connection stays."""
    before = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    yield
    connection.settings_dict["PORT"] = before


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_only_read(path: str) -> None:
    for method in ("post", "put", "delete", "patch"):
        answer = getattr(Client(), method)(path)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_health_asks_no_database(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # A probe comes by address and without TLS.
    settings.ALLOWED_HOSTS = ["review.example"]
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get("/healthz", headers={"host": "10.0.0.7:8000"})
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert answer["Cache-Control"] == "no-store"


def test_ready_when_everything_answers(db: None) -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "database": "ok", "migrations": "ok", "broker": "ok"},
    )


def test_ready_but_degraded_without_broker(db: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "degraded", "database": "ok", "migrations": "ok", "broker": "unreachable"},
    )


def test_unready_without_database(db: None, no_database: None) -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {
        "status": "unready",
        "database": "unreachable",
        "migrations": "unknown",
        "broker": "ok",
    }
    assert Client().get("/healthz").status_code == 200


def test_unready_while_draining(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REVIEWQUEUE_DRAIN_SIGN", str(tmp_path / "sign"))
    draining.begin()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


def test_readiness_is_looked_for_once_a_second(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ask() -> tuple[int, str]:
        answer = Client().get("/readyz")
        return answer.status_code, answer.json()["status"]

    assert ask() == (200, "ready")
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 60.0)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert ask() == (200, "ready")
    # What a balancer must not miss is not kept.
    monkeypatch.setenv("REVIEWQUEUE_DRAIN_SIGN", str(tmp_path / "sign"))
    draining.begin()
    assert ask() == (503, "draining")
    draining.end()
    assert ask() == (200, "ready")
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)
    assert ask() == (200, "degraded")


@pytest.mark.django_db(transaction=True)
def test_unready_until_migrated() -> None:
    newest = "0013_budget_sheet"
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(name) FROM django_migrations WHERE app = 'reviewqueue'")
        (newest,) = cursor.fetchone()
        cursor.execute("UPDATE django_migrations SET name = 'x' WHERE name = %s", [newest])
    try:
        answer = Client().get("/readyz")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET name = %s WHERE name = 'x'", [newest])
    assert answer.status_code == 503
    assert answer.json()["migrations"] == "missing: run manage.py migrate"


def test_migrations_of_a_newer_version_do_no_harm() -> None:
    known = {name for name, _replaced in readiness._leaves()}
    assert readiness.find_missing(known | {("reviewqueue", "9999_later")}) == []
    assert readiness.find_missing(known - {("sessions", "0001_initial")}) == [
        ("sessions", "0001_initial")
    ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"Bearer {TOKEN}x"}, 404),
        ({"authorization": TOKEN}, 404),
        ({"authorization": "Bearer "}, 404),
        ({"authorization": "Bearer ä"}, 404),
    ],
)
def test_metrics_by_token(db: None, metered: None, headers: dict[str, str], status: int) -> None:
    assert Client().get("/metrics", headers=headers).status_code == status


def test_metrics_of_a_server_that_sets_neither(db: None) -> None:
    assert Client().get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.1.2.3", {}, 200),
        ("192.168.0.1", {}, 404),
        ("nonsense", {}, 404),
        ("10.1.2.3", {"x-forwarded-for": "10.1.2.3"}, 404),
        ("10.1.2.3", {"forwarded": "for=10.1.2.3"}, 404),
    ],
)
def test_metrics_by_network(
    db: None, settings: Settings, peer: str, headers: dict[str, str], status: int
) -> None:
    settings.METRICS_NETWORKS = [ip_network("10.0.0.0/8"), ip_network("::1/128")]
    assert Client(REMOTE_ADDR=peer).get("/metrics", headers=headers).status_code == status


def test_metrics_without_database(metered: None, db: None, no_database: None) -> None:
    # This test's own connection still stands, so the figures are read.
    assert read_metrics()["reviewqueue_broker_up"] == 1.0


def test_figures_of_queues(metered: None, upstream: Upstream) -> None:
    for number in range(3):
        upstream.post("items", make_body(f"held-{number}"))
    upstream.post("items", make_body("sure", (0.97, 0.02, 0.01)))
    first = ReviewTask.objects.order_by("id")[0]
    # A lower priority does not hide what has been due for longest.
    ReviewTask.objects.filter(id=first.id).update(
        priority=-5, due_at=timezone.now() - timedelta(hours=1)
    )
    fold_deltas()
    found = read_metrics()
    tasks = 'reviewqueue_open_tasks{stream="helpdesk",queue="%s"}'
    assert {name: found[tasks % name] for name in ("hold", "flagged", "escalated", BATCH)} == {
        "hold": 3,
        "flagged": 0,
        "escalated": 0,
        BATCH: 0,
    }
    overdue = found['reviewqueue_oldest_task_overdue_seconds{stream="helpdesk",queue="hold"}']
    assert 3600 <= overdue < 3700
    assert found['reviewqueue_decisions_today{stream="helpdesk",queue="hold"}'] == 3
    assert found['reviewqueue_decisions_today{stream="helpdesk",queue="auto"}'] == 1


def test_figures_of_what_is_due(metered: None, upstream: Upstream, reviewer: User) -> None:
    names = {
        name: f'reviewqueue_{name}{{stream="",work="lapsed_lease"}}'
        for name in ("due_rows", "oldest_due_seconds")
    }
    stream = Stream.objects.get()
    upstream.post("items", make_body("held"))
    claim_next(user=reviewer, stream=stream, queue="hold")
    found = read_metrics()
    assert {name: found[full] for name, full in names.items()} == {
        "due_rows": 0,
        "oldest_due_seconds": 0,
    }
    Webhook.objects.create(stream=stream, url="http://a.example")
    Announcement.objects.update(due_at=timezone.now() - timedelta(minutes=3))
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(hours=1))
    found = read_metrics()
    assert found[names["due_rows"]] == 1
    assert 3600 <= found[names["oldest_due_seconds"]] < 3700
    assert found['reviewqueue_due_rows{stream="helpdesk",work="announcement"}'] == 1
    age = found['reviewqueue_oldest_due_seconds{stream="helpdesk",work="announcement"}']
    assert 180 <= age < 280


def test_figures_of_periodic_work(metered: None, stream: Stream) -> None:
    for day in (3, 2):
        done_at = timezone.now() - timedelta(days=day)
        for job in ("drift_watch", "weekly_audit"):
            JobRun.objects.create(
                stream=stream, job=job, period=f"{done_at:%Y-%m-%d}", done_at=done_at
            )
    InsightSheet.objects.create(
        stream=stream, kind="drift", made_at=timezone.now() - timedelta(hours=1), error="broke"
    )
    found = read_metrics()
    for job in ("drift_watch", "weekly_audit"):
        age = found[f'reviewqueue_job_age_seconds{{stream="helpdesk",job="{job}"}}']
        assert 2 * 86_400 <= age < 2 * 86_400 + 100
    sheet = '{stream="helpdesk",sheet="drift"}'
    assert found[f"reviewqueue_sheet_failed{sheet}"] == 1
    assert 3600 <= found[f"reviewqueue_sheet_age_seconds{sheet}"] < 3700


def test_figures_cost_the_same_for_one_item_and_for_many(
    upstream: Upstream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    queries = 15
    upstream.post("items", make_body("one"))
    with django_assert_num_queries(queries):
        read_gauges()
    other = make_bare_stream("other")
    publish_worked_policy(other)
    for number in range(20):
        upstream.post("items", make_body(f"more-{number}"))
    with django_assert_num_queries(queries):
        read_gauges()


def test_queues_are_read_by_their_indexes(stream: Stream) -> None:
    """A plan without them would read every task there is."""
    with connection.cursor() as cursor:
        cursor.execute(gauges._WITH_CARE)
        for where, index in (
            (gauges._SINGLY.format(queue="hold"), "task_next"),
            (gauges._IN_BATCH, "task_batch"),
        ):
            statement = gauges._QUEUE.format(label="x", where=where, most=10, priorities=50)
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert plan.count(index) == 3, plan


def test_tables_that_are_counted_exist(db: None) -> None:
    assert set(TABLES) <= set(connection.introspection.table_names())


def test_exposition_escapes_labels() -> None:
    metric = Metric("m", "one\nline \\", [Sample(1.0, {"a": 'x"\\\n'})], "counter")
    assert exposition.write([metric]) == (
        "# HELP m one\\nline \\\\\n# TYPE m counter\n" + 'm{a="x\\"\\\\\\n"} 1\n'
    )
