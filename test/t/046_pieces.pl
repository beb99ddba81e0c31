# A change of one source reaches every process that knows it: over a prepared transaction, on a standby,
# where the library is not preloaded; and under load no request is refused that either secret would pass.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('pieces', max_prepared_transactions => 5);
$node->safe_psql('postgres', "SELECT intake.create_source('other', 'hmac', secret => 'secret-other')");

# Whether a session takes what is signed with a secret.
my $verifies = sub {
	my ($session, $secret, $source) = @_;
	return $session->query_safe(sprintf q{SELECT intake.verify('%s', '{"X-Signature": "%s"}', 'b')}, $source // 'src', hmac_sha256_hex('b', $secret));
};
my $rotate = sub { "SELECT intake.rotate_secret('src', '$_[0]', overlap => '0')" };

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('pieces_standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
my %session = (primary => $node->background_psql('postgres'), standby => $standby->background_psql('postgres'));

# Both sessions know a secret, or do not know it any more.
my $all = sub {
	my ($expected, $secret, $when) = @_;
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	is($verifies->($session{$_}, $secret), $expected, "$_: $when") for sort keys %session;
	is($verifies->($session{$_}, 'secret-other', 'other'), 't', "$_: another source is as it was") for sort keys %session;
};
$all->('t', SECRET, 'the secret verifies');
$node->safe_psql('postgres', $rotate->('secret-two'));
$all->('f', SECRET, 'the old secret does not, once another session has changed it');
$all->('t', 'secret-two', 'the new one does');
$node->safe_psql('postgres', 'BEGIN; ' . $rotate->('secret-three') . q{; PREPARE TRANSACTION 'p'});
$all->('t', 'secret-two', 'what is prepared has not happened');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
$all->('f', 'secret-two', 'what was prepared has, once it is committed');
$all->('t', 'secret-three', 'and the new secret verifies');
$_->quit for values %session;
$standby->stop;

# Two senders, each of which signs with the newest secret it has been told of, or the one before.
my $directory = PostgreSQL::Test::Utils::tempdir();
my $tell = sub {
	my ($number) = @_;
	append_to_file("$directory/next", $number);
	rename "$directory/next", "$directory/number" or die $!;
};
my $secret = sub { $_[0] == 0 ? 'secret-three' : "secret-load-$_[0]" };
my $send = sub {
	my ($url, $sender) = @_;
	my ($sent, $refused) = (0, 0);
	until (-e "$directory/stop")
	{
		my $number = slurp_file("$directory/number");
		my $body = body_of("$sender-" . $sent++);
		my $with = $secret->($number > 0 && $sent % 2 ? $number - 1 : $number);
		$refused++ if post($url, $body, { 'X-Signature' => hmac_sha256_hex($body, $with) })->{status} != 200;
	}
	append_to_file("$directory/sent$sender", "$sent $refused");
};
$tell->(0);
my $url = start_shim($node);
my @senders;
for my $sender (1, 2)
{
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		$send->("$url/webhooks/src", $sender);
		require POSIX;
		POSIX::_exit(0);
	}
	push @senders, $pid;
}
my $rejections = "SELECT coalesce(sum(requests), 0) FROM intake.rejections WHERE source = 'src' AND id > ";
my $last = $node->safe_psql('postgres', 'SELECT coalesce(max(id), 0) FROM intake.rejections');
my $events = sub { $node->safe_psql('postgres', 'SELECT count(*) FROM intake.events') };
for my $number (1 .. 8)
{
	my $before = $events->();
	$node->safe_psql('postgres', "SELECT intake.rotate_secret('src', '" . $secret->($number) . "')");
	$tell->($number);
	wait_for(sub { $events->() > $before + 10 }, 'events come');
}
append_to_file("$directory/stop", '');
waitpid $_, 0 for @senders;
for my $sender (1, 2)
{
	my ($sent, $refused) = split ' ', slurp_file("$directory/sent$sender");
	cmp_ok($sent, '>', 20, "sender $sender has sent $sent requests");
	is($refused, 0, 'and none was refused');
}
is($node->safe_psql('postgres', $rejections . $last), '0', 'nor is there a rejection');
stop_shim($url);
$node->stop;

# The messages are the server's own: they come without the library in shared_preload_libraries, too.
my $bare = PostgreSQL::Test::Cluster->new('pieces_bare');
$bare->init(extra => [ '-U', 'postgres' ]);
$bare->start;
$bare->safe_psql('postgres', "CREATE EXTENSION pg_intake CASCADE; SELECT intake.create_source('src', 'hmac', secret => '" . SECRET . "')");
my $bare_session = $bare->background_psql('postgres');
is($verifies->($bare_session, SECRET), 't', 'not preloaded: the secret verifies');
$bare->safe_psql('postgres', $rotate->('secret-two'));
is($verifies->($bare_session, SECRET), 'f', 'not preloaded: the old secret does not, once another session has changed it');
is($verifies->($bare_session, 'secret-two'), 't', 'not preloaded: the new one does');
$bare_session->quit;
$bare->stop;
done_testing();
