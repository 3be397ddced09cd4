"""A person's own account: second factor, password, where they are signed in, keys."""

from typing import Final

import requests
from allauth.account import views as account_views
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.decorators import rate_limit
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from reviewqueue.htmx import PersonRequest, go_to, signed_in
from reviewqueue.models import Membership
from reviewqueue.second_factors import ClosedFactorError, needs_second_factor
from reviewqueue.sessions import end_other_sessions, sessions_of
from reviewqueue.sign_ins import note_too_many

# As long as the longest window of ACCOUNT_RATE_LIMITS that a whole page is refused for.
WAIT_SECONDS: Final = 60


@require_safe
@signed_in
def account(request: PersonRequest) -> HttpResponse:
    """The page of one's own account."""
    factors = {one.type: one for one in Authenticator.objects.filter(user=request.user)}
    codes = factors.get(Authenticator.Type.RECOVERY_CODES)
    roles = Membership.objects.filter(user=request.user).select_related("stream")
    return render(
        request,
        "account/account.html",
        {
            "section": "account",
            "totp": factors.get(Authenticator.Type.TOTP),
            "codes_left": _count_codes(codes) if codes else 0,
            "is_required": needs_second_factor(request.user),
            "sessions": list(sessions_of(request.user)),
            "session_key": request.session.session_key,
            "roles": roles.order_by("stream__name", "role"),
        },
    )


@require_safe
@signed_in
def two_factor(request: PersonRequest) -> HttpResponse:
    """Where allauth leads after each step: to the part of the account's page."""
    return go_to(request, f"{reverse('account')}#second-factor")


@require_POST
@signed_in
def sign_out_elsewhere(request: PersonRequest) -> HttpResponse:
    """End all sessions but this one."""
    ended = end_other_sessions(user=request.user, session_key=request.session.session_key)
    words = ngettext("%(n)d other session has ended.", "%(n)d other sessions have ended.", ended)
    messages.success(request, words % {"n": ended})
    return go_to(request, f"{reverse('account')}#sessions")


@signed_in
def change_password(request: PersonRequest) -> HttpResponse:
    """allauth's page; 404 for whom the directory lets in without a password.

    Sessions that know the old password are worth nothing; here they end in the database too.
    """
    if not request.user.has_usable_password():
        raise Http404("This account has no password.")
    response: HttpResponse = account_views.password_change(request)
    if request.method == "POST" and response.status_code == 302:
        end_other_sessions(user=request.user, session_key=request.session.session_key)
    return response


@require_POST
@never_cache
@rate_limit(action="login")  # type: ignore[untyped-decorator]
def enter_directory(request: HttpRequest, provider_id: str) -> HttpResponse:
    """A page that leads on to the directory.

    A redirect would not do: the policy lets forms lead to ourselves only, and browsers ask it
    about redirects too.
    """
    try:
        provider = get_adapter(request).get_provider(request, provider=provider_id)
    except SocialApp.DoesNotExist as error:
        raise Http404("No directory of this name.") from error
    try:
        answer: HttpResponse = provider.redirect(
            request, process=AuthProcess.LOGIN, next_url=get_next_redirect_url(request)
        )
    except (requests.RequestException, ValueError, KeyError) as error:
        return _refuse(request, provider, error)
    except ImmediateHttpResponse as answered:
        return answered.response  # type: ignore[no-any-return]
    if answer.status_code != 302:
        return answer
    context = {"address": answer.headers["Location"], "name": provider.name}
    return render(request, "socialaccount/leaving.html", context)


@require_GET
@never_cache
def leave_directory(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the directory, with a code or an error."""
    from allauth.socialaccount.providers.openid_connect import views  # noqa: PLC0415

    try:
        response: HttpResponse = views.callback(request, provider_id)
    except (requests.RequestException, ValueError, KeyError) as error:
        provider = get_adapter(request).get_provider(request, provider=provider_id)
        return _refuse(request, provider, error)
    return response


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """429, `handler429` of allauth: an address or a person asks too often."""
    note_too_many(request)
    response = render(request, "429.html", status=429)
    response.headers["Retry-After"] = str(WAIT_SECONDS)
    return response


def _count_codes(codes: Authenticator) -> int | None:
    """How many recovery codes are left; None where no key opens them."""
    try:
        return len(codes.wrap().get_unused_codes())
    except ClosedFactorError:
        return None


def _refuse(request: HttpRequest, provider: object, error: Exception) -> HttpResponse:
    refused: HttpResponse = render_authentication_error(request, provider, exception=error)
    return refused
