# The senders' own SDKs, over HTTP through a real shim, in both directions. INTAKE_CLIENTS is a
# copy of test/clients with its packages installed.
use strict;
use warnings;
use Intake;
use Test::More;

plan skip_all => 'the packages of test/clients are not installed' unless $ENV{INTAKE_CLIENTS};

my $node = new_server('clients');
my $url = start_shim($node);
my %environment = (INTAKE_URL => $url, PGHOST => $node->host, PGPORT => $node->port, PGUSER => scalar getpwuid($<), PGDATABASE => 'postgres');
local @ENV{ keys %environment } = values %environment;

chdir $ENV{INTAKE_CLIENTS} or die "$ENV{INTAKE_CLIENTS}: $!";
open my $tap, '-|', 'node', '--test', '--test-concurrency=1', '--test-reporter=tap', glob '*.test.mjs' or die "node: $!";
my @lines = <$tap>;
close $tap;

# Each test of node is one here; the lines below it say why it failed.
for my $i (0 .. $#lines)
{
	my ($not, $name, $skip) = $lines[$i] =~ /^(not )?ok \d+ - (.*?)(?: # SKIP(.*))?$/ or next;
	if (defined $skip) { SKIP: { skip "$name:$skip", 1 } next }
	ok(!$not, $name) or diag(join '', grep { defined } @lines[ $i + 1 .. $i + 30 ]);
}
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.rejections WHERE status >= 500"), '0', 'nothing was our fault');

stop_shim($url);
done_testing();
