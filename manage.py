#!/usr/bin/env python
"""Run a command of the project: `manage.py help` lists them.

Without `DATABASE_URL` and `REDIS_URL` it joins the embedded services, or runs them meanwhile.
"""

import os
import sys

from reviewqueue import env
from reviewqueue.embedded import ServicesError


def main() -> None:
    """See that the services are there, then hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")
    if env.needs_services(sys.argv):
        try:
            env.ensure_services()
        except (ServicesError, env.ConfigurationError) as error:
            sys.exit(str(error))
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs the URLs

    try:
        execute_from_command_line(sys.argv)
    except env.ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
