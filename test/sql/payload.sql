-- A body is JSON that jsonb can hold, or its payload is NULL; never an error.
\set VERBOSITY terse
SELECT intake.payload(convert_to('[' || repeat('0,', (1 << 24)) || '0]', 'UTF8')) IS NULL AS more_elements_than_an_array_has;
SELECT intake.payload(convert_to('{' || repeat('"":0,', (1 << 23)) || '"":0}', 'UTF8')) IS NULL AS more_members_than_an_object_has;
SELECT length(intake.payload(convert_to('["' || repeat('x', 1 << 20) || '"]', 'UTF8')) ->> 0) AS large_but_fine;
SELECT jsonb_array_length(intake.payload(convert_to('[' || repeat('0,', 99999) || '0]', 'UTF8'))) AS many_but_fine;
SELECT intake.payload(convert_to(repeat('[', 1000) || repeat(']', 1000), 'UTF8')) IS NOT NULL AS deep, intake.payload(convert_to(repeat('[', 1001) || repeat(']', 1001), 'UTF8')) IS NULL AS too_deep;
SET max_stack_depth = '100kB';
SELECT intake.payload(convert_to(repeat('[', 1000) || repeat(']', 1000), 'UTF8')) IS NULL AS too_deep_for_the_stack;
RESET max_stack_depth;
SELECT intake.payload('[1e131071]') IS NOT NULL AS large_number, intake.payload('[1e131072]') IS NULL AS too_large;
-- A query that is cancelled is.
SET statement_timeout = '50ms';
SELECT count(intake.payload(b)) FROM (SELECT convert_to('[' || repeat('"a",', 100000) || '0]', 'UTF8') b FROM generate_series(1, 10000)) t;
RESET statement_timeout;
