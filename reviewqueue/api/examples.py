"""The examples of the OpenAPI document. The tests send the requests and compare the answers."""

from typing import Any, Final

Body = dict[str, Any]

TICKET: Final[Body] = {
    "external_id": "HD-4711",
    "payload": {"subject": "Locked out", "body": "Third time today, and the VPN is down too."},
    "scores": {"account_unlock": 0.576, "vpn_issue": 0.386, "security_incident": 0.038},
    "model_version": "2026-10-01",
}
SURE: Final[Body] = {
    "external_id": "HD-4712",
    "payload": {"subject": "Locked out", "body": "Please unlock my account."},
    "scores": {"account_unlock": 0.9, "vpn_issue": 0.06, "security_incident": 0.04},
    "model_version": "2026-10-01",
}
MISTYPED: Final[Body] = SURE | {"external_id": "HD-4713", "scores": {"vpn_isue": 0.97}}

DRAFTED: Final[Body] = {
    "external_id": "letter-7-3",
    "payload": {"sentence": "An import file may have at most 12 MB."},
    "blocks": [
        {
            "id": "files#limits",
            "title": "Limits of a file",
            "text": "A file of more than 10 MB is refused.",
            "score": 0.9,
            "link": "https://docs.example.org/files#limits",
            "date": "2026-09-01",
        },
        {"id": "files#formats", "title": "Formats", "text": "CSV and JSONL.", "score": 0.5},
    ],
    "signals": {"entailment_probability": 0.91, "claim_count": 2},
    "draft": "letter-7",
    "position": 3,
}

POSTS: Final = {"ticket": ("A ticket", TICKET), "sentence": ("A drafted sentence", DRAFTED)}
TRIED: Final = {
    "scores": ("Scores alone", {"scores": SURE["scores"]}),
    "item": ("A whole item", SURE),
}
BATCHES: Final = {"two": ("Two items", [SURE, MISTYPED])}

DECISION: Final = "01a203d5-ea7b-7446-814a-2bdcd5999e55"
STORED: Final = "1936f9aace84dcab4e82560ce1027956c4da37d79ad93690f2381c09f305e3ea"
POSTED: Final = "7c36028bfdeb575aa65cf34375a3cd9c1fb5d18281679e4f98ee0e3923dcdf27"

HELD: Final[Body] = {
    "id": DECISION,
    "external_id": "HD-4711",
    "queue": "hold",
    "action": "wait",
    "category": None,
    "predicted": "account_unlock",
    "confidence": 0.576,
    "raw_confidence": 0.576,
    "margin": 0.19,
    "entropy": 0.736798392,
    "alternatives": [
        {"category": "account_unlock", "probability": 0.576},
        {"category": "vpn_issue", "probability": 0.386},
        {"category": "security_incident", "probability": 0.038},
    ],
    "watch": [],
    "uncertain": None,
    "reasons": [
        {
            "code": "confidence",
            "message": "confidence 0.58 under 0.80",
            "confidence": 0.576,
            "cut_off": 0.8,
            "band": "hold",
        },
        {
            "code": "margin",
            "message": "margin 0.19 under 0.30",
            "margin": 0.19,
            "min_margin": 0.3,
        },
        {
            "code": "entropy",
            "message": "entropy 0.74 over 0.45",
            "entropy": 0.736798392,
            "max_entropy": 0.45,
        },
    ],
    "policy_version": 1,
}
ACTED_ON: Final[Body] = {
    "id": None,
    "external_id": "",
    "queue": "auto",
    "action": "act",
    "category": "account_unlock",
    "predicted": "account_unlock",
    "confidence": 0.9,
    "raw_confidence": 0.9,
    "margin": 0.84,
    "entropy": 0.357163436,
    "alternatives": [
        {"category": "account_unlock", "probability": 0.9},
        {"category": "vpn_issue", "probability": 0.06},
        {"category": "security_incident", "probability": 0.04},
    ],
    "watch": [],
    "uncertain": None,
    "reasons": [],
    "policy_version": 1,
}
AMBER: Final[Body] = {
    "id": DECISION,
    "external_id": "letter-7-3",
    "queue": "flagged",
    "action": "act_and_review",
    "category": "supported",
    "predicted": "supported",
    "confidence": 0.721,
    "raw_confidence": 0.721,
    "margin": 0.0,
    "entropy": 0.0,
    "alternatives": [],
    "watch": [],
    "uncertain": None,
    "reasons": [
        {
            "code": "composite",
            "message": "entailment 0.91 × 0.60 + gap 0.40 × 0.25 + 1/2 × 0.15 = 0.72",
            "entailment_probability": 0.91,
            "claim_count": 2,
            "gap": 0.4,
            "gap_share": 0.4,
            "entailment_part": 0.546,
            "gap_part": 0.1,
            "claims_part": 0.075,
            "composite": 0.721,
            "block": "files#limits",
        },
        {
            "code": "confidence",
            "message": "confidence 0.72 under 0.85",
            "confidence": 0.721,
            "cut_off": 0.85,
            "band": "flagged",
        },
    ],
    "policy_version": 1,
    "badge": "amber",
    "citation": {
        "id": "files#limits",
        "title": "Limits of a file",
        "link": "https://docs.example.org/files#limits",
        "date": "2026-09-01",
    },
    "contributions": {"entailment_probability": 0.546, "gap": 0.1, "claim_count": 0.075},
    "warnings": [
        {
            "code": "number_not_found",
            "message": "a number of the sentence stands in no block",
            "count": 1,
            "places": "32-34",
            "not_found": ["12"],
        }
    ],
}
SETTLED: Final[Body] = HELD | {
    "state": "settled",
    "received_at": "2026-11-22T15:18:00.558700+00:00",
    "fingerprint": STORED,
    "verdict": {
        "kind": "category",
        "categories": ["account_unlock"],
        "proposed_name": "",
        "comment": "The lock is what stops them.",
        "answered_at": "2026-11-22T15:20:41.118940+00:00",
    },
}
STREAMS: Final[Body] = {
    "streams": [{"key": "helpdesk", "name": "Helpdesk", "policy_version": 1}],
    "limits": {
        "requests_per_minute": 6000,
        "item_bytes": 1048576,
        "batch_bytes": 67108864,
        "batch_items": 10000,
    },
}

OUTCOMES: Final[Body] = {
    "outcomes": [
        {
            "id": "01a203d8-0a3c-7f57-9c3e-5d0a3e6c1f11",
            "type": "item.settled",
            "timestamp": "2026-11-22T15:04:05.123456+00:00",
            "data": {
                "stream": "helpdesk",
                "external_id": "HD-4711",
                "item": "01a203d5-ea9b-7d86-b4db-18c1c03b0a87",
                "sequence": 1,
                "verdict": {
                    "id": "01a203d7-b2c4-7a0e-8a55-2f4d7a0c9b10",
                    "kind": "category",
                    "categories": ["account_unlock"],
                    "answered_at": "2026-11-22T15:03:55.123456+00:00",
                },
                "decision": {
                    "id": "01a203d5-ea9b-7d86-b4db-18c1c03b0a88",
                    "queue": "hold",
                    "action": "wait",
                    "category": None,
                    "predicted": "account_unlock",
                },
                "agrees": True,
                "seat": "hold",
                "published_at": "2026-11-22T15:04:05.123456+00:00",
            },
        }
    ],
    "next": "o2",
    "more": False,
}


def _category(key: str, label: str, definition: str, auto: float, watch: float | None) -> Body:
    return {
        "key": key,
        "label": label,
        "definition": definition,
        "cut_offs": {"auto": auto, "flagged": auto, "hold": 0.0},
        "watch": watch,
        "mandatory_review": False,
        "mandatory_reason": "",
        "map": None,
    }


POLICY: Final[Body] = {
    "stream": "helpdesk",
    "version": 1,
    "title": "",
    "published_at": "2026-11-22T15:18:00.472158+00:00",
    "cut_offs": {"auto": 0.8, "flagged": 0.8, "hold": 0.0},
    "gates": {
        "min_margin": 0.3,
        "max_entropy": 0.45,
        "distrust_entropy": None,
        "escalate_entropy": 0.8,
    },
    "reject_action": "refuse",
    "calibration": {
        "map": None,
        "model_versions": [],
        "on_other_model": "warn",
        "uncalibrated": "warn",
        "distrusted": [],
    },
    "fallback": [],
    "categories": [
        _category(
            "account_unlock",
            "Account unlock",
            "Somebody cannot sign in to their own account.",
            0.8,
            None,
        ),
        _category(
            "vpn_issue", "VPN issue", "The remote connection itself fails or drops.", 0.72, None
        ),
        _category(
            "security_incident",
            "Security incident",
            "Something may have been compromised.",
            0.6,
            0.34,
        ),
    ],
}


def _problem(code: str, status: int, title: str, detail: str, **members: object) -> Body:
    kind = f"urn:reviewqueue:problem:{code}"
    return {"type": kind, "title": title, "status": status, "detail": detail, **members}


PROBLEMS: Final[dict[str, Body]] = {
    "malformed": _problem(
        "malformed",
        400,
        "The body cannot be read as JSON",
        "Expecting property name enclosed in double quotes at line 1, column 2; send JSON.",
    ),
    "unauthorised": _problem(
        "unauthorised",
        401,
        "The API key is missing or not valid",
        "Send a key that is not revoked: Authorization: Bearer rq_…",
    ),
    "not_found": _problem(
        "not_found",
        404,
        "There is no such thing here",
        "This key reaches no stream 'helpdesc'; GET /api/v1/streams lists those it reaches.",
        field="stream",
        value="helpdesc",
    ),
    "method_not_allowed": _problem(
        "method_not_allowed",
        405,
        "The address does not take this method",
        "PUT is not taken; use GET, HEAD.",
    ),
    "no_policy": _problem(
        "no_policy",
        409,
        "The stream has no published policy",
        "The stream has no published policy yet; publish one in the admin.",
    ),
    "too_large": _problem(
        "too_large",
        413,
        "The body is too large",
        "The body has 1,100,019 bytes and at most 1,048,576 are taken; send smaller ones.",
        limit=1048576,
    ),
    "invalid": _problem(
        "invalid",
        422,
        "Something in the request is not valid",
        "vpn_isue is no category of this stream; did you mean vpn_issue?",
        field="scores.vpn_isue",
        value="0.97",
    ),
    "conflict": _problem(
        "conflict",
        422,
        "The external id is taken",
        "external_id 'HD-4711' is taken by an item with another body; "
        "post this one under another id.",
        field="external_id",
        value="HD-4711",
        stored_fingerprint=STORED,
        posted_fingerprint=POSTED,
    ),
    "too_many_requests": _problem(
        "too_many_requests",
        429,
        "The key asks too often",
        "This key may ask 2 times a minute; go on in 30 s, or send more items in each batch.",
        limit=2,
        retry_after=30,
    ),
    "internal": _problem(
        "internal",
        500,
        "Something is wrong here",
        "Nothing was stored; the fault is in the service's log.",
    ),
    "unavailable": _problem(
        "unavailable",
        503,
        "The service cannot store anything right now",
        "Send the request again: what was stored of it all the same counts once.",
        retry_after=5,
    ),
}
BATCH_ANSWER: Final[Body] = {
    "taken": 1,
    "known": 0,
    "refused": 1,
    "results": [
        {
            "index": 0,
            "status": 201,
            "decision": ACTED_ON
            | {"id": "01a203d5-ea9b-7d86-b4db-18c1c03b0a89", "external_id": "HD-4712"},
        },
        {"index": 1, "status": 422, "problem": PROBLEMS["invalid"]},
    ],
}
