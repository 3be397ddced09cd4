"""What an address answers to whom: the form of the table, and its words for groups of people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ANONYMOUS: Final = "anonymous"
REVIEWER: Final = "reviewer"
ADJUDICATOR: Final = "adjudicator"
EXPERT: Final = "expert"
ANALYST: Final = "analyst"
STREAM_ADMIN: Final = "stream_admin"
SITE_ADMIN: Final = "site_admin"

ROLES: Final = (ANONYMOUS, REVIEWER, ADJUDICATOR, EXPERT, ANALYST, STREAM_ADMIN, SITE_ADMIN)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Django's own pages take whatever is not POST for GET.
METHODS_OF_ADMIN: Final = ("GET", "POST", "DELETE")

People = frozenset[str]

NOBODY: Final[People] = frozenset()
EVERYBODY: Final[People] = frozenset(ROLES)
SIGNED_IN: Final[People] = EVERYBODY - {ANONYMOUS}
STAFF: Final[People] = frozenset({STREAM_ADMIN, SITE_ADMIN})
SITE: Final[People] = frozenset({SITE_ADMIN})
# Who answers held, flagged and audited items.
REVIEWING: Final[People] = frozenset({REVIEWER, EXPERT, SITE_ADMIN})
ADJUDICATING: Final[People] = frozenset({ADJUDICATOR, SITE_ADMIN})
DECIDING: Final[People] = frozenset({EXPERT, SITE_ADMIN})
ANALYSING: Final[People] = frozenset({ANALYST, STREAM_ADMIN, SITE_ADMIN})
OVERTURNING: Final[People] = frozenset({ADJUDICATOR, EXPERT, STREAM_ADMIN, SITE_ADMIN})

LOG_IN: Final = "log-in"


@dataclass(frozen=True, slots=True)
class Rule:
    """One address of the table: who may, by method; every other method is answered 405.

    `refused` is what the others of the stream are answered; strangers to it are answered 404, and
    nobody in particular the log-in. `values` name what stands in the address in place of the usual
    (a name of the scene), and `asked` is what follows the `?`. `in_stream` is False where the
    address names no stream, so that nothing is foreign about it. `kind` is page, admin or account.
    """

    route: str
    may: Mapping[str, People]
    refused: int = 403
    values: Mapping[str, str] = field(default_factory=dict)
    asked: str = ""
    in_stream: bool = True
    kind: str = "page"
    # Whether it lists the stream's categories, so that the name of one tells nothing of an item.
    names_categories: bool = False
    # What who may is answered besides, such as 404 where there is nothing to be shown.
    also: tuple[int, ...] = ()

    def __str__(self) -> str:
        variant = ",".join(f"{name}={value}" for name, value in self.values.items())
        return " ".join(part for part in (self.route or "home", variant, self.asked) if part)

    @property
    def sides(self) -> tuple[str, ...]:
        return ("own", "foreign") if self.in_stream else ("own",)

    @property
    def methods(self) -> tuple[str, ...]:
        return METHODS_OF_ADMIN if self.kind == "admin" else METHODS

    @property
    def cells(self) -> int:
        """How many requests prove the rule."""
        return len(ROLES) * len(self.sides) * len(self.methods)


def read(people: People) -> Mapping[str, People]:
    """GET and HEAD, for these."""
    return {"GET": people, "HEAD": people}


def write(people: People) -> Mapping[str, People]:
    """POST alone, for these."""
    return {"POST": people}


def both(people: People) -> Mapping[str, People]:
    """A form: GET, HEAD and POST, for these."""
    return {**read(people), **write(people)}
