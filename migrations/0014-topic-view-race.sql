-- Processes that make the view of a topic at the same time do not take each other's for a type of the same name.
CREATE OR REPLACE FUNCTION ensure_topic_view(topic text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  mark constant text := 'Results of this topic; made by Vedette.';
  other record;
  grantee text;
  locked boolean := false;
BEGIN
  IF topic !~ '^[A-Za-z0-9._-]+$' OR length(topic) > 63 THEN
    RETURN 'names of views have at most 63 letters, digits, dots, dashes and underscores';
  END IF;
  IF topic ~ '^(metrics|results|stream_records)_' THEN
    RETURN 'names that begin like this are those of partitions';
  END IF;
  LOOP
    SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
      relkind = 'v' AND obj_description(oid, 'pg_class') IS NOT DISTINCT FROM mark AS is_ours
    INTO other FROM pg_class WHERE relname = topic AND relnamespace = quote_ident(current_schema())::regnamespace;
    IF FOUND THEN
      RETURN CASE WHEN NOT other.is_ours THEN format('the schema has another %s of this name', other.kind) END;
    END IF;
    -- Without the lock, the view of another process may have come between the two look-ups: its row type is a type.
    IF locked AND EXISTS (SELECT FROM pg_type WHERE typname = topic AND typnamespace = quote_ident(current_schema())::regnamespace) THEN
      RETURN 'the schema has a type of this name';
    END IF;
    EXIT WHEN locked;
    -- One at a time; whoever waited looks again.
    PERFORM pg_advisory_xact_lock(hashtextextended('vedette partitions ' || current_schema(), 0));
    locked := true;
  END LOOP;
  EXECUTE format('CREATE VIEW %I AS SELECT * FROM check_results WHERE topic = %L', topic, topic);
  EXECUTE format('COMMENT ON VIEW %I IS %L', topic, mark);
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relname = topic AND c.relnamespace = quote_ident(current_schema())::regnamespace AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM %s', topic, grantee);
  END LOOP;
  FOR grantee IN
    SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'check_results'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT ON %I TO %s', topic, grantee);
  END LOOP;
  RETURN NULL;
END $$;
