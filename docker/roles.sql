-- Two roles: one owns the tables and migrates them, the other is the application's and can neither
-- change nor empty a table. The image of PostgreSQL runs this when it makes its database; elsewhere,
-- or on a database that is older than this file, run it as a superuser:
--
--   OWNER_PASSWORD=... APP_PASSWORD=... psql --dbname reviewqueue --file docker/roles.sql
--
-- or with OWNER_PASSWORD_FILE and APP_PASSWORD_FILE. Running it again only sets the passwords anew.
-- What the application's role may do with the tables is said at the end of each migration.

\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
\if :{?owner_password}
\else
    \set owner_password `cat "$OWNER_PASSWORD_FILE"`
\endif
\if :{?app_password}
\else
    \set app_password `cat "$APP_PASSWORD_FILE"`
\endif

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['reviewqueue', 'reviewqueue_app']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE reviewqueue PASSWORD :'owner_password';
ALTER ROLE reviewqueue_app PASSWORD :'app_password';

ALTER DATABASE :"DBNAME" OWNER TO reviewqueue;
ALTER SCHEMA public OWNER TO reviewqueue;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO reviewqueue_app;
