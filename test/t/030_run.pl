# make run ends with everything that it has started: by Ctrl-C, by SIGINT or SIGTERM to make or to its
# script, and when one of its programs has died.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX qw(setpgid);
use Test::More;

# Short, since the path of a socket is.
my $place = PostgreSQL::Test::Utils::tempdir_short();
my %ports = (HTTP_PORT => PostgreSQL::Test::Cluster::get_free_port(), PG_PORT => PostgreSQL::Test::Cluster::get_free_port());

# Starts make run as the leader of a process group; returns its process when it serves.
sub start
{
	my ($log) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		setpgid(0, 0);
		%ENV = (%ENV, %ports, RUN_DIR => "$place/run");
		open STDIN, '<', '/dev/null' or die;
		open STDOUT, '>', $log or die;
		open STDERR, '>&', \*STDOUT or die;
		exec 'make', '--no-print-directory', 'run';
		die "exec: $!";
	}
	wait_for(sub { -e $log && slurp_file($log) =~ /Ctrl-C stops everything/ }, 'make run serves');
	return $pid;
}

# The process of the script: the child of make.
sub script_of { return (split ' ', slurp_file("/proc/$_[0]/task/$_[0]/children"))[0] }

# The process of a program that the script has started.
sub program_of
{
	my ($make, $name) = @_;
	my $script = script_of($make);
	return grep { slurp_file("/proc/$_/cmdline") =~ m{/intake-$name\0} } split ' ', slurp_file("/proc/$script/task/$script/children");
}

# Whether the server of the directory has taken its leave, and nobody listens at either port.
sub is_over
{
	return !-e "$place/run/data/postmaster.pid"
	  && !grep { IO::Socket::INET->new("127.0.0.1:$_") } values %ports;
}

my @ways = (
	[ 'Ctrl-C', sub { kill 'INT', -$_[0] } ],
	[ 'SIGINT to make', sub { kill 'INT', $_[0] } ],
	[ 'SIGTERM to make', sub { kill 'TERM', $_[0] } ],
	[ 'SIGINT to the script', sub { kill 'INT', script_of($_[0]) } ],
	[ 'SIGTERM to the script', sub { kill 'TERM', script_of($_[0]) } ],
	[ 'the death of the courier', sub { kill 'KILL', program_of($_[0], 'courier') } ],
	[ 'the death of the shim', sub { kill 'KILL', program_of($_[0], 'shim') } ]);
for my $way (@ways)
{
	my ($name, $signal) = @$way;
	my $log = "$place/$name.log";
	my $pid = start($log);
	ok(-e "$place/run/data/postmaster.pid", "$name: the server runs");
	$signal->($pid);
	wait_for(sub { waitpid($pid, POSIX::WNOHANG) != 0 }, "$name ends make run");
	like(slurp_file($log), qr/run: stopped; the data stays/, "$name: says that it has stopped");
	like(slurp_file($log), qr/run: the $1 has ended; its log is/, "$name: is named") if $name =~ /death of the (\w+)/;
	ok(is_over(), "$name: nothing is left running");
}
done_testing();
