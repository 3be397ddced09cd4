"""Before the first page: streams, accounts and a key, the same at every start."""

import json
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from reviewqueue.access import (
    find_api_key,
    find_key_and_stream,
    queues_workable_by,
    streams_analysed_by,
)
from reviewqueue.demo.logins import Note, make_password_text, prepare_demo
from reviewqueue.models import ApiKey, Membership
from routing.models import Category, Item, Policy, Stream
from tests.conftest import Upstream
from tests.scenes import KEYS, make_bare_stream

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1:8123"
EVERY_QUEUE = ("escalated", "adjudication", "hold", "flagged", "audit")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "demo.json"


def log_in(note: Note, person: str) -> bool:
    return Client().login(**note["users"][person])


def test_prepare_writes_a_note_for_its_owner_alone(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    assert json.loads(path.read_text()) == note
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert note["url"] == URL
    assert {name: login["username"] for name, login in note["users"].items()} == {
        "reviewer": "reviewer",
        "second_reviewer": "second_reviewer",
        "adjudicator": "adjudicator",
        "expert": "expert",
        "analyst": "analyst",
        "admin": "admin",
    }


def test_prepare_creates_accounts_that_can_do_their_work(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    assert [log_in(note, name) for name in note["users"]] == [True] * 6
    for stream in Stream.objects.all():
        reviewer, second, adjudicator, expert, analyst, admin = (
            User.objects.get(username=login["username"]) for login in note["users"].values()
        )
        assert queues_workable_by(reviewer, stream) == ("hold", "flagged", "audit")
        assert queues_workable_by(second, stream) == ("hold", "flagged", "audit")
        assert queues_workable_by(adjudicator, stream) == EVERY_QUEUE
        assert queues_workable_by(expert, stream) == ("escalated", "hold", "flagged", "audit")
        assert queues_workable_by(analyst, stream) == ()
        assert streams_analysed_by(analyst).filter(id=stream.id).exists()
        assert (admin.is_staff, admin.is_superuser) == (True, True)
        people = (reviewer, second, adjudicator, expert, analyst)
        assert [person.is_staff for person in people] == [False] * 5


def test_prepare_creates_published_demo_streams_that_the_key_reaches(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    assert [stream.key for stream in Stream.objects.order_by("key")] == [
        "digits",
        "drafts",
        "helpdesk",
        "helpdesk-policy",
    ]
    for stream in Stream.objects.all():
        assert stream.is_demo
        found = find_key_and_stream(note["api_key"], stream.key)
        assert found is not None
        assert found.stream == stream
        assert stream.policies.current().get().version == 1
        assert stream.policies.current().get().category_keys == [
            category.key for category in stream.categories.order_by("position")
        ]


def test_prepare_again_changes_nothing(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    hashes = list(User.objects.order_by("id").values_list("password", flat=True))
    assert prepare_demo(path=path, url=URL) == note
    assert list(User.objects.order_by("id").values_list("password", flat=True)) == hashes
    assert (ApiKey.objects.count(), User.objects.count(), Policy.objects.count()) == (1, 6, 4)
    assert Membership.objects.count() == 4 * 6


def test_prepare_again_keeps_what_an_admin_changed(path: Path) -> None:
    prepare_demo(path=path, url=URL)
    Stream.objects.filter(key="digits").update(name="Digits of mine", audit_rate=0.5)
    Category.objects.filter(stream__key="digits", key="7").update(label="Septem")
    prepare_demo(path=path, url=URL)
    stream = Stream.objects.get(key="digits")
    assert (stream.name, stream.audit_rate) == ("Digits of mine", 0.5)
    assert stream.categories.get(key="7").label == "Septem"


def test_prepare_at_another_address_notes_it_and_keeps_the_rest(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    moved = prepare_demo(path=path, url="http://127.0.0.1:9000")
    assert moved == {**note, "url": "http://127.0.0.1:9000"}
    assert json.loads(path.read_text()) == moved


def test_prepare_after_a_log_in_and_a_changed_password_restores_what_is_noted(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    assert log_in(note, "reviewer")  # stores a hash of the full length
    admin = User.objects.get(username="admin")
    admin.set_password("something of my own")
    admin.save()
    assert not log_in(note, "admin")
    assert prepare_demo(path=path, url=URL) == note
    assert [log_in(note, name) for name in ("reviewer", "admin")] == [True, True]


@pytest.mark.parametrize("content", [None, "{", '{"url": 1, "users": []}'])
def test_prepare_without_its_note_replaces_key_and_passwords(
    path: Path, content: str | None
) -> None:
    lost = prepare_demo(path=path, url=URL)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    note = prepare_demo(path=path, url=URL)
    assert find_api_key(lost["api_key"]) is None
    assert find_api_key(note["api_key"]) is not None
    assert (log_in(lost, "reviewer"), log_in(note, "reviewer")) == (False, True)
    assert User.objects.count() == 6


def test_prepare_does_not_take_over_an_account_or_stream_of_somebody(path: Path) -> None:
    owner = User.objects.create_user("admin", password="of my own")
    mine = make_bare_stream("helpdesk")
    note = prepare_demo(path=path, url=URL)
    owner.refresh_from_db()
    assert owner.check_password("of my own")
    assert (owner.is_staff, owner.is_superuser) == (False, False)
    assert note["users"]["admin"]["username"] == "demo_admin"
    assert log_in(note, "admin")
    found = find_key_and_stream(note["api_key"], "helpdesk")
    assert found is not None
    assert found.stream is None
    assert (mine.policies.count(), mine.memberships.count()) == (0, 0)


def test_prepare_command_notes_the_url_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REVIEWQUEUE_URL", raising=False)
    monkeypatch.setattr(settings, "STATE_DIR", tmp_path)
    call_command("demo", prepare=True, url=f"{URL}/")
    assert json.loads((tmp_path / "demo.json").read_text())["url"] == URL
    call_command("demo", "--prepare")
    assert json.loads((tmp_path / "demo.json").read_text())["url"] == URL


def test_password_texts_are_readable_and_differ() -> None:
    texts = {make_password_text() for _ in range(200)}
    assert len(texts) == 200
    assert {len(text) for text in texts} == {19}
    assert all(set(text) <= set("abdefghijklmnoprstuvz-") for text in texts)


def test_preparing_does_not_wait_for_the_training_package() -> None:
    probe = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'reviewqueue.settings';"
        "django.setup(); import reviewqueue.management.commands.demo;"
        "print(sorted({'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"


@dataclass(frozen=True)
class Row:
    """A worked row: scores over `KEYS`, and what has to come out."""

    scores: tuple[float, float, float]
    margin: float
    entropy: float
    queue: str
    action: str
    watch: tuple[str, ...] = ()


WATCHED = ("security_incident",)
WORKED = [
    Row((0.576, 0.386, 0.039), 0.190, 0.74, "hold", "wait"),
    Row((0.576, 0.044, 0.380), 0.196, 0.75, "hold", "wait", WATCHED),
    Row((0.450, 0.210, 0.340), 0.110, 0.96, "reject", "escalate", WATCHED),
    Row((0.900, 0.060, 0.040), 0.840, 0.36, "auto", "act"),
    Row((0.500, 0.120, 0.380), 0.120, 0.88, "reject", "escalate", WATCHED),
    Row((0.100, 0.250, 0.650), 0.400, 0.78, "hold", "wait", WATCHED),
]


def test_helpdesk_policy_decides_the_worked_rows(path: Path) -> None:
    note = prepare_demo(path=path, url=URL)
    upstream = Upstream(Client(), note["api_key"], "helpdesk-policy")
    for number, row in enumerate(WORKED):
        scores = dict(zip(KEYS, row.scores, strict=True))
        posted = {"external_id": f"row-{number}", "payload": {"body": "A."}, "scores": scores}
        response = upstream.post("items", posted)
        assert response.status_code == 201
        answer = json.loads(response.content)
        assert (answer["queue"], answer["action"]) == (row.queue, row.action)
        assert answer["watch"] == list(row.watch)
        # The first row sums to 1.001 and is divided by it, hence not 0.190 to the last digit.
        assert answer["margin"] == pytest.approx(row.margin, abs=5e-4)
        assert answer["entropy"] == pytest.approx(row.entropy, abs=5e-3)
        predicted = max(scores, key=scores.__getitem__)
        assert answer["predicted"] == predicted
        assert answer["category"] == (predicted if row.action == "act" else None)
        assert answer["policy_version"] == 1
        waits = row.action != "act"
        assert Item.objects.get(external_id=f"row-{number}").state == (
            "waiting" if waits else "routed"
        )
