"""The examples of what webhooks are told. The tests make the messages and compare them."""

from typing import Any, Final

from reviewqueue.api.examples import OUTCOMES

Body = dict[str, Any]

SETTLED: Final[Body] = OUTCOMES["outcomes"][0]
OVERTURNED: Final[Body] = SETTLED | {
    "id": "01a203d9-4c5d-7e21-9b1f-6a1c0d2e3f40",
    "type": "item.overturned",
    "timestamp": "2026-11-23T09:10:05.123456+00:00",
    "data": SETTLED["data"]
    | {
        "sequence": 2,
        "verdict": {
            "id": "01a203d9-4c5a-7b70-8d22-1c2b3a495867",
            "kind": "category",
            "categories": ["security_incident"],
            "answered_at": "2026-11-23T09:09:55.123456+00:00",
        },
        "agrees": False,
        "published_at": "2026-11-23T09:10:05.123456+00:00",
        "overturned": SETTLED["data"]["verdict"],
    },
}
CONTRADICTED: Final[Body] = SETTLED | {
    "id": "01a203da-1111-7a3b-8c4d-5e6f70819203",
    "type": "audit.overturned",
    "data": SETTLED["data"]
    | {
        "external_id": "HD-4712",
        "sequence": 2,
        "verdict": SETTLED["data"]["verdict"] | {"categories": ["vpn_issue"]},
        "decision": {
            "id": "01a203d5-ea9b-7d86-b4db-18c1c03b0a89",
            "queue": "auto",
            "action": "act",
            "category": "account_unlock",
            "predicted": "account_unlock",
        },
        "agrees": False,
        "seat": "audit",
    },
}
ROUTED: Final[Body] = {
    "id": "01a203d5-eaa0-7c11-9d2e-3f4a5b6c7d8e",
    "type": "item.routed",
    "timestamp": "2026-11-22T15:01:00.558700+00:00",
    "data": {
        "stream": "helpdesk",
        "external_id": "HD-4711",
        "item": "01a203d5-ea9b-7d86-b4db-18c1c03b0a87",
        "sequence": 1,
        "decision": SETTLED["data"]["decision"],
        "confidence": 0.576,
        "policy_version": 1,
    },
}
RETRY: Final[Body] = {
    "id": "01a203db-2222-7b4c-8d5e-6f708192a3b4",
    "type": "item.retry_requested",
    "timestamp": "2026-11-22T16:20:00.123456+00:00",
    "data": {
        "stream": "drafts",
        "external_id": "letter-7-3",
        "item": "01a203d5-ea9b-7d86-b4db-18c1c03b0a90",
        "sequence": 1,
        "retry": {
            "id": "01a203db-2220-7d6e-8f70-8192a3b4c5d6",
            "how": "widen",
            "has_note": True,
            "requested_at": "2026-11-22T16:20:00.123456+00:00",
        },
        "decision": {
            "id": "01a203d5-ea9b-7d86-b4db-18c1c03b0a91",
            "queue": "reject",
            "action": "refuse",
            "confidence": 0.31,
        },
        "draft": "letter-7",
        "position": 3,
    },
}
PUBLISHED: Final[Body] = {
    "id": "01a203d4-3333-7c5d-8e6f-708192a3b4c5",
    "type": "policy.published",
    "timestamp": "2026-11-22T15:00:00.472158+00:00",
    "data": {
        "stream": "helpdesk",
        "policy": "01a203d4-3330-7e7f-8081-92a3b4c5d6e7",
        "version": 1,
        "categories": ["account_unlock", "vpn_issue", "security_incident"],
    },
}
ALARM: Final[Body] = {
    "id": "01a2065a-4444-7d6e-8f70-8192a3b4c5d6",
    "type": "drift.alarm",
    "timestamp": "2026-11-23T03:00:00.123456+00:00",
    "data": {
        "stream": "helpdesk",
        "alarm": "01a2065a-4440-7f80-8192-a3b4c5d6e7f8",
        "category": None,
        "side": "more",
        "model_version": "model-1",
        "audits": 60,
        "errors": 30,
        "promised_errors": 3.0,
    },
}
PING: Final[Body] = {
    "id": "5f0c2d6e-8a4b-4c1d-9e2f-3a4b5c6d7e8f",
    "type": "webhook.test",
    "timestamp": "2026-11-22T14:59:00.123456+00:00",
    "data": {"stream": "helpdesk", "webhook": "01a203d3-5555-7e7f-8081-92a3b4c5d6e7"},
}
