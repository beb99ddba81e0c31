# pg_upgrade: every workflow waits, and one call lets all run again.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = new_server('old');
$old->safe_psql('postgres', q{CREATE ROLE alice LOGIN;
	CREATE TABLE effect (key text, who text DEFAULT session_user);
	GRANT INSERT ON effect TO PUBLIC;
	GRANT CREATE ON SCHEMA public TO alice;
	SELECT intake.grant_access('alice', 'admin')});
$old->safe_psql('postgres', q{CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('w', 'note(intake.job)', type => 'n'), intake.create_workflow('paused', 'note(intake.job)', type => 'p')},
	extra_params => [ '-U', 'alice' ]);
$old->safe_psql('postgres', q{SELECT intake.pause_workflow('paused'), intake.emit('n', '{}', key => 'before')});
wait_for_sql($old, "SELECT count(*) = 1 FROM effect WHERE key = 'before'");
my $grantable = q{SELECT string_agg(access || privilege, ',' ORDER BY access, privilege), (SELECT relrowsecurity FROM pg_class WHERE relname = 'grantable') FROM intake.grantable};
my $lines = $old->safe_psql('postgres', $grantable);
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_intake'\n");
my $bindir = $new->config_data('--bindir');
chdir $new->basedir;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
		'-p', $old->port, '-P', $new->port, '-s', $new->host ], 'pg_upgrade');
$new->start;
my $states = q{SELECT string_agg(concat_ws(' ', name, owner, handler, state), ', ' ORDER BY name) FROM intake.workflows};
is($new->safe_psql('postgres', $states), 'paused alice public.note(intake.job) paused, w alice public.note(intake.job) restored', 'nothing runs by itself');
$new->safe_psql('postgres', q{SELECT intake.emit('n', '{}', key => 'between')});
is($new->safe_psql('postgres', 'SELECT intake.resume_workflows()'), '2', 'one call resumes all');
is($new->safe_psql('postgres', $states), 'paused alice public.note(intake.job) paused, w alice public.note(intake.job) active', 'but for what was paused');
ok(wait_for_sql($new, "SELECT count(*) = 1 FROM effect WHERE key = 'between' AND who = 'alice'"), 'what waited runs');
my ($code, $out, $err) = $new->psql('postgres', 'DROP OWNED BY alice; DROP ROLE alice');
like($err, qr/cannot be dropped because some objects depend on it.*column owner of table intake.workflow/s, 'its owner cannot be dropped');

is($new->safe_psql('postgres', $grantable), $lines, 'what can be granted is the same');
$new->safe_psql('postgres', "CREATE ROLE bob; SELECT intake.grant_access('bob', 'admin')");

$new->stop;
done_testing();
