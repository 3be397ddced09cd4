"""The table of the admin: which rows staff may read, add, change and delete, and the pages besides.

Nobody but staff and stream admins passes its door. A stream's admin, of whom nothing is set but the
role, has these rights over the rows of their own streams; a site's admin over all.
"""

from typing import Final

from tests.access.rules import (
    NOBODY,
    SITE,
    STAFF,
    People,
    Rule,
    both,
    read,
    write,
)

# Of each model what may be done to its rows: r(ead), a(dd), c(hange), d(elete); in capitals what
# the site's admin alone may.
OF_STREAMS: Final = {
    "calibration/auditdraw": "r",
    "calibration/calibrationrun": "r",
    "calibration/driftalarm": "r",
    "calibration/framecount": "r",
    "calibration/groundtruth": "r",
    "calibration/jobrun": "r",
    "calibration/runrequest": "r",
    "reviewqueue/apikey": "rac",
    "reviewqueue/delivery": "r",
    "reviewqueue/knownanswer": "ra",
    "reviewqueue/membership": "racd",
    "reviewqueue/remoteask": "r",
    "reviewqueue/reviewtask": "r",
    "reviewqueue/verdict": "r",
    "reviewqueue/webhook": "racd",
    "routing/announcement": "r",
    "routing/decision": "r",
    "routing/event": "r",
    "routing/item": "r",
    "routing/policy": "racd",
    "routing/remotemodel": "racd",
    "routing/stream": "rAcD",
}
# What is of no stream is the site admin's alone.
OF_SITE: Final = (
    "auth/group",
    "auth/user",
    "django_celery_beat/clockedschedule",
    "django_celery_beat/crontabschedule",
    "django_celery_beat/intervalschedule",
    "django_celery_beat/periodictask",
    "django_celery_beat/solarschedule",
)
OBJECT: Final = "<path:object_id>/"


def _rules_of(model: str, rights: str, people: People, *, in_stream: bool) -> list[Rule]:
    at, named = f"admin/{model}/", {"object_id": model}

    def may(letter: str) -> People:
        if letter.upper() in rights:
            return SITE
        return people if letter in rights else NOBODY

    def rule(end: str, *allowed: str) -> Rule:
        own = end.startswith("<")
        reading, writing = allowed
        return Rule(
            f"{at}{end}",
            {**read(may(reading)), **write(may(writing))},
            values=named if own else {},
            in_stream=in_stream and own,
            kind="admin",
            names_categories=model == "routing/stream",
        )

    # An address that leads to the page of a row and tells nothing of it.
    to_row = Rule(f"{at}{OBJECT}", both(STAFF), values=named, in_stream=False, kind="admin")
    return [
        rule("", "r", "r"),
        rule("add/", "a", "a"),
        rule(f"{OBJECT}change/", "r", "c"),
        rule(f"{OBJECT}delete/", "d", "d"),
        rule(f"{OBJECT}history/", "r", "r"),
        to_row,
    ]


def _page(route: str, may: object, **more: object) -> Rule:
    return Rule(f"admin/{route}", may, kind="admin", **more)  # type: ignore[arg-type]


POLICY: Final = "routing/policy/<uuid:policy_id>/"
STREAM: Final = "routing/stream/<uuid:stream_id>/"
WEBHOOK: Final = "reviewqueue/webhook/<uuid:webhook_id>/"
PAGES: Final = (
    _page("", both(STAFF), in_stream=False),
    _page("password_change/", both(STAFF), in_stream=False),
    _page("password_change/done/", read(STAFF), in_stream=False),
    _page("autocomplete/", read(STAFF), in_stream=False, also=(403,)),
    _page("jsi18n/", read(STAFF), in_stream=False),
    _page("reviewqueue/knownanswer/reviewers/", read(STAFF), in_stream=False),
    _page("auth/user/<id>/password/", both(SITE), values={"id": "auth/user"}, in_stream=False),
    _page("routing/remotemodel/<uuid:model_id>/try/", write(STAFF)),
    _page("calibration/runrequest/<uuid:request_id>/change/", read(STAFF)),
    _page("routing/policy/start/", both(STAFF), in_stream=False),
    # Without two versions there is nothing to compare.
    _page("routing/policy/compare/", read(STAFF), in_stream=False, also=(404,)),
    *(
        _page(
            f"routing/{model}/<path:object_id>/change/",
            {**read(people), **write(NOBODY)},
            values={"object_id": row},
        )
        for model, row, people in (
            ("decision", "blind_decision", NOBODY),
            ("decision", "drawn_decision", NOBODY),
            ("item", "blind_item", STAFF),
            ("item", "drawn_item", STAFF),
        )
    ),
    _page("routing/policy/of/<uuid:stream_id>/", read(STAFF)),
    _page(f"{POLICY}preview/", both(STAFF)),
    _page(f"{POLICY}difference/", read(STAFF)),
    _page(f"{POLICY}publish/", both(STAFF)),
    _page(f"{POLICY}copy/", write(STAFF)),
    _page(f"{STREAM}recalibrate/", both(STAFF)),
    _page(f"{STREAM}layout/", write(STAFF)),
    _page(f"{STREAM}import/", both(STAFF)),
    _page(f"{STREAM}import/refused/", write(STAFF)),
    _page(f"{STREAM}export/", both(STAFF)),
    *(
        _page(f"{WEBHOOK}{action}/", write(STAFF))
        for action in ("ping", "pause", "resume", "rotate", "disable")
    ),
)
# Open to whoever asks: they let nobody in, and lead to the log-in or back.
DOORS: Final = ("login/", "logout/", "r/<path:content_type_id>/<path:object_id>/")
LEFT: Final = (
    r"^(?P<app_label>routing|reviewqueue|auth|calibration|django_celery_beat)/$",
    r"(?P<url>.*)$",
)
ADMIN: Final = (
    *PAGES,
    *(
        rule
        for model, rights in OF_STREAMS.items()
        for rule in _rules_of(model, rights, STAFF, in_stream=True)
    ),
    *(rule for model in OF_SITE for rule in _rules_of(model, "racd", SITE, in_stream=False)),
)
