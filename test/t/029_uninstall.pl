# What make install puts somewhere, make uninstall takes away.
use strict;
use warnings;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $place = PostgreSQL::Test::Utils::tempdir();
my $files = sub {
	my @found;
	find(sub { push @found, $File::Find::name if -f }, $place);
	return @found;
};

my @make = ('make', '-s', "DESTDIR=$place", "PG_CONFIG=$ENV{PG_CONFIG}");
command_ok([ @make, 'install' ], 'make install');
is(scalar(grep m{/(pg_intake\.so|intake-shim|pg_intake\.control)$}, $files->()), 3, 'library, shim and control file are there');
command_ok([ @make, 'uninstall' ], 'make uninstall');
is_deeply([ $files->() ], [], 'nothing is left');
done_testing();
