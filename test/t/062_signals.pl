# A job that waits for a signal costs nothing, and is lost by nothing: it goes on when its signal comes,
# also from outside, or when its time is over.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# What is found here was called for: a search that comes by itself would come too late.
my $node = new_server('signals', 'pg_intake.executors' => 2, 'pg_intake.idle_time' => "'1s'", 'pg_intake.poll_interval' => "'1h'", fsync => 'off');
my $sql = sub { return $node->safe_psql($_[1] // 'postgres', $_[0]) };
my $url = start_shim($node, '--max-body', '4M');
$node->append_conf('postgresql.conf', "pg_intake.public_url = '$url/'\n");
$node->reload;

# Waits for the key of its event; its step waits for whoever has an advisory lock.
$sql->(q{
	CREATE TABLE link (key text, url text);
	CREATE FUNCTION waits(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		IF job.step = 'start' THEN
			INSERT INTO public.link VALUES (job.key, intake.callback_url(job, job.key));
			RETURN intake.wait(job.key, (job.payload ->> 'timeout')::interval);
		END IF;
		PERFORM pg_advisory_xact_lock_shared(1);
		RETURN intake.done(coalesce(job.input, '"no signal"'));
	END $$;
	SELECT intake.create_workflow('waits', 'waits(intake.job)', type => 'waits')});
my $job = sub { return "FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE e.key = '$_[0]'" };
my $awaits = sub {
	my ($key, $timeout) = @_;
	$sql->(sprintf q{SELECT intake.emit('waits', '%s', '%s')}, $timeout ? qq({"timeout": "$timeout"}) : '{}', $key);
	return wait_for_sql($node, "SELECT count(*) = 1 " . $job->("$key' AND j.state = 'awaiting"));
};
my $result = sub {
	my ($key) = @_;
	wait_for_sql($node, "SELECT count(*) = 1 " . $job->("$key' AND j.state IN ('done', 'dead') AND '' = '"));
	return $sql->("SELECT coalesce(result::text, error) " . $job->($key));
};
my $nobody = sub { return wait_for_sql($node, "SELECT string_agg(DISTINCT kind, ' ') = 'launcher' FROM intake.workers") };
my $in_time = sub {
	my ($key, $name) = @_;
	is($result->($key), '"no signal"', "$name: its time is over");
	return is($sql->("SELECT j.finished_at - e.received_at BETWEEN '4 s' AND '6 s' " . $job->($key)), 't', 'in time');
};

# Nobody is there, and the launcher knows when the next time is over.
$awaits->('time', '4 s');
$nobody->();
$in_time->('time', 'nobody is there');

# The sooner one is seen, too, and so are those of other databases and after a restart.
$awaits->('far', '1 day');
$awaits->('near', '4 s');
$nobody->();
$in_time->('near', 'behind one that is far');
$awaits->('restart', '4 s');
$node->restart;
$in_time->('restart', 'after a restart');
$nobody->();
my $before = $sql->("SELECT count(*) FROM intake.signals WHERE state = 'awaited'");
is($before, 1, 'a job waits, and nobody works');

# A signal brings an executor.
$awaits->('signal');
$nobody->();
is($sql->(q{SELECT intake.signal('signal', '{"a": 1}')}), 't', 'a signal');
is($result->('signal'), '{"a": 1}', 'brings an executor');

# A crash between the signal and the step loses nothing, and asks for no second signal.
$awaits->('crash');
$sql->(q{SELECT intake.pause_workflow('waits')});
is($sql->(q{SELECT intake.signal('crash', '"once"')}), 't', 'a signal, for a job that may not run');
$node->stop('immediate');
$node->start;
is($sql->("SELECT j.state " . $job->('crash')), 'ready', 'after a crash the job has it');
is($sql->(q{SELECT intake.signal('crash', '"twice"')}), 'f', 'a second one is refused');
$sql->(q{SELECT intake.resume_workflow('waits')});
is($result->('crash'), '"once"', 'the step gets the first one');

# So does one in the middle of the step.
$awaits->('kill');
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
$sql->(q{SELECT intake.signal('kill', '"kept"')});
my $executor = q{FROM pg_locks l JOIN intake.workers w USING (pid) WHERE w.kind = 'executor' AND l.locktype = 'advisory' AND NOT l.granted};
wait_for_sql($node, "SELECT count(*) = 1 $executor");
kill 'KILL', $sql->("SELECT pid $executor");
eval { $holder->quit };
wait_for_sql($node, 'SELECT true');
is($result->('kill'), '"kept"', 'a step whose executor was killed has its signal once more');
is($sql->("SELECT j.attempts " . $job->('kill')), 1, 'and is not charged');

# Two sessions signal the keys of many jobs, from both ends, a third one cancels the jobs, and their times
# are over meanwhile: of each key one signal is had once, by its job or by whoever asks next.
$sql->(q{
	CREATE FUNCTION races(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		IF job.step = 'start' THEN RETURN intake.wait(job.key, random() * interval '1 s'); END IF;
		RETURN intake.done(job.input);
	END $$;
	SELECT intake.create_workflow('races', 'races(intake.job)', type => 'races');
	CREATE TABLE won (key text, who text);
	CREATE PROCEDURE signal_all(who text, backwards boolean) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN 1 .. 600 LOOP
			INSERT INTO public.won SELECT k, who FROM CAST('race ' || CASE WHEN backwards THEN 601 - n ELSE n END AS text) k WHERE intake.signal(k, to_jsonb(who));
			COMMIT;
			PERFORM pg_sleep(0.001);
		END LOOP;
	END $$;
	CREATE PROCEDURE cancel_some() LANGUAGE plpgsql AS $$
	DECLARE id bigint;
	BEGIN
		FOR round IN 1 .. 50 LOOP
			FOR id IN SELECT j.id FROM intake.jobs j WHERE j.workflow = 'races' AND j.state = 'awaiting' ORDER BY random() LIMIT 3 LOOP
				BEGIN
					PERFORM intake.cancel(id);
				EXCEPTION WHEN object_in_use OR object_not_in_prerequisite_state THEN NULL;
				END;
			END LOOP;
			COMMIT;
			PERFORM pg_sleep(0.01);
		END LOOP;
	END $$;
	SELECT count(intake.emit('races', '{}', 'race ' || n)) FROM generate_series(1, 600) n});
my @psql = map { my $command = $_; IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $command ]) }
  ("CALL signal_all('one', false)", "CALL signal_all('two', true)", 'CALL cancel_some()');
is(scalar(grep { $_->finish } @psql), 3, 'all at once, without an error');
wait_for_sql($node, q{SELECT count(*) = 600 FROM intake.jobs WHERE workflow = 'races' AND state IN ('done', 'discarded')});
is($sql->('SELECT count(*), count(DISTINCT key) FROM won'), '600|600', 'each key is signalled once');
is($sql->(q{
	SELECT count(*), count(*) FILTER (WHERE had = 1) FROM (
		SELECT w.key, (SELECT count(*) FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE j.workflow = 'races' AND e.key = w.key AND j.result = to_jsonb(w.who))
			+ (SELECT count(*) FROM intake.signals s WHERE s.key = w.key AND s.state = 'early' AND s.payload = to_jsonb(w.who))
			+ (SELECT count(*) FROM intake.signals s JOIN intake.jobs j ON j.id = s.job_id WHERE s.key = w.key AND s.state = 'used' AND j.state = 'discarded') AS had FROM won w) x}), '600|600', 'and is had once');
is($sql->(q{SELECT count(*) FROM intake.awaiting a JOIN intake.jobs j ON j.id = a.job_id WHERE j.workflow = 'races'}), 0, 'nobody waits any more');
diag($sql->(q{SELECT string_agg(format('%s %s', n, what), ', ') FROM (SELECT count(*) AS n, CASE WHEN state = 'done' THEN CASE WHEN result IS NULL THEN 'over' ELSE 'signalled' END ELSE state END AS what FROM intake.jobs WHERE workflow = 'races' GROUP BY 2) x}));
unlike(slurp_file($node->logfile), qr/deadlock/, 'nobody was in a circle');

# ---- callbacks ----

my $link = sub { return $sql->("SELECT url FROM link WHERE key = '$_[0]'") };
my $json = { 'Content-Type' => 'application/json' };
$awaits->('callback');
my $callback = $link->('callback');
like($callback, qr{^\Q$url\E/callbacks/[A-Za-z0-9_-]{43}$}, 'a URL of a callback');
for my $method (qw(GET HEAD PUT DELETE OPTIONS))
{
	my $path = substr $callback, length $url;
	my $answer = raw_http($url, "$method $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	like($answer, qr{^HTTP/1.1 405 .*^Allow: POST\r$}ms, "$method is not allowed");
	unlike($answer, qr{\r\n\r\n.}s, 'and shows nothing');
}
like(raw_http($url, 'PUT ' . substr($callback, length $url) . " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"), qr{^HTTP/1.1 405 }, 'nor is it with a body');
is($sql->("SELECT j.state " . $job->('callback')), 'awaiting', 'and changes nothing');
is(post($callback, 'no JSON', $json)->{status}, 400, 'a body that is not JSON');
is(post($callback, '"' . 'x' x (1024 * 1024) . '"', $json)->{status}, 413, 'a body that is too large');
like(raw_http($url, 'POST ' . substr($callback, length $url) . " HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n"), qr{^HTTP/1.1 413}, 'is refused before it comes');
like(raw_http($url, 'POST ' . substr($callback, length $url) . " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" . ("80000\r\n" . 'x' x 524288 . "\r\n") x 2 . "10\r\n" . 'x' x 16 . "\r\n"),
	qr{^HTTP/1.1 413}, 'also in chunks');
my $answer = post($callback, '{"approved": true}', $json);
is($answer->{status}, 200, 'a POST is accepted');
is($answer->{content}, '{"status":"accepted"}', 'and told so');
is($result->('callback'), '{"approved": true}', 'the job gets what it has brought');
my %seen;
for my $unknown ($callback, "$callback/", $callback . 'x', "$url/callbacks/x", "$url/callbacks/" . 'x' x 43, "$url/callbacks/%20", "$url/callbacks/" . 'x' x 4000)
{
	my $answer = post($unknown, '{"approved": false}', $json);
	delete $answer->{headers}{date};
	$seen{ join ' ', $answer->{status}, $answer->{content}, map { "$_: $answer->{headers}{$_}" } sort keys %{ $answer->{headers} } }++;
}
is(scalar(keys %seen), 1, 'used or unknown: one same answer') or diag(join "\n", sort keys %seen);
like((keys %seen)[0], qr/^404 /, 'which is 404');
is(post("$url/callbacks/", '{}', $json)->{status}, 404, 'no token');
# libmicrohttpd 1.0 refuses a NUL in a path by itself.
like(post("$url/callbacks/%00", '{}', $json)->{status}, qr/^40[04]$/, 'a NUL');
is(get("$url/callbacks/x")->{status}, 405, 'GET of an unknown one is as that of any');

# A form; nothing; a slash and escapes.
$awaits->($_) for qw(form nothing);
is(post($link->('form') . '/', 'text=a+b&n=1', { 'Content-Type' => 'application/x-www-form-urlencoded' })->{status}, 200, 'a form');
is($result->('form'), '{"n": "1", "text": "a b"}', 'is an object');
is(post($link->('nothing') =~ s{/callbacks/(.)}{sprintf '/%%63allbacks/%%%02x', ord $1}er, '', {})->{status}, 200, 'no body');
is($result->('nothing'), 'null', 'is null');

# Many at a time, beside webhooks, on few connections.
my @keys = map { "many $_" } 1 .. 30;
$sql->(sprintf q{SELECT count(intake.emit('waits', '{}', 'many ' || n)) FROM generate_series(1, 30) n});
wait_for_sql($node, "SELECT count(*) = 30 FROM intake.awaiting WHERE key LIKE 'many%'");
my %links = map { split /\|/ } split /\n/, $sql->("SELECT key, url FROM link WHERE key LIKE 'many%'");
my @sockets = map {
	my $socket = connect_to($url);
	my ($path, $body) = (substr($links{$_}, length $url), qq("$_"));
	print $socket "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	$socket->flush;
	my $other = connect_to($url);
	my $event = body_of($_ =~ s/ /_/r);
	print $other "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Signature: " . hmac_sha256_hex($event, SECRET) . "\r\nContent-Length: " . length($event) . "\r\n\r\n$event";
	$other->flush;
	($socket, $other)
} @keys;
my $accepted = grep { my ($socket, $answer) = ($_, ''); while (sysread $socket, my $chunk, 65536) { $answer .= $chunk } $answer =~ m{^HTTP/1.1 200 .*"status":"accepted"}s } @sockets;
is($accepted, 60, 'callbacks and webhooks at once are all accepted');
is(join(' ', map { $result->($_) } @keys), join(' ', map { qq("$_") } @keys), 'each job gets its own');

# The same token twice at a time: one is accepted, and the other waits for that.
$awaits->('twice');
my $path = substr $link->('twice'), length $url;
@sockets = map { my $socket = connect_to($url); print $socket "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n$_"; $socket->flush; $socket } 1 .. 8;
my @statuses = map { my ($socket, $answer) = ($_, ''); while (sysread $socket, my $chunk, 65536) { $answer .= $chunk } $answer =~ m{^HTTP/1.1 (\d+)} } @sockets;
is(join(' ', sort @statuses), '200' . ' 404' x 7, 'a token works once');

# Somebody has the key in a transaction: the sender is told to try again, and may.
$awaits->('locked');
$holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT intake.signal('locked', '"in time"')});
$answer = post($link->('locked'), '"late"', $json);
is($answer->{status}, 503, 'a key that somebody holds: 503');
ok($answer->{headers}{'retry-after'}, 'with Retry-After');
$holder->query_safe('ROLLBACK');
$holder->quit;
is(post($link->('locked'), '"late"', $json)->{status}, 200, 'and accepted when he has gone');
is($result->('locked'), '"late"', 'as he has not signalled');

# However many wait for a key, webhooks go on.
$awaits->('crowd');
$holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT intake.signal('crowd')});
my $start = time;
my @held = map { my $socket = connect_to($url); my $path = substr $link->('crowd'), length $url; print $socket "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"; $socket->flush; $socket } 1 .. 20;
wait_for_sql($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%intake.callback(%' AND wait_event_type = 'Lock'});
my @hooks = map { post("$url/webhooks/src", body_of("beside_$_"))->{status} } 1 .. 20;
is(join(' ', @hooks), join(' ', (200) x 20), 'webhooks are taken while callbacks wait for a key');
cmp_ok(time - $start, '<', 4, 'and wait for none of them');
close $_ for @held;
$holder->query_safe('ROLLBACK');
$holder->quit;

# The database is away.
$awaits->('away');
$callback = $link->('away');
$node->stop;
is(post($callback, '{}', $json)->{status}, 503, 'without the database: 503');
is(get($callback)->{status}, 405, 'GET asks nobody');
$node->start;
wait_for(sub { get("$url/readyz")->{status} == 200 }, 'the shim is connected again');
is(post($callback, '{"back": true}', $json)->{status}, 200, 'and accepted when it is back');
is($result->('away'), '{"back": true}', 'what it has brought');

# No token is anywhere but in its URL.
my $token = $link->('far') =~ s{.*/}{}r;
$sql->('DELETE FROM link; CHECKPOINT');
$sql->('VACUUM FULL link');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump');
unlike(slurp_file($dump), qr/\Q$token\E/, 'a dump has no token');
unlike(slurp_file($node->logfile), qr{callbacks/[A-Za-z0-9_-]{43}}, 'nor has the log');

# ---- a copy ----

$sql->('CREATE DATABASE copy');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'restored');
is($sql->(q{SELECT key, state FROM intake.signals WHERE key = 'far'}, 'copy'), 'far|awaited', 'a job of the copy waits');
is($sql->(q{SELECT intake.signal('far', '"copied"')}, 'copy'), 't', 'and can be signalled');
is($sql->("SELECT j.state " . $job->('far'), 'copy'), 'ready', 'but goes on');
is($sql->("SELECT j.state " . $job->('far')), 'awaiting', 'and not the one that was copied');
$sql->(q{SELECT intake.resume_workflow('waits')}, 'copy');
wait_for_sql($node, "SELECT count(*) = 1 " . $job->("far' AND j.state = 'done"), 'copy');
pass('when its workflow is resumed');

done_testing();
