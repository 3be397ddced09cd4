"""The table itself: every address stands in it, and nobody's role gives more than it should."""

from tests.access import table_of_admin, table_of_pages, test_api
from tests.access.routes import list_routes
from tests.access.rules import ANALYST, ANONYMOUS, STAFF

ALL = (*table_of_pages.PAGES, *table_of_pages.ACCOUNT, *table_of_admin.ADMIN)
LISTED = {
    *(rule.route for rule in ALL),
    *(f"admin/{door}" for door in (*table_of_admin.DOORS, *table_of_admin.LEFT)),
    *(call.route for call in test_api.CALLS),
    *test_api.NOWHERE,
}


def test_every_address_stands_in_the_table() -> None:
    unlisted = [route for route in list_routes() if route not in LISTED]
    assert unlisted == [], "say in tests/access who may ask for it"


def test_the_table_holds_no_address_that_is_gone() -> None:
    assert sorted(LISTED - set(list_routes())) == []


def test_analysts_change_nothing() -> None:
    """What they POST is a file that they ask for."""
    posted = [
        rule.route
        for rule in (*table_of_pages.PAGES, *table_of_admin.ADMIN)
        if any(ANALYST in people for method, people in rule.may.items() if method == "POST")
    ]
    assert posted == ["streams/<slug:stream_key>/export/"]


def test_nobody_in_particular_gets_nowhere() -> None:
    open_to_all = [
        rule.route
        for rule in (*table_of_pages.PAGES, *table_of_admin.ADMIN)
        if any(ANONYMOUS in people for people in rule.may.values())
    ]
    assert open_to_all == []


def test_the_admin_is_for_staff() -> None:
    assert all(people <= STAFF for rule in table_of_admin.ADMIN for people in rule.may.values())
