"""Addresses of sign-in and account. Only what is on has one: all else of allauth answers 404."""

from allauth.account import views as account_views
from allauth.mfa.base import views as second_factor_views
from allauth.mfa.recovery_codes import views as recovery_views
from allauth.mfa.totp import views as totp_views
from allauth.socialaccount import views as directory_views
from django.urls import path

from reviewqueue.views import account

urlpatterns = [
    path("", account.account, name="account"),
    path("login/", account_views.login, name="account_login"),
    path("logout/", account_views.logout, name="account_logout"),
    path("inactive/", account_views.account_inactive, name="account_inactive"),
    path("reauthenticate/", account_views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.change_password, name="account_change_password"),
    path("sessions/end/", account.sign_out_elsewhere, name="account_end_sessions"),
    path("2fa/", account.two_factor, name="mfa_index"),
    path("2fa/authenticate/", second_factor_views.authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", second_factor_views.reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", totp_views.activate_totp, name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", totp_views.deactivate_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", recovery_views.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "2fa/recovery-codes/generate/",
        recovery_views.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/download/",
        recovery_views.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    # The directory: 404 while none is named.
    path("oidc/<slug:provider_id>/login/", account.enter_directory, name="openid_connect_login"),
    path(
        "oidc/<slug:provider_id>/login/callback/",
        account.leave_directory,
        name="openid_connect_callback",
    ),
    path("oidc/cancelled/", directory_views.login_cancelled, name="socialaccount_login_cancelled"),
]
