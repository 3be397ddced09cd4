"""The sign-in, the account's pages and the error pages, in the product's look."""

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from tests import codes, scenes


def test_log_in_leads_home(db: None) -> None:
    scenes.make_person("rita")
    client = Client()
    response = client.post("/accounts/login/", {"login": "rita", "password": scenes.PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


def test_wrong_password_is_told_at_the_form(db: None) -> None:
    scenes.make_person("rita")
    page = Client().post("/accounts/login/", {"login": "rita", "password": "no"}).content.decode()
    assert 'role="alert"' in page
    assert 'value="rita"' in page


def test_session_that_ended_is_told_at_the_log_in(db: None) -> None:
    client = Client()
    client.force_login(scenes.make_person("rita"))
    Session.objects.all().delete()

    page = client.get("/", follow=True)

    assert page.redirect_chain == [("/accounts/login/?next=/&ended=1", 302)]
    assert "Your session has ended." in page.content.decode()


def test_first_visit_is_told_of_no_session(db: None) -> None:
    page = Client().get("/", follow=True)

    assert page.redirect_chain == [("/accounts/login/?next=/", 302)]
    assert "session" not in page.content.decode()


@pytest.mark.parametrize(
    "address",
    [
        "signup/",
        "email/",
        "confirm-email/",
        "confirm-email/key/",
        "password/set/",
        "password/reset/",
        "password/reset/done/",
        "login/code/",
        "login/code/confirm/",
        "2fa/webauthn/",
        "2fa/trust/",
        "3rdparty/",
        "3rdparty/signup/",
        "social/signup/",
        "sessions/",
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
def test_what_is_off_is_not_there(db: None, address: str, signed_in: bool) -> None:
    client = Client()
    if signed_in:
        client.force_login(scenes.make_person("rita"))
    assert client.get(f"/accounts/{address}").status_code == 404
    assert client.post(f"/accounts/{address}").status_code == 404


OWN_PAGES = (
    "/accounts/",
    "/accounts/password/change/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
)


@pytest.fixture
def rita(db: None) -> Client:
    """A browser that logged in by the form."""
    scenes.make_person("rita")
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    return client


@pytest.fixture
def guarded(rita: Client) -> Client:
    """The same with a second factor."""
    codes.turn_on(rita)
    return rita


@pytest.mark.parametrize("address", ["/accounts/login/", *OWN_PAGES])
def test_pages_wear_the_products_look(guarded: Client, address: str) -> None:
    if address == "/accounts/login/":
        guarded = Client()
    if address.endswith("/activate/"):
        guarded.post("/accounts/2fa/totp/deactivate/")
    response = guarded.get(address)
    page = response.content.decode()
    assert (response.status_code, page.count("<h1")) == (200, 1)
    assert "style=" not in page
    assert "on two-factor" not in page.lower()
    assert page.index('class="brand') < page.index("<h1")


@pytest.mark.parametrize("address", [*OWN_PAGES, "/accounts/2fa/", "/accounts/reauthenticate/"])
def test_own_pages_lead_strangers_to_the_log_in(db: None, address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize(
    ("address", "method"),
    [
        ("/accounts/", "post"),
        ("/accounts/2fa/", "post"),
        ("/accounts/sessions/end/", "get"),
        ("/accounts/2fa/recovery-codes/", "post"),
        ("/accounts/oidc/directory/login/", "get"),
        ("/accounts/oidc/directory/login/callback/", "post"),
    ],
)
def test_account_pages_refuse_other_methods(rita: Client, address: str, method: str) -> None:
    assert getattr(rita, method)(address).status_code == 405


def test_account_page_says_how_one_signs_in(rita: Client) -> None:
    page = rita.get("/accounts/").content.decode()
    assert "<h1>Account</h1>" in page
    assert "asked for after the password" in page
    codes.turn_on(rita)
    page = rita.get("/accounts/").content.decode()
    assert "10 recovery codes are left" in page
    rita.post("/accounts/2fa/totp/deactivate/")
    assert "asked for after the password" in rita.get("/accounts/").content.decode()


def test_account_page_names_the_own_roles_only(rita: Client) -> None:
    own, other = scenes.make_stream("helpdesk"), scenes.make_stream("foreign")
    scenes.join(User.objects.get(username="rita"), own, "expert")
    scenes.join(scenes.make_person("sam"), other)
    page = rita.get("/accounts/").content.decode()
    assert "Helpdesk" in page
    assert "expert" in page
    assert "Foreign" not in page


def test_account_page_asks_the_same_at_one_and_three_rows(
    rita: Client, django_assert_num_queries: object
) -> None:
    person = User.objects.get(username="rita")
    for name in ("a", "b", "c"):
        scenes.join(person, scenes.make_stream(name))
        with django_assert_num_queries(5):  # type: ignore[operator]
            rita.get("/accounts/")
        codes.sign_in(Client(), "rita", scenes.PASSWORD)


def test_sessions_are_named_and_end_elsewhere(rita: Client) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = Client(headers={"User-Agent": firefox}, REMOTE_ADDR="198.51.100.7")
    codes.sign_in(other, "rita", scenes.PASSWORD)
    page = rita.get("/accounts/").content.decode()
    assert "Firefox on Linux" in page
    assert "198.51.100.7" in page
    response = rita.post("/accounts/sessions/end/", follow=True)
    assert "1 other session has ended." in response.content.decode()
    assert (other.get("/").status_code, rita.get("/").status_code) == (302, 200)


def test_script_is_led_back_to_the_account(rita: Client) -> None:
    response = rita.post("/accounts/sessions/end/", headers={"HX-Request": "true"})
    assert response.headers["HX-Redirect"] == "/accounts/#sessions"


def test_changed_password_ends_all_other_sessions(rita: Client) -> None:
    other = Client()
    codes.sign_in(other, "rita", scenes.PASSWORD)
    gone = other.session.session_key
    new = {"password1": "blue-mountain-9", "password2": "blue-mountain-9"}
    wrong = rita.post("/accounts/password/change/", {"oldpassword": "a guess", **new})
    assert wrong.status_code == 200
    right = rita.post("/accounts/password/change/", {"oldpassword": scenes.PASSWORD, **new})
    assert right.status_code == 302
    assert rita.get("/").status_code == 200
    assert not Session.objects.filter(session_key=gone).exists()
    assert codes.sign_in(Client(), "rita", "blue-mountain-9") == "/"


@pytest.mark.parametrize("weak", ["short-1", "rita-rita-rita", "password12", "12345678901"])
def test_weak_password_is_refused(rita: Client, weak: str) -> None:
    fields = {"oldpassword": scenes.PASSWORD, "password1": weak, "password2": weak}
    if weak.startswith("rita"):
        User.objects.update(username=weak)
    response = rita.post("/accounts/password/change/", fields)
    assert list(response.context["form"].errors) == ["password1"]


def test_admins_page_for_passwords_leads_to_ours(db: None) -> None:
    client = Client()
    client.force_login(scenes.make_person("root", is_staff=True, is_superuser=True))
    response = client.get("/admin/password_change/")
    assert response.headers["Location"] == "/accounts/password/change/"


def test_recovery_codes_are_shown_and_downloaded(guarded: Client) -> None:
    page = guarded.get("/accounts/2fa/recovery-codes/").content.decode()
    shown = re.findall(r"<code>([0-9]{8})</code>", page)
    file = guarded.get("/accounts/2fa/recovery-codes/download/")
    assert file.headers["Content-Type"].startswith("text/plain")
    assert re.findall(r"[0-9]{8}", file.content.decode()) == shown
    guarded.post("/accounts/2fa/recovery-codes/generate/")
    anew = guarded.get("/accounts/2fa/recovery-codes/").content.decode()
    assert len(shown) == 10
    assert not set(shown) & set(re.findall(r"<code>([0-9]{8})</code>", anew))


def test_code_to_scan_is_an_element_of_the_page(rita: Client) -> None:
    page = rita.get("/accounts/2fa/totp/activate/").content.decode()
    assert '<div class="qr"><svg aria-hidden="true"' in page
    assert "<?xml" not in page
    assert "data:" not in page


def test_redirects_lead_nowhere_else(rita: Client) -> None:
    for address in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        client = Client()
        assert codes.sign_in(client, "rita", scenes.PASSWORD, next=address) == "/"


@pytest.mark.parametrize("signed_in", [True, False])
def test_missing_page_offers_the_way_home(db: None, signed_in: bool) -> None:
    client = Client()
    if signed_in:
        client.force_login(scenes.make_person("rita"))
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "Nothing is here" in response.content.decode()
    assert 'href="/"' in response.content.decode()


def test_stale_form_says_what_to_do(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "rita"})
    assert response.status_code == 403
    assert "This page was open too long" in response.content.decode()


def test_pages_send_a_policy_without_exceptions(db: None) -> None:
    policy = Client().get("/accounts/login/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
