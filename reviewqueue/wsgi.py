"""What the web server loads."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from reviewqueue.unread_bodies import read_what_is_refused

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

application = read_what_is_refused(get_wsgi_application())

# Every page's module is loaded now, not by the first to ask for it, and none of it ever becomes
# garbage: looking through it again and again took a tenth of a review screen's time, all at once.
get_resolver().url_patterns  # noqa: B018 - reading it loads them
gc.collect()
gc.freeze()
# A batch makes some hundred thousand objects that are freed without the collector, which by its
# defaults looked through them a hundred times: a quarter of the work.
gc.set_threshold(50_000, 20, 20)
