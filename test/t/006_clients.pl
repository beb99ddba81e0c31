# SDKs as senders and as judges, over HTTP: the tests of test/clients, which run in Node.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = $ENV{INTAKE_CLIENTS};
plan skip_all => 'INTAKE_CLIENTS names no copy of test/clients with its node_modules' unless $clients;
plan skip_all => 'there is no node that this user can run' unless grep { -x "$_/node" } split /:/, $ENV{PATH};

my $node = new_server('clients');
my $url = start_shim($node);

for my $file (map { s{.*/}{}r } sort glob "$clients/*.test.js")
{
	my ($output, $errors) = run_file($file);
	my $tests = report($file, $output);
	my ($planned) = $output =~ /^1\.\.(\d+)/m;
	is($tests, $planned // 'a plan', "$file: ran to its end") or diag $errors;
}

$node->stop;
done_testing();

# Runs a file of tests; returns its TAP, and what it wrote beside it.
sub run_file
{
	my ($file) = @_;
	local %ENV = (%ENV, INTAKE_URL => $url, PGHOST => $node->host, PGPORT => $node->port,
		PGUSER => 'postgres', PGDATABASE => 'postgres');
	my ($output, $errors) = ('', '');
	IPC::Run::run([ "$clients/run.sh", $file ], '>', \$output, '2>', \$errors);
	return ($output, $errors);
}

# Says every test of a file again; what follows a failure explains it. Returns how many there were.
sub report
{
	my ($file, $output) = @_;
	my $tests = 0;
	while ($output =~ /^(not )?ok \d+ - (.*)\n((?:  .*\n)*)/mg)
	{
		my ($failed, $name, $details) = ($1, $2, $3);
		my $why = $name =~ s/ # SKIP\s*(.*)// && $1;
		$tests++;
	  SKIP:
		{
			skip "$file: $name: $why", 1 if $why;
			ok(!$failed, "$file: $name") or diag $details;
		}
	}
	return $tests;
}
