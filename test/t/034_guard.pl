# A PostgreSQL that is too old, or has no headers, is named in one sentence, before anything is
# compiled or installed.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $made = 0;

# A pg_config of such a version, with its headers at that path; returns its own.
sub pg_config
{
	my ($version, $pgxs) = @_;
	my $file = "$directory/pg_config" . ++$made;
	append_to_file($file, "#!/bin/sh\ncase \$1 in --version) echo 'PostgreSQL $version' ;; --pgxs) echo '$pgxs' ;; esac\n");
	chmod 0755, $file;
	return $file;
}

# What make says; that there is nothing to build is no answer.
sub answer
{
	my ($pg_config) = @_;
	my ($stdout, $stderr);
	IPC::Run::run([ 'make', '-s', 'all', "PG_CONFIG=$pg_config" ], '>', \$stdout, '2>', \$stderr);
	return "$stdout$stderr" =~ s/^make.*\*\*\*.*\n//mgr;
}

# The headers that this PostgreSQL has.
chomp(my $pgxs = `$ENV{PG_CONFIG} --pgxs`);
my $old = pg_config('14.17 (Debian 14.17-1)', $pgxs);
is(answer($old), "make: pg_intake needs PostgreSQL 15 or later, and $old is that of 14; set PG_CONFIG to that of another\n", 'too old');
is(answer(pg_config('16beta1', "$directory/pgxs.mk")), "make: the server headers of PostgreSQL 16 are missing; install postgresql-server-dev-16\n",
	'no headers');
is(answer("$directory/none"), "make: there is no $directory/none; set PG_CONFIG to that of a PostgreSQL, or use 'make run', which installs one\n",
	'no PostgreSQL');

# Debian's packages of an old one are not installed.
my $setup = `PG_CONFIG=/usr/lib/postgresql/14/bin/pg_config test/bin/setup.sh 2>&1`;
is($setup, "setup: pg_intake needs PostgreSQL 15 or later, and this is 14; set PG_CONFIG to the pg_config of another\n", 'nor installed');
isnt($? >> 8, 0, 'which is an error');

done_testing();
