# The courier as a program: options that are not valid end it with a word and status 2; without a database
# it goes on trying and stops at once when told to; an ordinary user needs nothing but the connection
# string; and no password is ever in its log.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $dir = PostgreSQL::Test::Utils::tempdir;
my $program = $ENV{INTAKE_COURIER};

# Runs the program to its end; returns its status, and what it says.
sub run_courier
{
	my ($out, $err) = ('', '');
	IPC::Run::run([ $program, @_ ], '>', \$out, '2>', \$err, IPC::Run::timeout(30));
	return ($? >> 8, $out, $err);
}

# ---- options ----

my ($status, $out, $err) = run_courier('--version');
is("$status $out", "0 intake-courier 0.1.0\n", 'its version');
($status, $out, $err) = run_courier('--help');
is($status, 0, 'help is no error');
for my $option (qw(allow ca-file drain dsn listen log-level max-held max-transfers name proxy))
{
	like($out, qr/^  --$option [A-Z]/m, "... and has --$option");
}

for my $bad (
	[ [qw(--no-such-thing)], qr/unknown option "--no-such-thing"/ ],
	[ [qw(start)], qr/unknown option "start"/ ],
	[ [qw(--dsn)], qr/--dsn needs a value/ ],
	[ [qw(--max-transfers 0)], qr/--max-transfers: "0" is not valid/ ],
	[ [qw(--max-held 64MB)], qr/--max-held: "64MB" is not valid/ ],
	[ [qw(--allow 10.0.0.0/33)], qr{--allow: "10.0.0.0/33" is not valid} ],
	[ [qw(--allow example.com)], qr/--allow: "example.com" is not valid/ ],
	[ [qw(--drain -1)], qr/--drain: "-1" is not valid/ ],
	[ [qw(--log-level loud)], qr/--log-level: "loud" is not valid/ ],
	[ [ '--ca-file', "$dir/none" ], qr/--ca-file: cannot read ".*none": No such file/ ],
	[ [qw(--proxy ftp://user:sesame@proxy)], qr/--proxy: not a URL that begins with http:/ ],
	[ [qw(--proxy proxy:3128)], qr/--proxy: not a URL/ ])
{
	my ($options, $says) = @$bad;
	($status, $out, $err) = run_courier(@$options);
	is($status, 2, "'@$options' is refused");
	like($err, $says, '... with the reason');
	unlike($err, qr/sesame/, '... and without a password');
}
for my $listen ('nowhere', '127.0.0.1:99999', '127.0.0.1:', '127.0.0.1:http', 'unix:relative', "unix:$dir/none/socket")
{
	($status, $out, $err) = run_courier('--listen', $listen);
	is($status, 1, "it does not listen on '$listen'");
	like($err, qr/error: .*listen/, '... and says so');
}
{
	local $ENV{INTAKE_COURIER_MAX_TRANSFERS} = 'many';
	($status) = run_courier();
	is($status, 2, 'a variable of the environment counts');
}

# ---- running ----

my $n = 0;
my @couriers;
END
{
	my $status = $?;
	kill 'KILL', @couriers;
	$? = $status;
}

# Starts the program with nothing but these options, as a service would; returns its process and log.
sub start_courier
{
	my $log = "$dir/courier" . ++$n . '.log';
	append_to_file($log, '');
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		%ENV = ();
		chdir '/' or die;
		open STDIN, '<', '/dev/null' or die;
		open STDERR, '>', $log or die;
		exec $program, @_;
		die "exec: $!";
	}
	push @couriers, $pid;
	return ($pid, $log);
}

# Sends a signal; returns the status and how long that took.
sub stop_courier
{
	my ($pid, $signal) = @_;
	my $start = time;
	kill $signal, $pid;
	waitpid $pid, 0;
	@couriers = grep { $_ != $pid } @couriers;
	return ($?, time - $start);
}

for my $signal (qw(TERM INT))
{
	my ($pid, $log) = start_courier('--dsn', "host=$dir password=sesame", '--proxy', 'http://user:sesame@127.0.0.1:1');
	wait_for(sub { slurp_file($log) =~ /no connection to the database/ }, 'the courier finds no database');
	my ($how, $seconds) = stop_courier($pid, $signal);
	is($how, 0, "without a database it stops by SIG$signal");
	cmp_ok($seconds, '<', 10, '... without waiting for what it does not have');
	unlike(slurp_file($log), qr/sesame/, '... and its log has no password');
}

my $node = new_server('program');
$node->safe_psql('postgres', "CREATE ROLE courier LOGIN; CREATE ROLE stranger LOGIN;
	SELECT intake.grant_access('courier', 'courier')");
my ($pid, $log) = start_courier('--dsn', $node->connstr('postgres') . ' user=courier password=sesame', '--listen', "unix:$dir/socket");
wait_for(sub { slurp_file($log) =~ /info: entered as/ }, 'the courier enters');
is($node->safe_psql('postgres', 'SELECT role FROM intake.couriers'), 'courier', 'the connection string is enough');
my ($how) = stop_courier($pid, 'INT');
is($how, 0, 'SIGINT stops it');
is($node->safe_psql('postgres', 'SELECT count(*) FROM intake.couriers'), '0', '... and the database knows');
ok(!-e "$dir/socket", '... and its socket is gone');
like(slurp_file($log), qr/^\S+Z intake-courier info: stopping\n\S+Z intake-courier info: stopped\n\z/m, '... as the log says');
unlike(slurp_file($log), qr/sesame/, '... without the password');

($pid, $log) = start_courier('--dsn', $node->connstr('postgres') . ' user=stranger');
wait_for(sub { slurp_file($log) =~ /permission denied/ }, 'a role without the access is refused');
my ($refused, $seconds) = stop_courier($pid, 'TERM');
is($refused, 0, '... and the courier stops');
cmp_ok($seconds, '<', 10, '... soon');

done_testing();
