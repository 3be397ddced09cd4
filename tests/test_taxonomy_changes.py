"""A taxonomy changes under way: items wait in every queue, a category is added, one renamed, one
retired, a new version published; the old model posts on and people finish what is there.
"""

import json
import re
from collections.abc import Mapping

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from calibration.models import GroundTruth
from reviewqueue.access import issue_api_key
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.recalibrations import recalibrate_stream
from reviewqueue.seats import open_audit_seats
from routing.core.rules import decide
from routing.core.signals import stored_matrix
from routing.items import reason_documents
from routing.models import Decision, Item, Policy, Stream
from routing.policies import load_spec, publish_policy
from tests.conftest import Upstream
from tests.forms import send_form
from tests.scenes import make_bare_stream, make_person, publish

QUEUES = ("escalated", "hold", "flagged", "audit")
# By the queue in which they wait for a person; all of them predicted as `vpn_issue`.
OF_QUEUE: Mapping[str, Mapping[str, float]] = {
    "escalated": {"vpn_issue": 0.40, "account_unlock": 0.32, "security_incident": 0.28},
    "hold": {"vpn_issue": 0.65, "account_unlock": 0.25, "security_incident": 0.10},
    "flagged": {"vpn_issue": 0.80, "account_unlock": 0.15, "security_incident": 0.05},
    "audit": {"vpn_issue": 0.97, "account_unlock": 0.02, "security_incident": 0.01},
}
NEW_SURE = {"vpn_client": 0.96, "account_unlock": 0.03, "security_incident": 0.01}


@pytest.fixture
def stream(db: None) -> Stream:
    """Every item without a seat is audited, every flagged one judged singly."""
    made = make_bare_stream(audit_rate=1.0, bulk_label_rate=1.0, undo_seconds=0)
    publish(made, min_margin=0.30, escalate_entropy=0.95)
    return made


@pytest.fixture
def upstream(stream: Stream) -> Upstream:
    _, key = issue_api_key(name="tickets", streams=[stream])
    return Upstream(Client(), key, stream.key)


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer", "expert")


@pytest.fixture
def browser(reviewer: User) -> Client:
    client = Client()
    client.force_login(reviewer)
    return client


@pytest.fixture
def root_client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("root", is_staff=True, is_superuser=True))
    return client


def post_items(
    upstream: Upstream, prefix: str, rows: Mapping[str, Mapping[str, float]], version: str = "old"
) -> dict[str, dict[str, object]]:
    """Post an item per row, named by prefix and row; the decisions by row."""
    bodies = [
        {
            "external_id": f"{prefix}-{name}",
            "payload": {"subject": f"{prefix} {name}"},
            "scores": scores,
            "model_version": version,
        }
        for name, scores in rows.items()
    ]
    body = json.loads(upstream.post("items/batch", bodies).content)
    assert body["refused"] == 0, body["results"]
    return {name: line["decision"] for name, line in zip(rows, body["results"], strict=True)}


def queues_of(decisions: Mapping[str, Mapping[str, object]]) -> list[object]:
    return [decision["queue"] for decision in decisions.values()]


def codes_of(decision: Mapping[str, object]) -> list[str]:
    reasons = decision["reasons"]
    assert isinstance(reasons, list)
    return [reason["code"] for reason in reasons]


def change_taxonomy(root_client: Client, stream: Stream) -> None:
    """VPN client comes, VPN issue goes, Account unlock gets another name."""
    response = send_form(
        root_client,
        f"/admin/routing/stream/{stream.id}/change/",
        "stream_form",
        **{
            "categories-0-label": "Locked out",
            "categories-1-retired": "on",
            "categories-3-key": "vpn_client",
            "categories-3-label": "VPN client",
            "categories-3-position": "1",
        },
    )
    assert response.status_code == 302


def publish_next(root_client: Client, stream: Stream) -> Policy:
    """As the stream's page offers it: a draft of the version in force, then published."""
    page = root_client.get(f"/admin/routing/stream/{stream.id}/change/").content.decode()
    [address] = re.findall(r'action="(/admin/routing/policy/[^"]+/copy/)"', page)
    root_client.post(address)
    draft = stream.policies.get(version=None)
    return publish_policy(policy_id=draft.id, reason="a new taxonomy", published_by_id=None)


def answer_next(browser: Client, queue: str, category: str) -> str:
    """Answer the item that the queue shows; its external id."""
    address = f"/streams/helpdesk/{queue}/"
    page = browser.get(address).content.decode()
    [token] = set(re.findall(r'name="lease_token" value="([^"]+)"', page))
    task = ReviewTask.objects.select_related("item").get(lease_token=token)
    form = {"lease_token": token, "active_ms": "0", "kind": "category", "categories": category}
    response = browser.post(f"/tasks/{task.id}/verdict", form)
    assert response.status_code == 303, response.content.decode()
    return task.item.external_id


def assert_decisions_replay() -> None:
    """Every stored decision follows from its item's scores and its policy alone."""
    stored = list(Decision.objects.select_related("item", "policy"))
    assert stored
    for decision in stored:
        spec, item = load_spec(decision.policy), decision.item
        matrix, errors = stored_matrix(spec.categories, [item.scores])
        assert errors == {}
        [made] = decide(spec, matrix, model_versions=[item.model_version])
        for name in (
            "queue",
            "action",
            "predicted",
            "raw_confidence",
            "confidence",
            "margin",
            "entropy",
            "watch",
        ):
            found = getattr(made, name)
            assert getattr(decision, name) == (list(found) if name == "watch" else found)
        assert decision.alternatives == [list(pair) for pair in made.alternatives]
        assert decision.reasons == reason_documents(made)


def test_old_items_are_finished_and_the_old_model_posts_on(
    stream: Stream, upstream: Upstream, browser: Client, root_client: Client
) -> None:
    before = post_items(upstream, "before", OF_QUEUE)
    assert queues_of(before) == ["reject", "hold", "flagged", "auto"]
    assert open_audit_seats(stream=stream, at=timezone.now()) is not None
    post_items(upstream, "early", {"hold": OF_QUEUE["hold"]})
    assert answer_next(browser, "hold", "vpn_issue") == "before-hold"
    in_hand = browser.get("/streams/helpdesk/hold/").content.decode()
    assert "Confirm VPN issue" in in_hand

    change_taxonomy(root_client, stream)
    # The policy in force is still that of before, whichever model posts.
    between = post_items(upstream, "between", OF_QUEUE)
    assert queues_of(between) == ["reject", "hold", "flagged", "auto"]
    hasty = post_items(upstream, "hasty", {"sure": NEW_SURE}, "new")["sure"]
    assert (hasty["category"], hasty["policy_version"]) == (None, 1)
    assert "outside_policy" in codes_of(hasty)

    policy = publish_next(root_client, stream)
    assert policy.category_keys == ["account_unlock", "vpn_client", "security_incident"]
    after = post_items(upstream, "after", OF_QUEUE)
    assert [decision["category"] for decision in after.values()] == [None] * 4
    assert all("outside_policy" in codes_of(decision) for decision in after.values())
    fresh = post_items(upstream, "fresh", {"sure": NEW_SURE}, "new")["sure"]
    assert (fresh["queue"], fresh["category"], fresh["reasons"]) == ("auto", "vpn_client", [])

    assert_every_queue_can_be_finished(browser)
    truths = GroundTruth.objects.current().values_list("item__external_id", "categories")
    assert dict(truths)["before-hold"] == ["vpn_issue"]
    assert {tuple(keys) for name, keys in truths if name != "before-hold"} == {("vpn_client",)}
    told = json.loads(upstream.get("items/before-flagged").content)
    assert (told["state"], told["predicted"]) == ("settled", "vpn_issue")
    assert told["verdict"]["categories"] == ["vpn_client"]
    assert_decisions_replay()


def assert_every_queue_can_be_finished(browser: Client) -> None:
    """Whatever waits is answered with the category that came; in hand, blind or marked retired."""
    for queue in QUEUES:
        waiting = ReviewTask.objects.filter(queue=queue).exclude(state="answered").count()
        assert waiting, queue
        for _ in range(waiting):
            page = browser.get(f"/streams/helpdesk/{queue}/").content.decode()
            offered = re.findall(r'data-choice="(\w+)"', page)
            assert sorted(offered) == ["account_unlock", "security_incident", "vpn_client"]
            answer_next(browser, queue, "vpn_client")
        assert browser.get(f"/streams/helpdesk/{queue}/").status_code == 200
    assert not ReviewTask.objects.exclude(state="answered").exists()
    settled = set(Verdict.objects.live().values_list("item_id", flat=True))
    assert settled == set(ReviewTask.objects.values_list("item_id", flat=True))


def test_recalibration_reads_labels_of_both_taxonomies(
    stream: Stream, upstream: Upstream, browser: Client, root_client: Client
) -> None:
    rows = {f"{queue}-{n}": OF_QUEUE[queue] for n in range(3) for queue in QUEUES}
    post_items(upstream, "before", rows)
    open_audit_seats(stream=stream, at=timezone.now())
    for queue in QUEUES:
        answer_next(browser, queue, "vpn_issue")
    change_taxonomy(root_client, stream)
    publish_next(root_client, stream)
    post_items(upstream, "after", rows)
    assert_every_queue_can_be_finished(browser)

    run = recalibrate_stream(stream=stream, at=timezone.now(), reason="a new taxonomy")
    report = run.report
    # Once right under the old taxonomy; judged by the new one it was wrong, as people now say.
    assert report["labels"]["by_category"]["vpn_issue"] == {"n": 12, "right": 4}
    assert report["queues"]["items"] == Item.objects.count() == 24
    assert sum(report["queues"]["now"].values()) == pytest.approx(1.0)
    assert_decisions_replay()
