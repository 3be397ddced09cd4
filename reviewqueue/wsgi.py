"""What the web server loads."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

application = get_wsgi_application()

# What is loaded stays. A batch makes some hundred thousand objects that are freed without the
# collector, which by its defaults looked through them a hundred times: a quarter of the work.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
