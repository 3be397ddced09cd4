-- What the application's role may do: `manage.py grant_role ROLE` runs this, as the owner, after each
-- migration, with the role's name in the setting `reviewqueue.role`. In one transaction, so that an
-- application at work never finds itself without its rights.
--
-- TRUNCATE, REFERENCES, TRIGGER and all that changes a table are given to nobody but the owner. The
-- guards of history are triggers; where they refuse every change, the right to it is not given at all.
DO $$
DECLARE
    app text := current_setting('reviewqueue.role');
    guarded record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', app);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', app);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', app);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', app);
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM %I', app);
    FOR guarded IN
        SELECT tgrelid::regclass AS name,
            CASE WHEN tgname LIKE 'pgtrigger\_append\_only\_%' THEN 'UPDATE, DELETE'
                 ELSE 'DELETE' END AS rights
        FROM pg_trigger
        WHERE tgqual IS NULL AND tgtype & 1 = 1  -- whatever the row holds, for each row
            AND (tgname LIKE 'pgtrigger\_append\_only\_%' OR tgname LIKE 'pgtrigger\_kept\_%')
    LOOP
        EXECUTE format('REVOKE %s ON %s FROM %I', guarded.rights, guarded.name, app);
    END LOOP;
    -- What people wrote can be emptied with the item that it is about; the guards see to the rest.
    EXECUTE format('GRANT UPDATE (comment, proposed_name) ON reviewqueue_verdict TO %I', app);
    EXECUTE format('GRANT UPDATE (note) ON reviewqueue_retryrequest TO %I', app);
    EXECUTE format('GRANT UPDATE (data) ON routing_event TO %I', app);
END
$$;
