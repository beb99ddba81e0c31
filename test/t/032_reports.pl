# What the tests say of themselves: a script that dies says why, and what is skipped is counted.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

my $place = PostgreSQL::Test::Utils::tempdir();
my $begin = "use PostgreSQL::Test::Utils; use Test::More;\n";

# report NAME => TEXT, ...: what tap.sh says of such scripts, and its exit status.
sub report
{
	my %scripts = @_;
	my @files = map { "$place/$_.pl" } sort keys %scripts;
	append_to_file("$place/$_.pl", $begin . $scripts{$_}) for keys %scripts;
	local %ENV = (%ENV, LOGS => "$place/logs");
	mkdir $ENV{LOGS};
	my $said = `test/bin/tap.sh @files 2>&1`;
	unlink @files;
	return ($said, $? >> 8);
}

my ($said, $code) = report(dies => 'ok(1); die "waited in vain: the moon";', good => 'ok(1); ok(1); done_testing();');
like($said, qr/dies\.pl .*exited.*\n.*dies said:\n(.*\n)*? .*waited in vain: the moon at /, 'a script that dies says why');
like($said, qr/^3 passed, 1 failed, 0 skipped\n\z/m, 'it is one failure');
is($code, 1, 'with its status');

($said, $code) = report(fails => 'is(1, 2, "two"); done_testing();', short => 'plan tests => 3; ok(1);');
like($said, qr/not ok 1 - two/, 'an assertion that fails is named');
like($said, qr/^1 passed, 2 failed, 0 skipped\n\z/m, 'a script that runs less than it has planned fails');

($said, $code) = report(all => 'plan skip_all => "no sun";', some => 'ok(1); SKIP: { skip "no moon", 2 } done_testing();');
like($said, qr/skipped, 1: .*all\.pl: no sun\n.*skipped, 2: no moon\n/, 'what is skipped says why');
is($said =~ /^(.* skipped)\n\z/m && $1, '1 passed, 0 failed, 3 skipped', 'and is counted');
is($code, 0, 'and no failure');

($said) = report(nothing => 'die "before the first"');
like($said, qr/before the first.*\n(.*\n)*0 passed, 1 failed, 0 skipped\n\z/, 'a script that dies at once');
done_testing();
