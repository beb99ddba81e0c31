# A server that has not loaded the library says so to whoever sets something up.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('not_preloaded');
$node->init(extra => [ '-U', 'postgres' ]);
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->start;

my $warning = qr/WARNING: +no job will run: the server has not loaded the library pg_intake\nHINT: .*shared_preload_libraries = 'pg_intake'/;
my $create = "CREATE EXTENSION pg_intake CASCADE";
my $workflow = sub {
	"CREATE FUNCTION handle_$_[0](job intake.job) RETURNS void LANGUAGE sql AS '';
	 SELECT intake.create_workflow('$_[0]', 'handle_$_[0](intake.job)')";
};
my $says = sub {
	my ($sql) = @_;
	my ($code, undef, $err) = $node->psql('postgres', $sql);
	is($code, 0, "$sql: succeeds");
	return $err;
};

like($says->($create), $warning, 'CREATE EXTENSION warns');
like($says->($workflow->('early')), $warning, 'create_workflow warns');
$says->("CREATE ROLE configurer LOGIN; GRANT CREATE ON SCHEMA public TO configurer; SELECT intake.grant_access('configurer', 'admin')");
like($says->('SET ROLE configurer; ' . $workflow->('other')), $warning, 'and whoever may call it is told');
$says->("DROP ROLE IF EXISTS nobody; SELECT intake.emit('t', '1')");

# Done as the hint says, all is well, and what waited runs.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_intake'\n");
$node->restart;
unlike($says->($workflow->('late')), qr/WARNING/, 'no warning where the library is loaded');
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.jobs WHERE state = 'done'");
pass('what had waited runs');
$node->safe_psql('postgres', 'CREATE DATABASE other');
my (undef, undef, $err) = $node->psql('other', $create);
unlike($err, qr/WARNING/, 'CREATE EXTENSION is content, too');
$node->stop;
done_testing();
