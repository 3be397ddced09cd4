"""Where the tests' database is, for processes of their own."""

from urllib.parse import quote

from django.db import connection


def database_url() -> str:
    """`DATABASE_URL` of the database that this test works on, with few connections."""
    given = connection.settings_dict
    user = f"{quote(str(given['USER']))}:{quote(str(given['PASSWORD']))}"
    host, port = str(given["HOST"]), given["PORT"]
    if host.startswith("/"):
        return f"postgresql://{user}@/{given['NAME']}?host={quote(host)}&pool_max_size=2"
    return f"postgresql://{user}@{host}:{port}/{given['NAME']}?pool_max_size=2"
