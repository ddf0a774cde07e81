-- A reference to a secret (`${secret:NAME}`) is no secret: it is shown. src/core/masking.ts does the same.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE OR REPLACE FUNCTION masked_address(address text, names jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  ascii constant text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  small constant text := 'abcdefghijklmnopqrstuvwxyz';
  secret constant text := '(^|[^a-z])(key|pass|pwd|auth|sig|sid|jwt|otp|pin|hmac)([^a-z]|$)'
    '|token|secret|passw|passphrase|credential|signature|session|authoriz|bearer|hmac'
    '|(api|app|access|account|auth|client|license|master|private|shared|subscription)[-_]?key|%';
  reference constant text := '^(\$\{secret:(?!\.\}|\.\.)[A-Za-z0-9_.-]{1,63}\})+$';
  hash constant integer := position('#' IN address);
  whole constant text := CASE hash WHEN 0 THEN address ELSE left(address, hash - 1) END;
  mark constant integer := position('?' IN whole);
  head text := CASE mark WHEN 0 THEN whole ELSE left(whole, mark - 1) END;
  scheme text;
  userinfo text;
  colon integer;
  hidden text;
  part text;
  parameter text;
  name text;
  separator text;
  is_secret boolean;
BEGIN
  IF address IS NULL THEN RETURN NULL; END IF;
  IF position('@' IN head) > 0 THEN
    scheme := substring(head FROM E'^[\t\n\x0b\f\r ]*[A-Za-z][A-Za-z0-9+.-]*:[\t\n\x0b\f\r /\\\\]*');
    userinfo := substring(substr(head, length(scheme) + 1) FROM E'^[^/\\\\]*@');
    IF userinfo NOT IN ('@', ':@') THEN
      -- The colon of a reference separates nothing.
      colon := position(':' IN replace(userinfo, '${secret:', '${secret;'));
      hidden := CASE colon
          WHEN 0 THEN left(userinfo, -1)
          WHEN length(userinfo) - 1 THEN left(userinfo, -2)
          ELSE substr(left(userinfo, -1), colon + 1)
        END;
      IF hidden !~ reference THEN hidden := '********'; END IF;
      head := scheme || CASE colon
          WHEN 0 THEN hidden || '@'
          WHEN length(userinfo) - 1 THEN hidden || ':@'
          ELSE left(userinfo, colon) || hidden || '@'
        END || substr(head, length(scheme) + length(userinfo) + 1);
    END IF;
  END IF;
  IF mark = 0 AND hash = 0 THEN RETURN head; END IF;
  FOREACH part IN ARRAY ARRAY[CASE mark WHEN 0 THEN '' ELSE substr(whole, mark) END,
    CASE hash WHEN 0 THEN '' ELSE substr(address, hash) END] LOOP
    separator := left(part, 1);
    FOREACH parameter IN ARRAY string_to_array(substr(part, 2), '&') LOOP
      name := translate(split_part(parameter, '=', 1), ascii, small);
      IF length(parameter) > length(name) + 1 THEN
        is_secret := replace(replace(name, '%5b', '_'), '%5d', '_') ~ secret;
        -- A statement of its own: what has a subquery in it takes ten times as long.
        IF NOT is_secret AND names IS NOT NULL THEN
          is_secret := EXISTS (SELECT FROM jsonb_array_elements_text(names) AS listed WHERE translate(listed, ascii, small) = name);
        END IF;
        IF is_secret AND substr(parameter, length(name) + 2) !~ reference THEN
          parameter := left(parameter, length(name)) || '=********';
        END IF;
      END IF;
      head := head || separator || parameter;
      separator := '&';
    END LOOP;
    -- A sign with nothing behind it.
    IF length(part) = 1 THEN head := head || part; END IF;
  END LOOP;
  RETURN head;
END $$;
