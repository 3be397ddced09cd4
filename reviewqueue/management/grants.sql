-- What the application's role may do: run by the owner after each migration, with the role's name in
-- the setting `reviewqueue.role`. In one transaction, so that an application at work never finds
-- itself without its rights.
--
-- TRUNCATE, REFERENCES, TRIGGER and all that changes a table are given to nobody but the owner. The
-- guards of history are triggers; where they refuse every change, the right to it is not given at all.
DO $$
DECLARE
    app text := quote_ident(current_setting('reviewqueue.role'));
    guarded record;
BEGIN
    EXECUTE 'GRANT USAGE ON SCHEMA public TO ' || app;
    EXECUTE 'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ' || app;
    EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ' || app;
    EXECUTE 'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ' || app;
    EXECUTE 'REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM ' || app;
    FOR guarded IN
        SELECT tgrelid::regclass AS name,
            CASE WHEN starts_with(tgname, 'pgtrigger_append_only_') THEN 'UPDATE, DELETE'
                 ELSE 'DELETE' END AS rights
        FROM pg_trigger
        WHERE tgqual IS NULL AND tgtype & 1 = 1  -- whatever the row holds, for each row
            AND (starts_with(tgname, 'pgtrigger_append_only_')
                OR starts_with(tgname, 'pgtrigger_kept_'))
    LOOP
        EXECUTE 'REVOKE ' || guarded.rights || ' ON ' || guarded.name || ' FROM ' || app;
    END LOOP;
    -- What people wrote can be emptied with the item that it is about; the guards see to the rest.
    EXECUTE 'GRANT UPDATE (comment, proposed_name) ON reviewqueue_verdict TO ' || app;
    EXECUTE 'GRANT UPDATE (note) ON reviewqueue_retryrequest TO ' || app;
    EXECUTE 'GRANT UPDATE (data) ON routing_event TO ' || app;
END
$$;
