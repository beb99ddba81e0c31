# A schedule as docs/operations.md has it: however often it fires, each slot is one event and one job, and a
# slot that was missed is made up for. The server's clock is set to just before it fires (clock.c).
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::Local qw(timegm);

chomp(my $share = `pg_config --sharedir`);
plan skip_all => 'there is no pg_cron' unless -e "$share/extension/pg_cron.control";

require './test/bin/blocks.pl';
my $dir = PostgreSQL::Test::Utils::tempdir();
my $library = "$dir/clock.so";
(my $source = __FILE__) =~ s/064_schedule\.pl$/clock.c/;
system('cc', '-O1', '-shared', '-fPIC', '-o', $library, $source) == 0 or die "cc: $?";

# It is so many days after tomorrow in UTC, and a moment before five minutes past that hour; with a half, nothing
# is due soon.
my ($day, $month, $year) = (gmtime(time + 86400))[ 3, 4, 5 ];
my $tomorrow = timegm(0, 0, 0, $day, $month, $year);
my $set_clock = sub {
	my ($days, $hour) = @_;
	open my $out, (-e "$dir/clock" ? '+<' : '>'), "$dir/clock" or die;
	syswrite $out, pack('q', $tomorrow + $days * 86400 + $hour * 3600 + 4 * 60 + 57 - time) or die;
	close $out;
};

$set_clock->(0, 11.5);
local %ENV = (%ENV, LD_PRELOAD => $library, INTAKE_CLOCK => "$dir/clock");
my $node = new_server('schedule');
delete $ENV{LD_PRELOAD};
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_intake, pg_cron'\ncron.database_name = 'app'\ncron.use_background_workers = on\n");
my $start = sub {
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
	return wait_for_sql($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'pg_cron%'});
};
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->stop;
$start->();
my $sql = sub { return $node->safe_psql('app', $_[0]) };
$sql->('CREATE EXTENSION pg_intake CASCADE');
my ($block) = grep { $_->{tag} eq 'schedule' } read_blocks('docs/operations.md');
$sql->($block->{text});
# The same again, by another name: it fires twice at a time.
$sql->(q{SELECT cron.schedule('again', schedule, command) FROM cron.job WHERE jobname = 'report'});

# Waits until both have run so often, and returns the slots that were reported.
my $fire = sub {
	my ($times) = @_;
	wait_for_sql($node, "SELECT count(*) = 2 * $times FROM cron.job_run_details WHERE status = 'succeeded'", 'app');
	wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'report' AND state <> 'done'}, 'app');
	return $sql->(q{SELECT (SELECT string_agg(key, ', ' ORDER BY key) FROM intake.events WHERE type = 'report.due'),
		(SELECT count(*) FROM intake.jobs WHERE workflow = 'report'), (SELECT count(*) FROM report)});
};
my $slots = sub {
	my ($first, $last) = @_;
	my @slots = map { my ($day, $month, $year) = (gmtime($tomorrow + $_ * 86400))[ 3, 4, 5 ]; sprintf 'report %d-%02d-%02d', $year + 1900, $month + 1, $day } $first .. $last;
	return join '|', join(', ', @slots), (scalar @slots) x 2;
};

$set_clock->(0, 12);
is($fire->(1), $slots->(-3, -1), 'two schedules at a time: each slot is one event, one job and one effect');
$set_clock->(0, 13);
is($fire->(2), $slots->(-3, -1), 'an hour later: nothing new');
$node->stop;
$set_clock->(2, 11.5);
$start->();
$set_clock->(2, 12);
is($fire->(3), $slots->(-3, 1), 'after two days without a server: both slots');
is($sql->(q{SELECT count(*) FROM cron.job_run_details WHERE status <> 'succeeded'}), '0', 'no run has failed');
is($sql->(q{SELECT count(*) FROM report WHERE events > 0}), '1', 'each report is of its own day');
$node->stop;
done_testing();
