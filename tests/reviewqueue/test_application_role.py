"""The product under the role that it has in production: it can work, and cannot touch history."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from calibration.frames import fold_deltas
from reviewqueue.access import issue_api_key
from reviewqueue.claims import expire_leases
from reviewqueue.embedded.engines import find_postgres
from reviewqueue.erasures import erase_items
from reviewqueue.insight.making import make_next
from reviewqueue.models import Verdict
from reviewqueue.run_requests import request_run, work_next
from reviewqueue.sequencer import sequence_all
from routing.models import Event, Item
from routing.policies import copy_policy, publish_policy
from tests import scenes
from tests.conftest import Upstream, make_body

ROLE: Final = "reviewqueue_app"
DENIED: Final = r"permission denied|must be owner"
PASSWORD: Final = "a-password-for-tests"
ROLES_FILE: Final = Path(__file__).parents[2] / "docker" / "roles.sql"

AsApplication = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def as_application(transactional_db: None) -> AsApplication:
    """What follows is done under the application's role, over connections of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        (may_make_roles,) = cursor.fetchone()
    if not may_make_roles:
        pytest.skip("the tests' role may make no roles")
    make_roles()
    call_command("grant_role", ROLE)

    @contextmanager
    def act() -> Iterator[None]:
        settings = connection.settings_dict
        owner = settings["USER"], settings["PASSWORD"]
        try:
            connect_as(ROLE, PASSWORD)
            yield
        finally:
            connect_as(*owner)

    return act


def make_roles() -> None:
    """Run the file that the image of PostgreSQL runs, in the tests' database."""
    settings = connection.settings_dict
    subprocess.run(
        [find_postgres().beside("psql"), "--no-psqlrc", "--quiet", "--file", ROLES_FILE],
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "PGHOST": settings["HOST"],
            "PGPORT": str(settings["PORT"]),
            "PGUSER": settings["USER"],
            "PGPASSWORD": settings["PASSWORD"],
            "PGDATABASE": settings["NAME"],
            "OWNER_PASSWORD": settings["PASSWORD"],
            "APP_PASSWORD": PASSWORD,
        },
    )


def connect_as(user: str, password: str) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict.update(USER=user, PASSWORD=password)


def browser_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def answer_next(client: Client, category: str) -> None:
    """Claim the next held item in the browser and answer it."""
    page = client.get("/streams/helpdesk/hold/")
    assert page.status_code == 200
    task = page.context["screen"].task
    sent = {"lease_token": task.lease_token, "kind": "category", "categories": category}
    assert client.post(f"/tasks/{task.id}/verdict", sent).status_code == 303


def test_product_does_its_work_under_the_lesser_role(as_application: AsApplication) -> None:
    stream = scenes.make_stream(undo_seconds=0, audit_rate=1.0)
    people = {role: scenes.make_person(role, stream, role) for role in ("reviewer", "analyst")}
    expert = scenes.make_person("erin", stream, "expert")
    upstream = Upstream(Client(), issue_api_key(name="u", streams=[stream])[1], stream.key)
    held, sure = (0.52, 0.17, 0.31), (0.97, 0.02, 0.01)
    with as_application():
        assert upstream.post("items", make_body("one", held)).status_code == 201
        batch = [make_body(f"b{n}", sure if n % 2 else held) for n in range(6)]
        assert json.loads(upstream.post("items/batch", batch).content)["taken"] == 6
        client = browser_of(people["reviewer"])
        answer_next(client, "vpn_issue")
        answer_next(client, "account_unlock")
        given = Verdict.objects.order_by("id")[0]
        overturned = browser_of(expert).post(
            f"/verdicts/{given.id}/overturn/",
            {"kind": "category", "categories": "security_incident", "comment": "It is one."},
        )
        assert overturned.status_code == 303
        assert sequence_all() == 4
        fold_deltas()
        expire_leases()
        analyst = browser_of(people["analyst"])
        assert analyst.get("/streams/helpdesk/insight/reliability/").status_code == 200
        assert make_next() is not None
        file = analyst.post("/streams/helpdesk/export/", {"format": "jsonl"})
        assert len(b"".join(file.streaming_content).splitlines()) == 7  # type: ignore[attr-defined]
        draft = copy_policy(policy=stream.policies.get(), created_by_id=None)
        assert publish_policy(policy_id=draft.id, reason="try", published_by_id=None).version == 2
        request_run(stream=stream, reason="a rollout", requested_by_id=expert.pk)
        assert work_next() is not None
        erased = erase_items(stream=stream, external_ids=[given.item.external_id])
        assert (erased.erased, erased.unknown) == (1, ())
        feed = json.loads(upstream.get("outcomes").content)
        assert len(feed["outcomes"]) == 3
    assert Item.objects.count() == 7
    assert Event.objects.filter(kind="verdict.overturned").count() == 1


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE routing_event SET kind = ''",
        "DELETE FROM reviewqueue_verdict",
        "DELETE FROM calibration_groundtruth",
        "TRUNCATE routing_event",
        "TRUNCATE reviewqueue_taskskip",
        "ALTER TABLE routing_event DISABLE TRIGGER ALL",
        "ALTER TABLE routing_decision ADD COLUMN more int",
        "DROP TABLE routing_event CASCADE",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SET session_replication_role = 'replica'",
        "SET ROLE reviewqueue",
        "DELETE FROM django_migrations",
    ],
)
def test_lesser_role_is_denied_what_it_does_not_need(
    as_application: AsApplication, sql: str
) -> None:
    """With the guards asked to step aside, too: here the right itself is missing."""
    with as_application(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pgtrigger.ignore', (SELECT array_agg(tgname)::text"
            " FROM pg_trigger WHERE NOT tgisinternal), true)"
        )
        with pytest.raises(ProgrammingError, match=DENIED):
            cursor.execute(sql)
        transaction.set_rollback(True)


def test_grants_are_refused_for_a_role_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="'nobody_here': There is no such role"):
        call_command("grant_role", "nobody_here")


def test_owner_is_not_made_the_lesser_role(db: None) -> None:
    owner = connection.settings_dict["USER"]
    with pytest.raises(CommandError, match="The role is who asks"):
        call_command("grant_role", owner)
