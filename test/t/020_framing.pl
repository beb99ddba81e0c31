# Where a request ends: what this program and a strict reading of RFC 9112 could see in two ways is
# refused, and the connection closed. Thousands of byte sequences are judged by a parser of this
# file's own, which shares nothing with the shim.
use strict;
use warnings;
use Intake;
use IO::Select;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('framing', max_connections => 30);
$node->safe_psql('postgres', "SELECT intake.create_source('any', 'none', verified => 'none', missing_key => 'digest', key_from => 'header:x-id', type_from => 'header:x-type')");
my $url = start_shim($node, '--request-timeout', '5');

# ---- by hand: each must be refused, and the connection closed ----

# Sends bytes in as many pieces as are given, and the end of the stream only for an empty one;
# returns the statuses that come until the other side closes, or 'open' after them when it does not.
sub statuses
{
	my ($where, @pieces) = @_;
	my $socket = connect_to($where);
	my $answers = '';
	for my $piece (@pieces)
	{
		$socket->shutdown(1), last if $piece eq '';
		syswrite $socket, $piece;
		select undef, undef, undef, 0.005 if @pieces > 1;
	}
	while (IO::Select->new($socket)->can_read(3))
	{
		return join ' ', $answers =~ m{HTTP/1\.1 (\d+)}g unless sysread $socket, my $more, 65536;
		$answers .= $more;
	}
	return join ' ', $answers =~ m{HTTP/1\.1 (\d+)}g, 'open';
}

my $post = "POST /webhooks/any HTTP/1.1\r\nHost: x\r\n";
my $next = "POST /webhooks/any HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nsmuggled";
my %bad = (
	'Content-Length and Transfer-Encoding' => "${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	'Transfer-Encoding and Content-Length' => "${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	'two different Content-Lengths' => "${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	'two equal Content-Lengths' => "${post}Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
	(map { ("Content-Length: '" . s/[^ -~]/?/gr . "'" => "${post}Content-Length:$_\r\n\r\nhello") }
		  ' +5', ' -5', ' 5 5', ' 0x5', '', ' ', ' 5,5', ' 5, 5', ' 5.', " 5\0", ' "5"', " \xb5", ' 5a', " 5\x0b"),
	(map { ("Transfer-Encoding: '" . s/[^ -~]/?/gr . "'" => "${post}Transfer-Encoding:$_\r\n\r\n5\r\nhello\r\n0\r\n\r\n") }
		  ' gzip', ' gzip, chunked', ' chunked, chunked', ' identity', '', ' chunke', ' chunkedd', ' "chunked"', " \x0bchunked", " chunked\0", ' chunked;a=b', ',chunked'),
	'two Transfer-Encodings' => "${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	'Transfer-Encoding of HTTP/1.0' => "POST /webhooks/any HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	'a folded line' => "${post}Content-Length: 5\r\nX: a\r\n b\r\n\r\nhello",
	'a folded Transfer-Encoding' => "${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	'a first line that is folded' => "POST /webhooks/any HTTP/1.1\r\n Host: x\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	'a space before the colon' => "${post}Content-Length : 5\r\n\r\nhello",
	'a tab before the colon' => "${post}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
	'a space in a name' => "${post}X Y: 5\r\nContent-Length: 5\r\n\r\nhello",
	'no colon' => "${post}Content-Length\r\n\r\n",
	'no name' => "${post}: 5\r\nContent-Length: 5\r\n\r\nhello",
	'lines that end in LF' => "POST /webhooks/any HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello",
	'one line that ends in LF' => "${post}X: a\nContent-Length: 5\r\n\r\nhello",
	'a CR in a value' => "${post}X: a\rb\r\nContent-Length: 5\r\n\r\nhello",
	'a CR in a name' => "${post}X\r: a\r\nContent-Length: 5\r\n\r\nhello",
	'a NUL in a value' => "${post}X: a\0b\r\nContent-Length: 5\r\n\r\nhello",
	'a NUL in a name' => "${post}Content-Length\0: 5\r\n\r\nhello",
	'a NUL in the target' => "POST /webhooks/any\0x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	'a control in the target' => "POST /webhooks/any?a=\001b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	'a space in the target' => "POST /webhooks/any x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	'a fragment' => "POST /webhooks/any#x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	'two spaces' => "POST  /webhooks/any HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	'no version' => "POST /webhooks/any\r\nHost: x\r\n\r\n",
	'a small version' => "POST /webhooks/any http/1.1\r\nHost: x\r\n\r\n",
	'a space behind the version' => "POST /webhooks/any HTTP/1.1 \r\nHost: x\r\n\r\n",
	'an odd method' => "PO(ST /webhooks/any HTTP/1.1\r\nHost: x\r\n\r\n",
	'a long method' => 'P' x 1000 . " /webhooks/any HTTP/1.1\r\nHost: x\r\n\r\n",
	'no Host' => "POST /webhooks/any HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
	'two Hosts' => "${post}Host: y\r\nContent-Length: 5\r\n\r\nhello",
	'a Host that is none' => "POST /webhooks/any HTTP/1.1\r\nHost: x y\r\nContent-Length: 5\r\n\r\nhello",
	(map { ("chunks: '" . s/\r\n/|/gr =~ s/[^ -~]/?/gr . "'" => "${post}Transfer-Encoding: chunked\r\n\r\n$_") }
		  "5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
		"+5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "g\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n", "5;a\nhello\r\n0\r\n\r\n",
		"5;a=\"\r\nhello\"\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX\r\n\r\n", "5\r\nhello\r\n0\r\nX : 1\r\n\r\n", "5\r\nhello\r\n0\r\nX: 1\r\n 2\r\n\r\n", "5\r\nhello\r\n0\r\nX: 1\n\r\n", "5\r\nhello\r\n0\n\n",
		"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
);
my $file = $node->basedir . '/framing.socket';
my $path = start_shim($node, '--listen', "unix:$file");
for my $name (sort keys %bad)
{
	is(statuses($url, $bad{$name} . $next), '400', "$name: refused, and nothing behind it is read");
	is(statuses($path, $next, $bad{$name} . $next), '200 400', "$name: behind a request, by a Unix socket");
}
is(statuses($url, $next . $bad{'no colon'} . $next), '200 400', 'what is wrong does not take away the answer before it');
is(statuses($url, $next x 3 . $bad{'no colon'} . $next), '200 200 200 400', 'nor those');
is(statuses($url, "POST /webhooks/any HTTP/2.0\r\nHost: x\r\n\r\n"), '505', 'another version');
is(statuses($url, "${post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello"), '413', 'a chunk larger than numbers are');
is(statuses($url, "${post}Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello"), '413', 'one more');
is(statuses($url, "${post}Content-Length: 18446744073709551621\r\n\r\nhello"), '413', 'a length larger than numbers are');
is(stop_shim($path), 0, 'it stops in an orderly way');

# And what is right, though seldom seen.
my %good = (
	'the coding in capitals' => "${post}Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	'names in capitals' => "POST /webhooks/any HTTP/1.1\r\nHOST: x\r\nCONTENT-LENGTH:\t5\r\n\r\nhello",
	'zeros before the length' => "${post}Content-Length: 0005\r\n\r\nhello",
	'zeros before the size' => "${post}Transfer-Encoding: chunked\r\n\r\n0005\r\nhello\r\n000\r\n\r\n",
	'extensions' => "${post}Transfer-Encoding: chunked\r\n\r\n5;a;b=c;d=\"e;\\\"f\"\r\nhello\r\n0;z\r\n\r\n",
	'a trailer' => "${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Check: 1\r\nX-More: 2\r\n\r\n",
	'empty lines before the request' => "\r\n\r\n${post}Content-Length: 5\r\n\r\nhello",
	'an empty value' => "${post}X:\r\nContent-Length: 5\r\n\r\nhello",
	'a value in Latin' => "${post}X: \xe9\r\nContent-Length: 5\r\n\r\nhello",
	'no Host where there was none' => "POST /webhooks/any HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
	'a later version' => "POST /webhooks/any HTTP/1.2\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
);
for my $name (sort keys %good)
{
	my $bytes = $good{$name};
	is(statuses($url, $bytes, ''), '200', "$name: accepted");
	is(statuses($url, (map { substr $bytes, $_ * 20, 20 } 0 .. length($bytes) / 20), ''), '200', "$name: in pieces");
}

# ---- bounds: always an answer ----

my $answer = qr/^(?:200|400|403|404|405|414|431)( open)?$/;
my $get = sub { statuses($url, "GET /webhooks/any$_[0] HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" . ($_[1] // '') . "\r\n") };
is($get->('?' . join '&', map { "a$_=1" } 1 .. 1000), '414', '1,000 parameters');
is($get->('?' . join '&', map { "%61$_=%20" } 1 .. 700), '414', '700 with escapes');
is($get->('?' . '&' x 5000), '414', 'parameters that are empty');
is($get->('?' . join '&', map { "a$_=1" } 1 .. 200), '405', '200 parameters are read');
is($get->('?' . 'x' x 8000), '405', 'a long query');
is($get->('?' . 'x' x 9000), '414', 'one that is too long');
is($get->('/' . 'x' x 100_000), '414', 'a path that is too long');
is($get->("$_"), '404', "a path with $_") for '%2f', '/..', '%e9' x 300;
# Which libmicrohttpd refuses itself from some version on.
like($get->("$_"), qr/^(?:400|404)$/, "a path with $_") for '%00', '%', '%zz';
for my $n (100, 200, 500, 1000)
{
	like($get->('', join '', map { "X-$_: 1\r\n" } 1 .. $n), $answer, "$n headers");
	like($get->('', join '', map { "X-$_: " . 'x' x 100 . "\r\n" } 1 .. $n), $answer, "$n longer ones");
	like($get->('', 'Cookie: ' . join('; ', map { "c$_=1" } 1 .. $n) . "\r\n"), $answer, "$n cookies");
}
is($get->('', join '', map { "X-$_: 1\r\n" } 1 .. 90), '405', '90 headers are read');
is($get->('', join '', map { "X-$_: 1\r\n" } 1 .. 200), '431', '200 are not');
is($get->('', 'X: ' . 'x' x 20_000 . "\r\n"), '405', 'a long header is read');
is($get->('', 'X: ' . 'x' x $_ . "\r\n"), '431', "one of $_ bytes is not") for 23_000, 60_000, 1_000_000;
is(statuses($url, "${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: " . 'x' x 40_000 . "\r\n\r\n"), '431', 'nor such a trailer');
# Whatever stands behind it in the same packet.
for my $n (1, 20, 60, 95)
{
	my $many = join '', map { "X-$_: 1\r\n" } 1 .. $n;
	is(statuses($url, "${post}Content-Length: 5\r\n$many\r\nhello" x 20 . "${post}Connection: close\r\nContent-Length: 5\r\n\r\nhello"),
		join(' ', (200) x 21), "$n headers in 20 requests at once");
}

# ---- at random ----

srand($ENV{FRAMING_SEED} // 19);
my $count = $ENV{FRAMING_COUNT} // 3000;
my $serial = 0;
my %expected; # body by event

sub pick { return $_[ rand @_ ] }

# A body that nobody else has sent, with what may look like a request in it.
sub a_body
{
	my $body = 'body ' . ++$serial . ' ';
	$body .= pick("\r\n0\r\n\r\n", $next, "\0\r\n", 'x' x int rand 200, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") if rand() < 0.4;
	return $body;
}

sub chunked
{
	my ($body) = @_;
	my $out = '';
	while ($body ne '')
	{
		my $piece = substr $body, 0, 1 + int(rand 40), '';
		$out .= sprintf(pick('%x', '%X', '0%x'), length $piece) . (rand() < 0.1 ? pick(';a', ';a=b', ';a="b;\\""') : '') . "\r\n$piece\r\n";
	}
	return $out . "0\r\n" . (rand() < 0.1 ? "X-Trailer: 1\r\n" : '') . "\r\n";
}

# A request that is right.
sub a_request
{
	my $body = a_body();
	my @lines = ('Host: x', map { pick('X-A: 1', 'Accept: */*', 'X-B:', "X-C:\t\"q\"", 'Content-Type: text/plain') } 1 .. rand 4);
	my $coded = rand() < 0.4;
	push @lines, $coded ? 'Transfer-Encoding: chunked' : 'Content-Length: ' . length $body;
	push @lines, 'Connection: ' . pick('keep-alive', 'close') if rand() < 0.1;
	@lines = sort { rand() <=> 0.5 } @lines;
	my $version = !$coded && rand() < 0.05 ? '1.0' : '1.1';
	return [ "POST /webhooks/any" . pick('', '', '?a=b&c') . " HTTP/$version", \@lines, $coded ? chunked($body) : $body ];
}

sub text { my ($request) = @_; return join("\r\n", $request->[0], @{ $request->[1] }, '', '') . $request->[2] }

# Something that is wrong, or odd, on the level of lines.
sub change_lines
{
	my ($request) = @_;
	my $lines = $request->[1];
	my @odd = ('Content-Length: ' . int(rand 30), 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity', 'Transfer-Encoding: gzip, chunked', 'Content-Length: +1', 'Content-Length:',
		'Content-Length : 3', ' folded', "\tfolded", 'Host: y', 'X', ':', "X: a\0b", "X: a\rb", "X: a\nContent-Length: 3", 'Transfer-Encoding : chunked', "Transfer-Encoding:\x0bchunked",
		'Content-Length: 3, 3', 'content-length: 3', 'X: y', 'X-Y-Z: ok', "Transfer-Encoding: chunked\r\n ", 'Expect: 100-continue', '', "Content-Length: 3\r\n\r\nabc");
	my $way = int rand 5;
	if ($way < 3) { splice @$lines, rand(@$lines + 1), 0, pick(@odd) }
	elsif ($way == 3) { splice @$lines, rand(@$lines), 1 }
	else { push @$lines, pick(@$lines) }
}

# The same on the level of bytes.
sub change_bytes
{
	my ($bytes) = @_;
	my $end = rand() < 0.7 ? index $bytes, "\r\n\r\n" : length $bytes;
	my $at = int rand($end < 4 || $end + 4 > length $bytes ? length $bytes : $end + 4);
	my $way = int rand 3;
	my $byte = pick("\r", "\n", "\0", ' ', "\t", ':', "\x0b", "\xff", "\x7f", 'a', '0', '5', ';', ',', "\r\n", "\r\n ", "\n\n");
	substr($bytes, $at, $way == 0 ? 0 : 1) = $way == 2 ? '' : $byte;
	return $bytes;
}

# A strict reading: the requests that are there, [whether it is an event, its body, whether the
# connection ends behind it], and what is behind them: ok (nothing), incomplete or bad.
sub judge
{
	my ($bytes) = @_;
	my @requests;
	my $token = qr/[!#\$%&'*+.^_`|~0-9A-Za-z-]+/;
	while (1)
	{
		$bytes =~ s/\A(?:\r\n)+//;
		return (\@requests, 'ok') if $bytes eq '';
		return (\@requests, 'incomplete') unless $bytes =~ /\A(.*?\r\n)\r\n/s;
		my $head = $1;
		my $rest = substr $bytes, length($head) + 2;
		return (\@requests, 'bad') unless $head =~ s/\A($token) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([0-9])\r\n//;
		my ($method, $target, $minor) = ($1, $2, $3);
		my %fields;
		while ($head ne '')
		{
			return (\@requests, 'bad') unless $head =~ s/\A($token):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\r\n//;
			push @{ $fields{ lc $1 } }, $2;
		}
		my @lengths = @{ $fields{'content-length'} // [] };
		my @codings = @{ $fields{'transfer-encoding'} // [] };
		my @hosts = @{ $fields{host} // [] };
		return (\@requests, 'bad') if @hosts > 1 || (@hosts == 0 && $minor > 0) || grep { /[\s\/?#@]/ } @hosts;
		return (\@requests, 'bad') if @codings && (@lengths || $minor == 0 || lc join(',', @codings) ne 'chunked');
		return (\@requests, 'bad') if @lengths > 1 || grep { !/\A[0-9]+\z/ } @lengths;
		my $body = '';
		if (@codings)
		{
			($body, $rest, my $verdict) = judge_chunks($rest);
			return (\@requests, $verdict) if $verdict ne 'ok';
		}
		elsif (@lengths)
		{
			return (\@requests, 'incomplete') if length $rest < $lengths[0];
			$body = substr $rest, 0, $lengths[0], '';
		}
		my $connection = lc join ',', @{ $fields{connection} // [] };
		push @requests, [ scalar($method eq "POST" && $target =~ m{\A/webhooks/any(?:\?.*)?\z}), $body, $connection =~ /close/ || ($minor == 0 && $connection !~ /keep-alive/) ];
		$bytes = $rest;
	}
}

# Returns the body, what is behind it, and ok, incomplete or bad.
sub judge_chunks
{
	my ($bytes) = @_;
	my $token = qr/[!#\$%&'*+.^_`|~0-9A-Za-z-]+/;
	my $body = '';
	while (1)
	{
		return ('', '', $bytes =~ /\n/ ? 'bad' : 'incomplete') unless $bytes =~ /\r\n/;
		return ('', '', 'bad') unless $bytes =~ s/\A([0-9A-Fa-f]+)(?:;$token(?:=(?:$token|"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*\r\n//;
		my $size = hex $1;
		last if $size == 0;
		return ('', '', 'incomplete') if length $bytes < $size;
		$body .= substr $bytes, 0, $size, '';
		return ('', '', length $bytes < 2 ? 'incomplete' : 'bad') unless $bytes =~ s/\A\r\n//;
	}
	while ($bytes !~ s/\A\r\n//)
	{
		return ('', '', 'incomplete') unless $bytes =~ /\r\n/;
		return ('', '', 'bad') unless $bytes =~ s/\A$token:[ \t]*[\t\x20-\x7e\x80-\xff]*\r\n//;
	}
	return ($body, $bytes, 'ok');
}

# Sends bytes in pieces, and the end of the stream; returns the socket.
sub send_in_pieces
{
	my ($rest) = @_;
	my $socket = connect_to($url);
	local $SIG{PIPE} = 'IGNORE';
	while ($rest ne '')
	{
		my $piece = substr $rest, 0, rand() < 0.5 ? length $rest : 1 + int(rand length $rest), '';
		last unless defined syswrite $socket, $piece;
	}
	shutdown $socket, 1;
	return $socket;
}

# The answers that come until the other side closes: [status, body].
sub read_answers
{
	my ($socket) = @_;
	my ($data, @answers) = ('');
	while (1)
	{
		return [ 0, 'no end of the stream' ] unless IO::Select->new($socket)->can_read(20);
		sysread $socket, my $more, 65536 or last;
		$data .= $more;
	}
	while ($data =~ s{\AHTTP/1\.1 (\d+) [^\r]*\r\n(.*?\r\n)??\r\n}{}s)
	{
		my ($status, $fields) = ($1, $2 // '');
		my ($length) = $fields =~ /^Content-Length: (\d+)/mi;
		my $body = substr $data, 0, $length // 0, '';
		push @answers, [ $status, $body ] if $status != 100;
	}
	return @answers, $data eq '' ? () : [ 0, $data ];
}

# What is wrong with the answers, or ''.
sub fault
{
	my ($requests, $verdict, @answers) = @_;
	for my $i (0 .. $#answers)
	{
		my ($status, $body) = @{ $answers[$i] };
		my $last = $i == $#answers;
		if ($i > $#$requests)
		{
			return "answer " . ($i + 1) . " is $status" unless $last && $status =~ /^(4|505)/;
			return 'an answer too many' if $verdict eq 'ok';
		}
		elsif ($status == 200)
		{
			return 'no event, but 200' unless $requests->[$i][0];
			return "no id" unless $body =~ /"event_id":"(\d+)"/;
			$expected{$1} = $requests->[$i][1];
		}
		else
		{
			return "answer is $status" unless $status =~ /^4/;
			return "$status, and it goes on" unless $last || !$requests->[$i][0];
		}
	}
	return '' if @answers && $answers[-1][0] >= 400;
	return '' if @answers && $requests->[$#answers][2];
	return 'too few answers' if @answers < @$requests;
	return $verdict eq 'bad' ? 'not refused' : '';
}

sub show { return $_[0] =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger }

my ($faults, $served, $refused, $plain) = (0, 0, 0, 0);

# Judges what has come for a sequence that was sent.
sub settle
{
	my ($number, $bytes, $is_plain, $socket) = @_;
	my ($requests, $verdict) = judge($bytes);
	my @answers = read_answers($socket);
	my $fault = fault($requests, $verdict, @answers);
	$served += grep { $_->[0] == 200 } @answers;
	$refused += grep { $_->[0] >= 400 } @answers;
	$plain += $is_plain;
	$fault ||= 'a plain request is refused' if $is_plain && grep { $_->[0] != 200 } @answers;
	return if $fault eq '' || $faults++ >= 5;
	diag("$number: $fault: judged " . scalar(@$requests) . " and $verdict, answers " . join(' ', map { $_->[0] } @answers) . ': ' . show($bytes));
}

my @under_way;
for my $i (1 .. $count)
{
	my @sequence = map { a_request() } 1 .. 1 + rand 3;
	my $is_plain = rand() < 0.15;
	unless ($is_plain || rand() < 0.4) { change_lines(pick(@sequence)) for 0 .. rand 2 }
	my $bytes = join '', map { text($_) } @sequence;
	unless ($is_plain || rand() < 0.4) { $bytes = change_bytes($bytes) for 0 .. rand 2 }
	push @under_way, [ $i, $bytes, $is_plain, send_in_pieces($bytes) ];
	if (@under_way == 200 || $i == $count) { settle(@$_) for splice @under_way }
}
is($faults, 0, "$count sequences are read as a strict reader does, or refused");
cmp_ok($_->[0], '>', $count / 20, "some are $_->[1]") for [ $served, 'served' ], [ $refused, 'refused' ], [ $plain, 'plain' ];

# What is stored is what the strict reader saw, and no more.
my $ids = join ',', map { "('$_', '" . unpack('H*', $expected{$_}) . "')" } keys %expected;
is($node->safe_psql('postgres', "SELECT count(*) FROM (VALUES $ids) e(id, body) JOIN intake.events v ON v.id = e.id::bigint AND v.body = decode(e.body, 'hex')"),
	scalar keys %expected, 'every event has the body of its request');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.events WHERE source = 'any' AND body = 'hello' OR body = 'smuggled'"), '2', 'and nothing else is stored');

is(stop_shim($url), 0, 'the shim stops in an orderly way');
$node->stop;
done_testing();
