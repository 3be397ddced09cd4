"""The pages, cell by cell."""

from collections.abc import Callable

import pytest

from tests.access.cells import ask, forgotten, outcome_of, try_rule
from tests.access.routes import fill
from tests.access.rules import METHODS, ROLES, Rule
from tests.access.scene import Scene
from tests.access.table_of_pages import ACCOUNT, PAGES

pytestmark = pytest.mark.django_db

TOO_OFTEN = "failed with 429"


@pytest.mark.parametrize("rule", PAGES, ids=str)
def test_page_answers_each_role_as_the_table_says(
    rule: Rule, scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    record_property("cells", rule.cells)
    assert try_rule(rule, scene) == []


@pytest.mark.parametrize("rule", ACCOUNT, ids=str)
def test_account_page_never_fails(
    rule: Rule, scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """They are of the person who asks, so that there is nothing foreign about them."""
    record_property("cells", rule.cells)
    address = fill(rule.route, {"provider_id": "directory"})
    failed = []
    for role in ROLES:
        for method in METHODS:
            with forgotten(scene.browsers[role]):
                found = outcome_of(ask(scene.browsers[role], method, address))
            if found not in ("open", "gone", "refused", "log-in", "not taken", TOO_OFTEN):
                failed.append(f"{method} {address} as {role}: {found}")
    assert failed == []


def test_what_is_a_persons_own_needs_their_log_in(scene: Scene) -> None:
    for page in ("password/change/", "2fa/", "2fa/totp/activate/", "2fa/recovery-codes/"):
        answer = ask(scene.browsers["anonymous"], "GET", f"/accounts/{page}")
        assert outcome_of(answer) == "log-in", page
