"""The table of the pages: who may ask for what, of their own stream."""

from typing import Final

from tests.access.rules import (
    ADJUDICATING,
    ANALYSING,
    DECIDING,
    EXPERT,
    NOBODY,
    OVERTURNING,
    REVIEWER,
    REVIEWING,
    SIGNED_IN,
    STAFF,
    STREAM_ADMIN,
    Rule,
    both,
    read,
    write,
)

STREAM: Final = "streams/<slug:stream_key>/"
DRAFTS: Final = {"stream_key": "drafts_key"}
# What makes no address of its own: these are of no stream.
ANYWHERE: Final = (
    Rule("", read(SIGNED_IN), in_stream=False),
    Rule("insight/budgets/", read(ANALYSING), in_stream=False),
    Rule("insight/health/", read(ANALYSING), in_stream=False),
)
OF_STREAMS: Final = (
    Rule("items/", read(SIGNED_IN), asked="id={external_id}"),
    Rule(f"{STREAM}mine/", read(SIGNED_IN)),
    Rule(f"{STREAM}watch/", read(SIGNED_IN)),
    Rule(f"{STREAM}watch/<uuid:decision_id>/", read(SIGNED_IN)),
    Rule(
        f"{STREAM}watch/<uuid:decision_id>/", read(NOBODY), 404, {"decision_id": "blind_decision"}
    ),
    Rule(f"{STREAM}drafts/", read(SIGNED_IN), values=DRAFTS),
    Rule(f"{STREAM}drafts/", read(NOBODY), 404),
    Rule(f"{STREAM}draft/", read(SIGNED_IN), values=DRAFTS, asked="id=d1"),
    Rule(f"{STREAM}items/<uuid:item_id>/", read(SIGNED_IN)),
    Rule(f"{STREAM}items/<uuid:item_id>/", read(SIGNED_IN), values={"item_id": "blind_item"}),
    Rule(f"{STREAM}items/<uuid:item_id>/", read(SIGNED_IN), values={"item_id": "drawn_item"}),
    Rule(
        f"{STREAM}items/<uuid:item_id>/retry/",
        both(REVIEWING | ADJUDICATING | STAFF),
        values=DRAFTS | {"item_id": "refused_item"},
    ),
    Rule(f"{STREAM}export/", both(ANALYSING)),
    Rule(f"{STREAM}log/", read(STAFF)),
    Rule(f"{STREAM}log/file", read(STAFF), asked="format=jsonl"),
)
REVIEW: Final = (
    *(
        Rule(f"{STREAM}<slug:queue>/", {"GET": people}, values={"queue": queue})
        for queue, people in (
            ("hold", REVIEWING),
            ("flagged", REVIEWING),
            ("audit", REVIEWING),
            ("escalated", DECIDING),
            ("adjudication", ADJUDICATING),
        )
    ),
    Rule(f"{STREAM}<slug:queue>/", {"GET": NOBODY}, 404, {"queue": "nonsense"}),
    Rule(f"{STREAM}flagged/batch/", {"GET": REVIEWING}),
    Rule(f"{STREAM}flagged/batch/confirm", write(REVIEWING)),
    Rule(f"{STREAM}flagged/batch/renew", write(REVIEWING)),
    Rule(f"{STREAM}flagged/batch/release", write(REVIEWING)),
    Rule(f"{STREAM}flagged/batch/<uuid:batch_id>/undo", write(REVIEWING)),
    Rule(
        f"{STREAM}flagged/batch/<uuid:task_id>/",
        {"GET": REVIEWING},
        values={"task_id": "held_task"},
    ),
    Rule(
        f"{STREAM}flagged/batch/<uuid:task_id>/open",
        write(REVIEWING),
        values={"task_id": "held_task"},
    ),
    *(
        Rule(f"tasks/<uuid:task_id>/{action}", write(people), 404, {"task_id": task})
        for task, people in (
            ("held_task", REVIEWING),
            ("blind_task", REVIEWING),
            ("escalated_task", DECIDING),
            # Who may have had it on the screen is told that it was passed on.
            ("passed_on_task", REVIEWING),
        )
        for action in ("verdict", "skip", "escalate", "release", "heartbeat", "ahead", "unused")
    ),
    # Of what somebody else holds or gave: theirs alone.
    Rule("tasks/<uuid:task_id>/take-back", write(NOBODY), 404, {"task_id": "held_task"}),
    Rule("tasks/<uuid:task_id>/unskip", write(NOBODY), 404, {"task_id": "held_task"}),
    Rule("tasks/<uuid:task_id>/alike", read(NOBODY), 404, {"task_id": "held_task"}),
    Rule("verdicts/<uuid:verdict_id>/", read(NOBODY), 404),
    Rule("verdicts/<uuid:verdict_id>/", read(frozenset({REVIEWER})), 404, {"verdict_id": "own"}),
    Rule("verdicts/<uuid:verdict_id>/undo", write(NOBODY), 404),
    Rule(
        "verdicts/<uuid:verdict_id>/undo", write(frozenset({EXPERT})), 404, {"verdict_id": "fresh"}
    ),
    Rule("verdicts/<uuid:verdict_id>/overturn/", both(OVERTURNING)),
    Rule(
        "verdicts/<uuid:verdict_id>/overturn/",
        both(OVERTURNING | {REVIEWER}),
        values={"verdict_id": "own"},
    ),
)
INSIGHT: Final = (
    *(
        Rule(f"{STREAM}insight/{page}", read(ANALYSING))
        for page in (
            "",
            "reliability/",
            "reliability/table.csv",
            "what-if/",
            "what-if/curve.csv",
            "ambiguity/",
            "ambiguity/pairs.csv",
            "drift/",
            "drift/evidence.csv",
            "drift/weeks.csv",
            "runs/",
            "health/",
            "health/periods.csv",
            "<slug:kind>/<slug:name>.svg",
        )
    ),
    # Without figures there is no cell whose items could be listed.
    Rule(f"{STREAM}insight/reliability/items/", read(ANALYSING), also=(404,)),
    Rule(f"{STREAM}insight/what-if/draft", write(STAFF)),
    Rule(f"{STREAM}insight/ambiguity/forward", write(frozenset({STREAM_ADMIN}) | STAFF)),
    Rule(f"{STREAM}insight/budget/", read(ANALYSING), values=DRAFTS),
    Rule(f"{STREAM}insight/budget/cut-offs.csv", read(ANALYSING), values=DRAFTS),
    # Everybody sees their own figures there, and stream admins all.
    Rule(f"{STREAM}insight/reviewers/", read(SIGNED_IN)),
    Rule(f"{STREAM}insight/reviewers/table.csv", read(SIGNED_IN)),
)
# What is behind the log-in and of the person alone.
ACCOUNT: Final = tuple(
    Rule(f"accounts/{page}", {}, kind="account", in_stream=False)
    for page in (
        "",
        "login/",
        "logout/",
        "inactive/",
        "reauthenticate/",
        "password/change/",
        "sessions/end/",
        "2fa/",
        "2fa/authenticate/",
        "2fa/reauthenticate/",
        "2fa/totp/activate/",
        "2fa/totp/deactivate/",
        "2fa/recovery-codes/",
        "2fa/recovery-codes/generate/",
        "2fa/recovery-codes/download/",
        "oidc/<slug:provider_id>/login/",
        "oidc/<slug:provider_id>/login/callback/",
        "oidc/cancelled/",
    )
)
PAGES: Final = (*ANYWHERE, *OF_STREAMS, *REVIEW, *INSIGHT)
