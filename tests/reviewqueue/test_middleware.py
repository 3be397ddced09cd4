"""What no page has to think of."""

from csp.utils import build_policy
from django.test import Client

from tests.scenes import make_person


def test_nul_in_the_query_is_refused(db: None) -> None:
    client = Client()
    client.force_login(make_person("root", is_superuser=True, is_staff=True))

    assert client.get("/admin/routing/item/?state__exact=%00").status_code == 400
    assert client.get("/admin/routing/item/?state__exact=settled").status_code == 200


def test_every_answer_has_the_whole_policy(db: None) -> None:
    policies = [
        Client().get(path).headers["Content-Security-Policy"].split("; ")
        for path in ("/accounts/login/", "/nowhere", "/api/v1/nothing")
    ]
    assert [sorted(policy) for policy in policies] == 3 * [sorted(build_policy().split("; "))]
