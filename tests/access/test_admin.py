"""The admin, cell by cell."""

from collections.abc import Callable

import pytest

from tests.access.cells import try_rule
from tests.access.rules import Rule
from tests.access.scene import Scene
from tests.access.table_of_admin import ADMIN

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("rule", ADMIN, ids=str)
def test_admin_answers_each_role_as_the_table_says(
    rule: Rule, scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    record_property("cells", rule.cells)
    assert try_rule(rule, scene) == []
