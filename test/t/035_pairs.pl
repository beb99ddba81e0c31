# Every preset, both ways: a delivery that comes again is no second event, and the sender's next event
# about the same thing is one. The deliveries are test/vectors/pairs.json, in the shape that each sender
# documents; intake.sign signs them. Presets of public keys are tried as HMAC, with the same places.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha1_hex hmac_sha256 hmac_sha256_hex sha1);
use Intake;
use JSON::PP;
use MIME::Base64 qw(encode_base64 encode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = '0123456789abcdef0123456789abcdef';
my $node = new_server('pairs');
my $json = JSON::PP->new->canonical;
my ($key, $certificate) = map { PostgreSQL::Test::Utils::tempdir . "/$_" } qw(key.pem certificate.pem);
IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=sns -days 2 -keyout), $key, '-out', $certificate ], '>', \my $said, '2>&1') or die 'openssl';
my $pairs = JSON::PP->new->utf8->decode(slurp_file('test/vectors/pairs.json'));
my %presets = map { my ($name, @rest) = split /\|/; $name => \@rest }
  split /\n/, $node->safe_psql('postgres', "SELECT name, missing_key, coalesce(timestamp_unit, ''), split IS NOT NULL FROM intake.scheme WHERE preset AND kind <> 'internal'");

# A source for a preset, or for its twin; and a request to it, signed AT where SIGNS. What is wrong is an answer, too.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION make_source(name text, secret text, query text, options jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s intake.scheme := (SELECT c FROM intake.scheme c WHERE c.name = make_source.name);
    twin boolean := s.name <> 'aws-sns' AND s.kind IN ('ed25519', 'ecdsa', 'rsa') OR (s.kind = 'jwt' AND s.algorithm NOT LIKE 'HS%');
BEGIN
    IF twin THEN
        INSERT INTO intake.scheme SELECT (jsonb_populate_record(NULL::intake.scheme, to_jsonb(s) || jsonb_build_object(
            'name', make_source.name || '-twin', 'kind', CASE s.kind WHEN 'jwt' THEN 'jwt' ELSE 'hmac' END, 'preset', false, 'key', 'raw', 'format', CASE s.format WHEN 'json' THEN 'plain' ELSE s.format END,
            'algorithm', CASE s.kind WHEN 'jwt' THEN 'HS256' ELSE 'sha256' END))).*;
    END IF;
    PERFORM intake.create_source(make_source.name, make_source.name || CASE WHEN twin THEN '-twin' ELSE '' END,
        CASE WHEN s.kind = 'none' THEN NULL WHEN s.kind = 'basic' THEN 'user:password'
             WHEN NOT twin AND s.key LIKE 'base64%' THEN encode(secret::bytea, 'base64') ELSE secret END,
        public_url => 'https://hooks.example.com/in' || query, verify_token => CASE name WHEN 'aws-sns' THEN 'arn:aws:sns:us-east-1:123456789012:MyTopic' ELSE 'token' END,
        verified => CASE WHEN s.kind = 'none' THEN 'none' END, options => options);
END $$;
CREATE FUNCTION attempt(source text, headers jsonb, body text, query text, signs boolean, at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer record;
    bytes bytea := convert_to(body, 'UTF8');
    events bigint := (SELECT count(*) FROM intake.event);
BEGIN
    IF signs THEN
        headers := headers || intake.sign(source, bytes, headers, at);
    END IF;
    answer := intake.ingest(source, headers, bytes, query);
    IF answer.status <> 200 THEN
        RETURN (SELECT answer.status || ' ' || r.reason || coalesce(': ' || r.detail, '') FROM intake.rejections r WHERE r.source = attempt.source ORDER BY r.id DESC LIMIT 1);
    END IF;
    RETURN CASE WHEN (SELECT count(*) FROM intake.event) > events THEN 'new' ELSE 'known' END;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END $$;
SQL

# Those whose signature stands in the body. The placeholders are the test's own.
my %signers = (
	'adyen-item' => sub {
		my ($body) = @_;
		my $item = $json->decode($body)->{notificationItems}[0]{NotificationRequestItem};
		my $text = join ':', map { $_ // '' } @$item{qw(pspReference originalReference merchantAccountCode merchantReference)},
		  $item->{amount}{value}, $item->{amount}{currency}, @$item{qw(eventCode success)};
		return encode_base64(hmac_sha256($text, pack 'H*', $secret), '');
	},
	'braintree' => sub {
		my ($payload) = $_[0] =~ /bt_payload=([^&]*)/;
		$payload =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
		return 'public%7C' . hmac_sha1_hex($payload, sha1($secret));
	},
	'dropbox-sign' => sub { $_[0] =~ /"event_time":\s*"(\d+)".*?"event_type":\s*"(\w+)"/s or die; return hmac_sha256_hex("$1$2", $secret) },
	'mailgun' => sub { $_[0] =~ /"timestamp":\s*"(\d+)".*?"token":\s*"(\w+)"/s or die; return hmac_sha256_hex("$1$2", $secret) },
	'mailgun-routes' => sub { $_[0] =~ /timestamp=(\d+)&token=(\w+)/ or die; return hmac_sha256_hex("$1$2", $secret) },
	'aws-sns' => sub {
		my $said = $json->decode($_[0]);
		my $message = join '', map { "$_\n$said->{$_}\n" } qw(Message MessageId Timestamp TopicArn Type);
		IPC::Run::run([ qw(openssl dgst -sha1 -sign), $key ], '<', \$message, '>', \my $signature) or die 'openssl';
		return encode_base64($signature, '');
	},
	'figma' => undef, 'microsoft-graph' => undef, 'kinde' => undef, 'azure-event-grid' => undef);

# A JSON Web Token that says this.
sub token
{
	my $input = join '.', map { encode_base64url($_) } '{"alg":"HS256","typ":"JWT"}', $_[0];
	return $input . '.' . encode_base64url(hmac_sha256($input, $secret));
}

sub sql_text { return defined $_[0] ? "\$text\$$_[0]\$text\$" : 'NULL' }

# What is sent for a delivery, after SECONDS.
sub attempt
{
	my ($preset, $delivery, $seconds) = @_;
	my $now = time + $seconds;
	my %times = (s => $now, ms => $now * 1000, iso8601 => POSIX_time($now));
	my $time = $times{ $presets{$preset}[1] } // $now;
	my $body = $delivery->{body} =~ s/\@TIME\@/$time/gr =~ s/\@SECRET\@/$secret/gr;
	my $signer = $signers{$preset};
	$body =~ s/\@SIG(NATURE)?\@/$signer->($body)/ge if $signer;
	$body = token($body) if $preset eq 'kinde';
	my %headers = %{ $delivery->{headers} // {} };
	delete @headers{ grep { $headers{$_} =~ /\@TIME\@/ } keys %headers }; # intake.sign sets it
	return sprintf 'SELECT attempt(%s, %s, %s, %s, %s, to_timestamp(%d));', map({ sql_text($_) } $preset, $json->encode(\%headers), $body, $delivery->{query} // ''),
	  exists $signers{$preset} ? 'false' : 'true', $now;
}

sub POSIX_time { my @t = gmtime $_[0]; return sprintf '%d-%02d-%02dT%02d:%02d:%02dZ', $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0] }

my %has;
for my $pair (@$pairs)
{
	my $preset = $pair->{preset};
	my $each = $presets{$preset}[0] eq 'each';
	for my $split ($presets{$preset}[2] eq 't' ? (0, 1) : 0)
	{
		my $name = $preset . ($split ? ', split' : '');
		my $options = $split ? '{"split": true}' : '{}';
		my @sql = ('BEGIN;', 'SET LOCAL client_min_messages = error;', 'SELECT make_source(' . join(', ', map { sql_text($_) } $preset, $preset eq 'aws-sns' ? slurp_file($certificate) : $secret, $pair->{first}{query} ? "?$pair->{first}{query}" : '', $options) . ');',
			attempt($preset, $pair->{first}, 0), attempt($preset, $pair->{first}, 0), attempt($preset, $pair->{retry} // $pair->{first}, 2),
			attempt($preset, $pair->{next}, 3), attempt($preset, $pair->{first}, 0), 'ROLLBACK;');
		my ($answers) = split /\z/, $node->safe_psql('postgres', join "\n", @sql);
		my @answers = grep { length } split /\n/, $answers;
		my $again = $each ? 'new' : 'known';
			is(join(', ', @answers), join(', ', 'new', $again, $again, 'new', $again), $name);
	}
	$has{$preset} = 1;
}
is_deeply([ grep { !$has{$_} } sort keys %presets ], [], 'every preset has its pair');

$node->stop;
done_testing();
