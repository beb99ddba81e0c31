-- The payload that is written out of a text is, byte by byte, the jsonb that the server makes of it.
CREATE FUNCTION pick(VARIADIC text[]) RETURNS text LANGUAGE sql AS 'SELECT $1[1 + floor(random() * cardinality($1))]';
CREATE FUNCTION space() RETURNS text LANGUAGE sql AS $$ SELECT pick('', '', '', ' ', E'\n', E'\t\r\n  ') $$;
CREATE FUNCTION word() RETURNS text LANGUAGE sql AS $$
	SELECT '"' || coalesce(string_agg(pick('a', 'b', 'é', '漢', '𝄞', '\n', '\"', '\\', '\/', '\u0061', '\u00e9', '\ud834\udd1e', 'long enough for a word of eight'), ''), '') || '"'
		FROM generate_series(1, floor(random() * random() * 8)::int)
$$;
CREATE FUNCTION scalar() RETURNS text LANGUAGE sql AS $$
	SELECT CASE floor(random() * 4)
		WHEN 0 THEN word()
		WHEN 1 THEN pick('true', 'false', 'null')
		WHEN 2 THEN (random() * 10 ^ floor(random() * 12) - 1000)::bigint::text
		ELSE pick('0', '-0', '-1', '1.0', '1.10', '0.0', '-0.00', '1e5', '1E+5', '1.5e-7', '12345678901234567', '123456789012345678', '1234567890123456789',
			'-999999999999999999', '10000', '100000000', '-9223372036854775808', '0.000000000000000000001', '1e300', '3.141592653589793238462643383279')
	END
$$;
CREATE FUNCTION document(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n int := floor(random() * random() * CASE WHEN random() < 0.02 THEN 150 ELSE 10 END);
	parts text := '';
	kind float := random();
BEGIN
	IF depth = 0 OR kind < 0.3 THEN RETURN space() || scalar() || space(); END IF;
	FOR i IN 1 .. n LOOP
		parts := parts || CASE WHEN i > 1 THEN ',' ELSE '' END
			|| CASE WHEN kind < 0.7 THEN space() || word() || space() || ':' ELSE '' END || document(depth - 1);
	END LOOP;
	IF n = 0 THEN parts := space(); END IF;
	RETURN space() || CASE WHEN kind < 0.7 THEN '{' || parts || '}' ELSE '[' || parts || ']' END || space();
END $$;
CREATE FUNCTION differs(text) RETURNS boolean LANGUAGE sql AS $$
	SELECT NOT coalesce(record_image_eq(ROW(intake.payload(convert_to($1, 'UTF8'))), ROW($1::jsonb)), false)
$$;
SELECT setseed(0.23);
CREATE TABLE documents AS SELECT n, document(1 + n % 6) AS text FROM generate_series(1, 1500) AS n;
SELECT n, text FROM documents WHERE differs(text) ORDER BY length(text) LIMIT 5;
SELECT count(*) > 20 AS large_enough FROM documents WHERE length(text) > 1000;

-- What is nested, in the order of names and against it.
SELECT levels, differs(repeat('{"b":[', levels) || '1' || repeat('],"a":{"c":[[]]}}', levels)) AS back,
		differs(repeat('{"a":{"c":[[]]},"b":[', levels) || '1' || repeat(']}', levels)) AS forth,
		differs(repeat('{"a":', levels) || '"x"' || repeat(',"a":{"a":1,"a":2}}', levels)) AS again,
		differs(repeat('[[],{},', levels) || '0' || repeat(',"",null]', levels)) AS elements
	FROM unnest('{1,2,7,31,32,33,100,450}'::int[]) AS levels;
-- Where offsets stand among lengths, and where a container is just noted and just not.
SELECT count(*) FILTER (WHERE differs('[' || repeat('1,"a",', n) || '0]')) AS arrays,
		count(*) FILTER (WHERE differs((SELECT '{' || string_agg(format('"%s":%s', i * 7919 % 10007, i), ',') || '}' FROM generate_series(1, n) AS i))) AS objects,
		count(*) FILTER (WHERE differs('[["' || repeat('x', n) || '"],{"k":"' || repeat('x', n) || '"},[[' || repeat(' ', n) || '],[]]]')) AS sizes
	FROM generate_series(1, 130) AS n;
-- Large ones.
SELECT differs('[' || repeat('1,', 300000) || '0]') AS digits, differs('[' || repeat('[],{},', 100000) || '0]') AS empty,
		differs('{' || repeat('"a":{"b":1,"a":[1,2]},', 50000) || '"b":0}') AS same_name,
		differs((SELECT '{' || string_agg(format('"%s":{"x":[%s],"\u0061":"%s"}', md5(i::text), i, repeat('y', i % 50)), ',') || '}' FROM generate_series(1, 30000) AS i)) AS names,
		differs('"' || repeat('what \" it says\u00e9', 50000) || '"') AS string;
DROP TABLE documents;
DROP FUNCTION differs, document, scalar, word, space, pick;
