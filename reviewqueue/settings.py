"""The one settings file. Every deployment difference is an environment variable read here."""

import django_stubs_ext
from csp.constants import NONE, SELF

from reviewqueue import env, logs
from reviewqueue import variables as read
from reviewqueue.embedded.processes import PROJECT

django_stubs_ext.monkeypatch()  # lets annotations such as ModelForm[Policy] run

BASE_DIR = PROJECT
STATE_DIR = env.state_dir()

DEBUG = read.flag("DEBUG")
SECRET_KEY = read.text("SECRET_KEY") or env.local_secret(STATE_DIR, "secret-key")
AUDIT_SECRET = (read.text("AUDIT_SECRET") or env.local_secret(STATE_DIR, "audit-secret")).encode()
# Seal what webhooks sign with and second factors are made from; the first seals, each opens, so
# that one can follow another.
WEBHOOK_KEYS = read.words("WEBHOOK_KEYS") or [env.local_secret(STATE_DIR, "webhook-key")]
ALLOWED_HOSTS = read.words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = read.words("CSRF_TRUSTED_ORIGINS")
HTTPS = read.flag("HTTPS")
# How many proxies of ours add to X-Forwarded-For; the rest anybody may have written.
ALLAUTH_TRUSTED_PROXY_COUNT = read.number("TRUSTED_PROXY_COUNT")

INSTALLED_APPS = [
    "reviewqueue.apps.ReviewQueueConfig",
    "calibration.apps.CalibrationConfig",
    "routing.apps.RoutingConfig",
    "reviewqueue.admin_site.ReviewAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "template_partials",
    "pgtrigger",
    "django_celery_beat",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "csp",
    "ninja",
]

MIDDLEWARE = [
    "reviewqueue.request_log.log_requests",
    # Before all that may answer by itself, static files too, so that each answer has the policy.
    "reviewqueue.middleware.PolicyMiddleware",
    "reviewqueue.probes.answer_probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "reviewqueue.api.edge.answer_programs",
    "reviewqueue.middleware.refuse_nul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "reviewqueue.sessions.PersonMiddleware",
    "reviewqueue.middleware.refuse_large_forms",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "reviewqueue.second_factors.RequireSecondFactor",
]

ROOT_URLCONF = "reviewqueue.urls"
WSGI_APPLICATION = "reviewqueue.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": env.database_config(env.database_url(), prepare=read.flag("PREPARE_STATEMENTS"))
}
# Exports and what insight pages show are read here where there is one; it may lag by seconds.
if REPLICA_URL := read.text("REPLICA_URL"):
    DATABASES["replica"] = env.database_config(
        REPLICA_URL, prepare=read.flag("PREPARE_STATEMENTS"), variable="REPLICA_URL"
    )
DATABASE_ROUTERS = ["routing.reading.ReplicaRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What allauth counts: tries of a sign-in, codes that were used. Every process has to see the same,
# and a sign-in needs the database anyway; without Redis nobody could try more often than with it.
CACHES = {"default": {"BACKEND": "reviewqueue.shared_cache.SharedCache"}}

SESSION_ENGINE = "reviewqueue.sessions"
SESSION_COOKIE_AGE = read.number("SESSION_DAYS") * 24 * 60 * 60
# Cookies of these names are refused by the browser unless they are Secure and of this host alone.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
AUTHENTICATION_BACKENDS = ["reviewqueue.sessions.PersonBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_REDIRECT_URL = "home"
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "reviewqueue.accounts.AccountAdapter"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
# Counted by address, by account and, where somebody is signed in, by person.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
}
MFA_ADAPTER = "reviewqueue.second_factors.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# Addresses are entered by administrators, not claimed by whoever signs up.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Review Queue"
# Whom pages are closed to until they have a second factor: "optional" is nobody.
SECOND_FACTOR = read.one_of("SECOND_FACTOR", ("optional", "staff", "all"))

# Sign-in through the house's own directory, off unless it is named.
OIDC_ISSUER = read.text("OIDC_ISSUER")
OIDC_MAKES_ACCOUNTS = read.flag("OIDC_MAKES_ACCOUNTS")
SOCIALACCOUNT_ADAPTER = "reviewqueue.accounts.DirectoryAdapter"
SOCIALACCOUNT_PROVIDERS = env.directory_config(
    issuer=OIDC_ISSUER,
    client_id=read.text("OIDC_CLIENT_ID"),
    secret=read.text("OIDC_CLIENT_SECRET"),
    name=read.text("OIDC_NAME"),
)

# All that our own texts are in: without it, Django's own come in others between them.
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]
FORMAT_MODULE_PATH = "reviewqueue.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = read.text("STATIC_ROOT") or str(STATE_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 3600

# Text and data images only from ourselves; nothing inline, nothing foreign.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = read.number("HSTS_SECONDS") if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = read.flag("HSTS_SUBDOMAINS")
SECURE_HSTS_PRELOAD = read.flag("HSTS_PRELOAD")
# Both speak for hosts that are not ours; whoever owns the domain turns them on.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

# A batch of 10,000 items with 150 scores each is about 40 MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024
# Forms outside the API and the admin; the longest is a batch of verdicts with comments.
FORM_MAX_BYTES = 2 * 1024 * 1024
ITEM_MAX_BYTES = 1024 * 1024
BATCH_MAX_ITEMS = 10_000
# How often a key may ask unless it says otherwise; 0: as often as it likes.
API_REQUESTS_PER_MINUTE = read.number("API_REQUESTS_PER_MINUTE")
# Larger files of items are for the command line.
IMPORT_MAX_BYTES = 20 * 1024 * 1024
# A policy of 150 categories that differ and 500 keyword rules is a form of 5,000 fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

# Whether models that are asked for a second opinion, and webhooks, may stand in a private network.
ALLOW_PRIVATE_ADDRESSES = read.flag("ALLOW_PRIVATE_ADDRESSES")

# Celery: PostgreSQL is the truth, the broker a doorbell that may be lost or mute.
REDIS_URL = env.redis_url()
_TRANSPORT = {
    "visibility_timeout": 300,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 20,
    # A refused broker costs a request milliseconds: the sweep that follows does the work anyway.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = _TRANSPORT
CELERY_RESULT_BACKEND = None
# Said in each of the places where some version of Celery or kombu looks for it.
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": 300}
CELERY_VISIBILITY_TIMEOUT = 300
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 280
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "reviewqueue.beat:WatchedScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 15
DJANGO_CELERY_BEAT_TZ_AWARE = True

# Who may read /metrics: who sends the token, or whose address is in one of the networks.
METRICS_TOKEN = read.text("METRICS_TOKEN")
METRICS_NETWORKS = env.read_networks("METRICS_NETWORKS")

LOG_FORMAT = logs.read_format()
LOGGING = logs.configure(LOG_FORMAT)
