"""The second factor: set up, asked for, used once, sealed, and obligatory where it is wanted."""

import io

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from routing.models import Stream
from tests import codes, scenes
from tests.routing.admin.conftest import log_in, make_staff, make_superuser

ASK = "/accounts/2fa/authenticate/"


@pytest.fixture
def rita(db: None) -> User:
    return scenes.make_person("rita")


@pytest.fixture
def secret(rita: User) -> str:
    """Rita has a second factor; its secret."""
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    return codes.turn_on(client)


@pytest.fixture
def half_in(secret: str) -> Client:
    """A browser that knows the password only."""
    client = Client()
    assert codes.sign_in(client, "rita", scenes.PASSWORD) == ASK
    return client


def sign_in_staff(name: str, *permissions: str) -> Client:
    """The browser of staff with these permissions who logged in by the form just now."""
    staff = make_staff(name, None, *permissions)
    staff.set_password(scenes.PASSWORD)
    staff.save()
    client = Client()
    assert codes.sign_in(client, name, scenes.PASSWORD) == "/"
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_password_alone_lets_nobody_in(half_in: Client) -> None:
    assert not is_in(half_in)
    assert half_in.get("/admin/", follow=True).redirect_chain[-1] == (ASK, 302)


def test_code_lets_in_and_leads_on(secret: str) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD, next="/streams/helpdesk/mine/")
    response = client.post(ASK, {"code": codes.code_of(secret)})
    assert response.headers["Location"] == "/streams/helpdesk/mine/"
    assert is_in(client)


def test_code_counts_once(half_in: Client, secret: str) -> None:
    code = codes.code_of(secret)
    assert half_in.post(ASK, {"code": code}).status_code == 302
    other = Client()
    codes.sign_in(other, "rita", scenes.PASSWORD)
    refused = other.post(ASK, {"code": code})
    assert "Incorrect code." in refused.content.decode()
    assert not is_in(other)


@pytest.mark.parametrize("steps", [-3, 3])
def test_code_of_another_time_is_refused(half_in: Client, secret: str, steps: int) -> None:
    page = half_in.post(ASK, {"code": codes.code_of(secret, steps=steps)}).content.decode()
    assert 'aria-invalid="true"' in page


def test_guessing_is_locked_out_and_the_right_code_with_it(half_in: Client, secret: str) -> None:
    wrong = codes.wrong_code(secret)
    pages = [half_in.post(ASK, {"code": wrong}).content.decode() for _ in range(6)]
    assert ["Too many failed" in page for page in pages] == [*[False] * 5, True]
    page = half_in.post(ASK, {"code": codes.code_of(secret)}).content.decode()
    assert "Too many failed" in page
    assert not is_in(half_in)


def test_recovery_code_lets_in_once(half_in: Client, rita: User) -> None:
    stored = Authenticator.objects.get(user=rita, type="recovery_codes")
    code, *others = stored.wrap().get_unused_codes()
    assert len({code, *others}) == 10
    assert half_in.post(ASK, {"code": code}).headers["Location"] == "/"
    other = Client()
    codes.sign_in(other, "rita", scenes.PASSWORD)
    assert other.post(ASK, {"code": code}).status_code == 200
    assert other.post(ASK, {"code": others[0]}).status_code == 302


def test_secrets_stand_nowhere_in_the_database(rita: User, secret: str) -> None:
    stored = {one.type: one.data for one in Authenticator.objects.filter(user=rita)}
    assert secret not in str(stored)
    assert stored["totp"]["secret"].startswith("gAAAA")
    assert stored["recovery_codes"]["seed"].startswith("gAAAA")


def test_key_is_changed_without_a_pause(rita: User, settings: Settings) -> None:
    settings.WEBHOOK_KEYS = ["old"]
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    secret = codes.turn_on(client)
    settings.WEBHOOK_KEYS = ["new", "old"]
    output = io.StringIO()
    call_command("reseal_webhooks", stdout=output)
    assert output.getvalue().splitlines()[1] == "2 second factors were sealed anew."
    settings.WEBHOOK_KEYS = ["new"]
    again = Client()
    codes.sign_in(again, "rita", scenes.PASSWORD)
    assert again.post(ASK, {"code": codes.code_of(secret)}).status_code == 302


def test_second_factor_that_no_key_opens_is_named(secret: str, settings: Settings) -> None:
    settings.WEBHOOK_KEYS = ["another"]
    with pytest.raises(CommandError, match="No key opens the second factors of rita: add the key"):
        call_command("reseal_webhooks", stdout=io.StringIO())


def test_code_that_no_key_checks_is_refused_with_the_way_out(
    half_in: Client, secret: str, settings: Settings
) -> None:
    settings.WEBHOOK_KEYS = ["another"]
    response = half_in.post(ASK, {"code": codes.code_of(secret)})
    assert response.status_code == 200
    assert "An administrator can take the second factor away" in response.content.decode()
    assert not is_in(half_in)


def test_account_page_says_that_no_key_opens_the_second_factor(
    rita: User, settings: Settings
) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    codes.turn_on(client)
    settings.WEBHOOK_KEYS = ["another"]
    page = client.get("/accounts/").content.decode()
    assert "An administrator can take the second factor away" in page
    assert "recovery codes are left" not in page


@pytest.mark.parametrize("page", ["", "generate/", "download/"])
def test_recovery_codes_that_no_key_opens_lead_to_the_account(
    rita: User, settings: Settings, page: str
) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    codes.turn_on(client)
    settings.WEBHOOK_KEYS = ["another"]
    response = client.get(f"/accounts/2fa/recovery-codes/{page}")
    assert (response.status_code, response.headers["Location"]) == (
        303,
        "/accounts/#second-factor",
    )


@pytest.mark.parametrize(
    ("wanted", "is_staff", "leads"),
    [
        ("optional", True, 200),
        ("staff", False, 200),
        ("staff", True, 303),
        ("all", False, 303),
    ],
)
def test_whoever_needs_one_gets_no_further_without(
    rita: User, settings: Settings, wanted: str, is_staff: bool, leads: int
) -> None:
    settings.SECOND_FACTOR = wanted
    User.objects.update(is_staff=is_staff)
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    assert client.get("/").status_code == leads
    assert client.get("/accounts/").status_code == 200
    if leads == 303:
        assert client.get("/admin/").headers["Location"].startswith("/accounts/2fa/totp/activate/")
        assert client.post("/streams/helpdesk/draft/").status_code == 303
        codes.turn_on(client)
        assert is_in(client)


def test_script_is_led_to_the_set_up_too(rita: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "all"
    client = Client(headers={"HX-Request": "true"})
    client.force_login(rita)
    response = client.get("/")
    assert response.headers["HX-Redirect"] == "/accounts/2fa/totp/activate/?required=1"


def test_set_up_says_why_it_is_there(rita: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "all"
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    page = client.get("/", follow=True).content.decode()
    assert "Your account needs one." in page


def test_upstream_and_strangers_need_none(stream: Stream, settings: Settings) -> None:
    settings.SECOND_FACTOR = "all"
    assert Client().get("/api/v1/openapi.json").status_code == 200
    assert Client().get("/", follow=True).redirect_chain == [("/accounts/login/?next=/", 302)]


def test_whoever_needs_one_cannot_drop_it(rita: User, secret: str, settings: Settings) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    client.post(ASK, {"code": codes.code_of(secret, steps=0)})
    settings.SECOND_FACTOR = "all"
    client.post("/accounts/2fa/totp/deactivate/")
    assert Authenticator.objects.filter(user=rita, type="totp").exists()
    settings.SECOND_FACTOR = "optional"
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=rita).exists()


def test_administrator_takes_it_away_for_whom_they_may_change(rita: User, secret: str) -> None:
    root = make_superuser()
    Authenticator.objects.create(user=root, type="totp", data={})
    fields = {"action": "take_second_factor", "_selected_action": [str(rita.pk), str(root.pk)]}
    staff = sign_in_staff("sue", "change_user", "view_user")
    page = staff.post("/admin/auth/user/", fields, follow=True).content.decode()
    assert "1 second factor is gone." in page
    assert list(Authenticator.objects.values_list("user__username", flat=True)) == ["root"]
    assert codes.sign_in(Client(), "rita", scenes.PASSWORD) == "/"


def test_administrator_keeps_their_own_and_is_told(secret: str, rita: User) -> None:
    staff = sign_in_staff("sue", "change_user", "view_user")
    codes.turn_on(staff)
    sue = User.objects.get(username="sue")
    fields = {"action": "take_second_factor", "_selected_action": [str(rita.pk), str(sue.pk)]}
    page = staff.post("/admin/auth/user/", fields, follow=True).content.decode()
    assert "Your own is left" in page
    assert "1 second factor is gone." in page
    assert set(Authenticator.objects.values_list("user__username", flat=True)) == {"sue"}


def test_administrator_proves_who_they_are_before_they_take_one(
    secret: str, rita: User, settings: Settings
) -> None:
    staff = sign_in_staff("sue", "change_user", "view_user")
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    fields = {"action": "take_second_factor", "_selected_action": [str(rita.pk)]}
    response = staff.post("/admin/auth/user/", fields, follow=True)
    assert response.redirect_chain == [
        ("/accounts/reauthenticate/?next=%2Fadmin%2Fauth%2Fuser%2F", 302)
    ]
    assert "Nothing is taken away yet." in response.content.decode()
    assert Authenticator.objects.filter(user=rita).count() == 2
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
    proof = {"password": scenes.PASSWORD, "next": "/admin/auth/user/"}
    again = staff.post("/accounts/reauthenticate/", proof)
    assert again.headers["Location"] == "/admin/auth/user/"
    staff.post("/admin/auth/user/", fields)
    assert Authenticator.objects.count() == 0


def test_administrator_signs_somebody_out_everywhere(rita: User) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    root = log_in(make_superuser())
    fields = {"action": "sign_out", "_selected_action": [str(rita.pk)]}
    page = root.post("/admin/auth/user/", fields, follow=True).content.decode()
    assert "1 session has ended." in page
    assert not is_in(client)
    assert root.get("/admin/").status_code == 200
