# News is never taken for a repetition: of a source without an id, two bodies that differ anywhere but
# at its volatile places are never one event. Bodies are made at random, and from each other by small
# changes; NEWS_SEED makes others, and what is judged here by is a reading of JSON of its own.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

use constant SEEDS => 48;
use constant CHANGED => 16; # of each
my $state = $ENV{NEWS_SEED} // 22;
note "NEWS_SEED=$state";

# The same numbers each time, whatever Perl.
sub below
{
	$state = ($state * 1103515245 + 12345) % 2**31;
	return int($state / 2**31 * $_[0]);
}

sub one_of { return $_[ below(scalar @_) ] }

# ---- bodies ----

my $try; # what stands at the places that change

sub space { return below(6) ? '' : one_of(' ', "\n", "\t", '  ') }

sub string
{
	return '"' . join('', map { one_of('a', 'b', '1', 'try', 'é', "\x{65e5}", '\u0061', '\u00e9', '\u0000', '\\\\', '\"', '\/', '/', '&', '=', '+', '%41', ' ', '') } 0 .. below(4)) . '"';
}

sub name { return one_of('"a"', '"b"', '"\u0061"', '""', '"id"', '"c"') }

sub value
{
	my ($depth) = @_;
	my $kind = below($depth > 2 ? 5 : 8);
	return string() if $kind == 0;
	return one_of(qw(1 1.0 1e0 10e-1 0 -0 0.0 12345678901234567890)) if $kind <= 2;
	return one_of(qw(null true false)) if $kind == 3;
	return one_of('""', '{}', '[]', '" "', '"null"') if $kind == 4;
	return '[' . space() . join(',' . space(), map { value($depth + 1) } 0 .. below(3)) . ']' if $kind == 5;
	return '{' . space() . join(',' . space(), map { name() . space() . ':' . space() . value($depth + 1) } 0 .. below(3)) . '}';
}

sub encoded { return $_[0] =~ s/([^a-z0-9{}])/sprintf '%%%02x', ord $1/ger }

# What is no number and begins with none of what a form begins with; of what kind does not matter.
sub tries { return one_of('1', '2', 'null', '"a"', '{"b":[1]}', '[]', 'true') }

# A body as a function of what changes, without a place that is there twice.
sub seed
{
	my $kind = below(5);
	my @parts = map { name() . space() . ':' . space() . value(0) } 0 .. below(3);
	if ($kind == 0)
	{
		my $form = join('&', map { one_of(qw(a b %61 A c+d)) . one_of('=', '') . one_of('', '1', '1.0', '%31', '+', '%20', '%00', '{}') } 0 .. below(4));
		return sub { "$form&try=" . encoded($_[0]) };
	}
	# The JSON stands in a field: only the source of which that is said knows.
	if ($kind == 4)
	{
		my $more = one_of('', '&b=1', '&c', '&try=7');
		return (sub { 'a=' . encoded("{\"try\":$_[0],\"b\":\"+\"}") . $more }, 1);
	}
	if ($kind == 1)
	{
		my @items = map { one_of('', name() . ':' . value(1) . ',') } 0 .. below(3);
		return sub { my $t = $_[0]; '{' . join(',', @parts, '"e":[' . join(', ', map { "{$_\"x\":$t}" } @items) . ']') . '}' };
	}
	my $place = below(@parts + 1);
	splice @parts, $place, 0, undef;
	my ($before, $behind) = (space(), space());
	return sub { my $t = $_[0]; $before . '{' . join(',', map { $_ // "\"try\"$before:$behind$t" } @parts) . '}' . $behind };
}

# The same with a small change, which may have a meaning or not.
sub change
{
	my ($body) = @_;
	my $at = below(length($body) + 1);
	my $kind = below(14);
	if ($kind == 0) { substr($body, $at, 0) = one_of(' ', "\n", "\t") }
	elsif ($kind == 1) { substr($body, $at, 0) = one_of("\0", "\xFF", "\xC3\xA9", '\u0000', '"', ',', '0', '{', '&', '=') }
	elsif ($kind == 2) { substr($body, $at, 1) = '' if $at < length $body }
	elsif ($kind == 3) { substr($body, $at, 1) = chr(ord(substr $body, $at, 1) ^ 1) if $at < length $body }
	elsif ($kind == 4) { $body =~ s/\b1\b/one_of('1.0', '1e0', '01', '10', '2', '-1')/e }
	elsif ($kind == 5) { $body =~ s/("[a-z]*")(\s*:\s*)([\w.]+|"")/$1$2$3,$1$2@{[one_of('1', '2', $3)]}/ }
	elsif ($kind == 6) { $body =~ s/\{([^{},]*),([^{},]*)/{$2,$1/ }
	elsif ($kind == 7) { $body =~ s/a/one_of('\u0061', 'A', '%61', 'b')/e }
	elsif ($kind == 8) { $body =~ s/\}/one_of(',"try":1', ',"try":2', ',"e":[]', ',"tr\u0079":1') . '}'/e }
	elsif ($kind == 9) { $body =~ s/("try"|"x")/one_of('"a"', '"tr\u0079"', '"e"', '"Try"')/e }
	elsif ($kind == 10) { $body .= one_of('&try=1', '&try=2', '&a=1', '}', ' ', "\0") }
	elsif ($kind == 11) { $body = one_of("[$body]", "{\"e\":$body}", "\xEF\xBB\xBF$body", "{\"try\":$body,\"a\":1}", "{\"try\":1,\"a\":$body}") }
	elsif ($kind == 12) { $body =~ s/&/one_of('&&', ';', '%26')/e }
	else { $body =~ s/=/one_of('==', '%3D', '=+')/e }
	return $body;
}

# ---- what bodies are beside the places that change ----

my ($text, $out);

sub taken { $text =~ /\G($_[0])/gc or return 0; $out .= $1; return 1 }

sub decoded
{
	my ($name) = @_;
	return $name =~ s/\\u([0-9a-fA-F]{4})|\\(.)/defined $1 ? chr hex $1 : $2/ger;
}

# Takes a value off the text, and has null for it where one of the paths ends.
sub take
{
	my (@paths) = @_;
	my $start = length $out;
	taken(qr/[ \t\r\n]*/);
	my $before = length $out;
	my $string = qr/"(?:[^"\\\x00-\x1f]|\\["\\\/bfnrt]|\\u[0-9a-fA-F]{4})*"/;
	if (taken(qr/\[[ \t\r\n]*/))
	{
		for (my $n = 0; !taken(qr/\]/); $n++)
		{
			return 0 unless $n == 0 || taken(qr/,/);
			my @inside = map { [ @$_[ 1 .. $#$_ ] ] } grep { @$_ && $_->[0] eq '*' } @paths;
			return 0 unless take(@inside);
			taken(qr/[ \t\r\n]*/);
		}
	}
	elsif (taken(qr/\{[ \t\r\n]*/))
	{
		for (my $n = 0; !taken(qr/\}/); $n++)
		{
			return 0 unless $n == 0 || taken(qr/,[ \t\r\n]*/);
			my $place = length $out;
			return 0 unless taken($string);
			my $name = decoded(substr $out, $place + 1, -1);
			return 0 unless taken(qr/[ \t\r\n]*:/);
			my @inside = map { [ @$_[ 1 .. $#$_ ] ] } grep { @$_ && $_->[0] eq $name } @paths;
			return 0 unless take(@inside);
			taken(qr/[ \t\r\n]*/);
		}
	}
	else
	{
		return 0 unless taken($string) || taken(qr/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/) || taken(qr/null|true|false/);
	}
	substr($out, $before) = 'null' if grep { !@$_ } @paths;
	return 1;
}

sub beside
{
	my ($body, $field) = @_;
	my $characters = $body;
	($text, $out) = ($body, '');
	taken(qr/\xEF\xBB\xBF/);
	my $json = utf8::decode($characters) && take([qw(try)], [qw(e * x)]) && taken(qr/[ \t\r\n]*/) && pos($text) == length $text;
	return "json $out" if $json && $out =~ /^(?:\xEF\xBB\xBF)?\s*[\[{]/;
	$body =~ s/(^|&)(?:a|%61)=([^&]+)/"$1a=" . beside($2 =~ tr{+}{ }r =~ s{%([0-9a-fA-F]{2})}{chr hex $1}ger)/ge if $field;
	return 'form ' . join '&', map { /^(?:t|%74)(?:r|%72)(?:y|%79)=/i && s/%74/t/ir =~ /^t/ ? s/=.*/=/sr : $_ } split /&/, $body, -1;
}

# ---- deliveries ----

my $node = new_server('news');
my $columns = "(name, kind, algorithm, signature_from, encoding, message, timestamp_from, timestamp_unit, missing_key, volatile, borders, json_from)";
my $places = q('{$.try,$.e[*].x,form:try}');
my @signed = map { "'hmac', 'sha256', '{header:x-signature}', 'hex', $_" }
  q('{body}', NULL, NULL), q('{timestamp}.{body}', 'header:x-time', 's'), q('{url}{form_sorted}', NULL, NULL), q('{header:x-day}', NULL, NULL);
my %sources = ( # name => scheme, its places that change, and more of the source
	whole => [ $signed[0], 0, '' ],
	varying => [ $signed[0], 1, '' ],
	timed => [ $signed[1], 1, '' ],
	sorted => [ $signed[2], 1, ", replay_guard => false, public_url => 'https://example.com/x'" ],
	beside => [ $signed[3], 1, ', replay_guard => false' ],
	parts => [ $signed[0], 1, q(, key_from => '$.id + digest | $.a + $.b + digest | digest', options => '{"content": "any"}') ],
	split => [ $signed[0], 1, q(, key_from => '$.id + digest | digest', options => '{"split": "$.e", "content": "any"}') ],
	field => [ $signed[0], 1, '' ],
	bare => [ q('none', NULL, '{}', NULL, NULL, NULL, NULL), 1, '' ],
	token => [ q('token', NULL, '{header:x-token}', NULL, NULL, NULL, NULL), 1, '' ],
	# This one merges, and is found out.
	merging => [ $signed[0], 1, q(, key_from => '$.a', options => '{"content": "any"}') ]);
for my $name (sort keys %sources)
{
	my ($scheme, $varies, $more) = @{ $sources{$name} };
	my $verified = $name eq 'bare' ? "verified => 'none'" : "secret => 'a secret for tests'";
	$node->safe_psql('postgres', "INSERT INTO intake.scheme $columns VALUES ('$name', $scheme, 'digest', "
		  . join(', ', $varies ? $places : 'NULL', $name eq 'sorted' ? "'loose'" : "'firm'", $name eq 'field' ? "'form:a'" : 'NULL') . ')');
	$node->safe_psql('postgres', "SELECT intake.create_source('$name', '$name', $verified$more)");
}

my (@bodies, %known, @again); # each once; pairs of numbers of which the second is another try
for (1 .. SEEDS)
{
	my ($seed, $field) = seed();
	my $first = $seed->(tries());
	utf8::encode($first);
	for (my $body = $first, my $n = 0; $n <= CHANGED; $n++)
	{
		push @bodies, $body unless $known{$body}++;
		$body = change(one_of($body, $first));
	}
	my $other = $seed->(tries());
	utf8::encode($other);
	push @again, [ $first, $other, $field ] if $other ne $first;
	push @bodies, $other unless $known{$other}++;
}
note scalar @bodies, ' bodies';

$node->safe_psql('postgres', 'CREATE TABLE body (n int, body bytea); CREATE TABLE sent (source text, n int, status int, event_id bigint);
	CREATE FUNCTION block(h jsonb) RETURNS bytea LANGUAGE sql AS $$ SELECT convert_to(coalesce(string_agg(key || \': \' || value || E\'\r\n\', \'\'), \'\'), \'UTF8\') FROM jsonb_each_text(h) $$;
	CREATE FUNCTION signed(source text, body bytea) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
		RETURN CASE source WHEN \'bare\' THEN \'{}\' ELSE intake.sign(source, body, \'{"x-day": "Monday"}\') END;
		EXCEPTION WHEN OTHERS THEN RETURN \'{}\'; END $$;
	INSERT INTO body VALUES ' . join(', ', map { "($_, '\\x" . unpack('H*', $bodies[$_]) . "')" } 0 .. $#bodies));

# In batches, as the shim sends.
for my $name (sort keys %sources)
{
	$node->safe_psql('postgres', "INSERT INTO sent
		SELECT '$name', t.n, t.status, substring(t.body from '\"event_id\":\"(\\d+)\"')::bigint
		FROM (SELECT n / 40 AS batch, array_agg(n ORDER BY n) AS ns, array_agg(body ORDER BY n) AS bodies, array_agg(block(signed('$name', body)) ORDER BY n) AS headers FROM body GROUP BY 1) b,
			LATERAL (SELECT array_fill('POST'::bytea, ARRAY[cardinality(ns)]) AS posts, array_fill('$name'::bytea, ARRAY[cardinality(ns)]) AS sources,
				array_fill(''::bytea, ARRAY[cardinality(ns)]) AS empty, array_fill(''::text, ARRAY[cardinality(ns)]) AS peers) c,
			LATERAL ROWS FROM (unnest(b.ns), intake.receive(c.posts, c.sources, c.empty, b.headers, b.bodies, c.peers)) t(n, status, content_type, headers, body)");
}

# Pairs of bodies that are one event and should be two.
sub merged
{
	my ($name) = @_;
	my $whole = !$sources{$name}[1];
	my $field = $name eq 'field';
	my %events;
	for (split /\n/, $node->safe_psql('postgres', "SELECT event_id, n FROM sent WHERE source = '$name' AND event_id IS NOT NULL ORDER BY 1, 2"))
	{
		my ($id, $n) = split /\|/;
		push @{ $events{$id} }, $n;
	}
	my @found;
	for my $numbers (values %events)
	{
		my %kinds;
		$kinds{ $whole ? $bodies[$_] : beside($bodies[$_], $field) } //= $bodies[$_] for @$numbers;
		push @found, join ' and ', map { s/[^ -~]/./gr } values %kinds if keys %kinds > 1;
	}
	return @found;
}

for my $name (grep { $_ ne 'merging' } sort keys %sources)
{
	my @found = merged($name);
	is(join("\n", @found[ 0 .. ($#found > 3 ? 3 : $#found) ]), '', "$name: no two bodies are one event");
	# Fields that are to be sorted must have names, and a form in which JSON is sought is checked.
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM sent WHERE source = '$name' AND event_id IS NOT NULL"),
		'>=', @bodies * ($name eq 'sorted' ? 0.05 : $name eq 'field' ? 0.9 : 1), "$name: they are taken");
}
isnt(scalar(merged('merging')), 0, 'a key that merges is found out');

# And a repetition is no news: to the byte, or with other values at the places that change.
my %number = map { $bodies[$_] => $_ } 0 .. $#bodies;
for my $name (grep { $_ !~ /merging|whole/ } sort keys %sources)
{
	my $pairs = join ', ', map { "($number{$_->[0]}, $number{$_->[1]})" } grep { $name eq 'field' || !$_->[2] } @again;
	is($node->safe_psql('postgres', "SELECT count(*) FROM (VALUES $pairs) p(a, b) JOIN sent x ON x.n = a AND x.source = '$name' JOIN sent y ON y.n = b AND y.source = '$name' WHERE x.event_id IS DISTINCT FROM y.event_id"),
		0, "$name: another try is the same event");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM sent s JOIN body USING (n), LATERAL intake.ingest('parts', intake.sign('parts', body, '{}'), body) r WHERE s.source = 'parts' AND r.body NOT LIKE '%already_accepted%' || '%' || s.event_id || '%'"),
	0, 'and so is what comes again to the byte');

done_testing();
