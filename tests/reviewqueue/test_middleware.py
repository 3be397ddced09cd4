"""What no page has to think of."""

from django.test import Client

from tests.scenes import make_person


def test_nul_in_the_query_is_refused(db: None) -> None:
    client = Client()
    client.force_login(make_person("root", is_superuser=True, is_staff=True))

    assert client.get("/admin/routing/item/?state__exact=%00").status_code == 400
    assert client.get("/admin/routing/item/?state__exact=settled").status_code == 200
