-- What `countersign doctor` asks a database.

-- name: clock
SELECT clock_timestamp()

-- name: durability
SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes', 'synchronous_commit']) AS name
 WHERE current_setting(name) = 'off'

-- name: encoding
SELECT current_setting('server_encoding')

-- name: data_directory
-- Only some roles may know; others are not told, rather than refused.
SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
            THEN current_setting('data_directory') END

-- name: role
SELECT rolname, array_remove(ARRAY[
           CASE WHEN rolsuper THEN 'SUPERUSER' END,
           CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
           CASE WHEN rolcreatedb THEN 'CREATEDB' END,
           CASE WHEN rolreplication THEN 'REPLICATION' END,
           CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL) AS wide
  FROM pg_catalog.pg_roles WHERE rolname = current_user

-- name: lacking
-- What a pass does and this role may not: a rebuild of a table needs its owner.
SELECT format('USAGE, CREATE ON SCHEMA %I', nspname) AS what
  FROM pg_catalog.pg_namespace
 WHERE nspname IN ('controller', 'directory', 'migrations')
   AND NOT has_schema_privilege(oid, CASE nspname WHEN 'directory' THEN 'CREATE' ELSE 'USAGE' END)
UNION ALL
SELECT format('SELECT, INSERT ON TABLE %s', pg_class.oid::regclass)
  FROM pg_catalog.pg_class
  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname IN ('controller', 'directory') AND relkind = 'r'
   AND NOT (has_table_privilege(pg_class.oid, 'SELECT')
            AND has_table_privilege(pg_class.oid, 'INSERT'))
UNION ALL
SELECT format('ownership of %s', pg_class.oid::regclass)
  FROM pg_catalog.pg_class
  JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname = 'directory' AND relkind = 'r' AND NOT pg_has_role(relowner, 'USAGE')
 ORDER BY what
