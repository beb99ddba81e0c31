# What the documents say can be run: the blocks of SQL and shell in README.md and docs/ run in
# their order, those of each document in a database of their own, and print what the block of text behind
# them says. What the reference says of functions, views, columns, settings and options is what there
# is. Links lead somewhere.
use strict;
use warnings;
use Cwd 'getcwd';
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require './test/bin/blocks.pl';
my $tree = getcwd();
my $node = new_server('docs');
my @documents = ('README.md', glob 'docs/*.md');
# Blocks with a tag run elsewhere: in 027_readme.pl, 063_tour.pl, 064_schedule.pl, 065_url_workflows.pl and test/bin/test-install.sh.
my %elsewhere = map { $_ => 1 } qw(make install serve courier call tour steps slack agent schedule remove);

my %programs = (sql => [ 'psql', '-X', '-q', '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-f', '-' ],
	sh => [ 'bash', '-eu' ]);

sub run_block
{
	my ($name, $block) = @_;
	my ($out, $err) = ('', '');
	my $ran = IPC::Run::run($programs{ $block->{language} }, '<', \$block->{text}, '>', \$out, '2>', \$err);
	ok($ran, "$name runs") or diag "$out$err";
	unlike($err, qr/WARNING/, "$name raises no warning");
	return unless defined $block->{prints};
	my $expected = pattern($block->{prints});
	like(plain($out), qr/$expected/s, "$name prints what is said");
}

sub run_document
{
	my ($document) = @_;
	my @blocks = grep { $programs{ $_->{language} } } read_blocks("$tree/$document");
	my @here = grep { !$elsewhere{ $_->{tag} } && !$_->{reason} } @blocks;
	is_deeply([ grep { $_ ne '' && !$elsewhere{$_} } map { $_->{tag} } @blocks ], [], "$document has no other tags");
	return unless @here;
	local ($ENV{PGHOST}, $ENV{PGPORT}, $ENV{PGDATABASE}) = ($node->host, $node->port, 'app');
	$node->safe_psql('postgres', $_) for 'DROP DATABASE IF EXISTS app', 'CREATE DATABASE app';
	$node->safe_psql('app', 'CREATE EXTENSION pg_intake CASCADE');
	run_block("$document:$_->{line}", $_) for @here;
}

chdir PostgreSQL::Test::Utils::tempdir();
run_document($_) for @documents;
chdir $tree;

# ---- the reference ----

my $reference = slurp_file('docs/reference.md');

# The rows of the table behind a heading: the first column's names, and the others as they are.
sub rows_behind
{
	my ($heading) = @_;
	my ($part) = $reference =~ /^#+ \Q$heading\E\n(.*?)(?=^#|\z)/ms or return;
	return map { [ map { s/^\s+|\s+$//gr } split /(?<!\\)\|/ ] } $part =~ /^\| (`.*) \|$/mg;
}

# What is there, as lines "name|type".
sub there { return [ split /\n/, $node->safe_psql('postgres', $_[0]) ] }

# What the reference says, in the same form.
sub said
{
	return [ map { join '|', $_->[0] =~ /`(\w+)`/, $_->[1] } grep { @$_ == 3 } rows_behind($_[0]) ];
}

my $columns = q{SELECT attname, replace(format_type(atttypid, NULL), 'timestamp with time zone', 'timestamptz') FROM pg_attribute WHERE attrelid = 'intake.%s'::regclass AND attnum > 0 ORDER BY attnum};
for my $view (split /\n/, $node->safe_psql('postgres', q{SELECT relname FROM pg_class WHERE relnamespace = 'intake'::regnamespace AND relkind = 'v'}))
{
	is_deeply(said("`intake.$view`"), there(sprintf $columns, $view), "the columns of intake.$view");
}
is_deeply(said('Schemes'), there(sprintf $columns, 'scheme'), 'the columns of intake.scheme');
is_deeply(said('Handlers'), there(q{SELECT attname, replace(format_type(atttypid, NULL), 'timestamp with time zone', 'timestamptz') FROM pg_attribute
	WHERE attrelid = 'intake.job'::regclass AND attnum > 0 ORDER BY attnum}), 'the fields of intake.job');

# Functions that a role can be granted, or that grant; each with its arguments, in their order.
my $functions = q{SELECT proname, array_to_string(proargnames[:pronargs], ' ') FROM pg_proc p
	WHERE pronamespace = 'intake'::regnamespace AND prorettype <> 'trigger'::regtype
	  AND obj_description(oid, 'pg_proc') NOT LIKE 'Internal: %' ORDER BY proname};
for (@{ there($functions) })
{
	my ($name, $arguments) = split /\|/;
	my ($said) = $reference =~ /^\| `\Q$name\E\(([^`]*)\)`/m;
	my $inner = join ' ', map { /^\s*(?:VARIADIC )?(\w+)/ } split /,/, $said // '-';
	is($inner, $arguments // '', "$name and its arguments");
}

my $initial = q{CASE unit WHEN 'ms' THEN (boot_val::int / 1000) || 's' WHEN 'kB' THEN (boot_val::int / 1024) || 'MB' ELSE boot_val END};
is_deeply([ map { join '|', $_->[0] =~ /`([\w.]+)`/, @$_[ 1, 2 ] } rows_behind('Settings') ],
	there(qq{SELECT name, $initial, CASE context WHEN 'postmaster' THEN 'restart' ELSE 'reload' END
		FROM pg_settings WHERE name LIKE 'pg_intake.%' ORDER BY name}), 'settings, their defaults, and when they change');

for my $program ([ $ENV{INTAKE_SHIM}, "The shim's options" ], [ $ENV{INTAKE_COURIER}, "The courier's options" ])
{
	my ($path, $heading) = @$program;
	my $help = `$path --help`;
	my @options = $help =~ /^  (--\S+ \S+)\n.*\[(.*)\]\n +(\w+)$/mg;
	my @said = map { ($_->[0] =~ /`(.*)`/, $_->[2], $_->[1] =~ /`(.*)`/) } grep { $_->[1] ne '' } rows_behind($heading);
	is_deeply(\@said, \@options, "$heading, their defaults and variables");
}

# Reasons of rejections are words in two files.
my @reasons = slurp_file('extension/verify/reason.c') =~ /names\[\] = \{(.*?)\}/s ? $1 =~ /"(\w+)"/g : ();
push @reasons, slurp_file($_) =~ /(?:reject\([^;]*?,\s*|reason = |our_fault = [^;]*)"(\w+)"/g, slurp_file($_) =~ /FAULT_\w+ "(\w+)"/g for glob 'extension/{receive,events,config}/*.[ch]';
for my $reason (grep { $_ ne 'ok' } @reasons)
{
	like($reference, qr/^\| .*`$reason`.* \|/m, "the reason $reason");
}

# ---- links ----

# How a heading is linked to.
sub anchor
{
	my ($heading) = @_;
	$heading = lc $heading;
	$heading =~ s/[^\w\- ]//g;
	return $heading =~ s/ /-/gr;
}

my %anchors;
sub anchors_of
{
	my ($file) = @_;
	return $anchors{$file} //= { map { anchor($_) => 1 } slurp_file($file) =~ /^#+ (.*)$/mg };
}

for my $document (glob('*.md docs/*.md */README.md'))
{
	my ($folder) = $document =~ m{^(.*/)?};
	my $text = slurp_file($document);
	$text =~ s/^```.*?^```$//msg;
	for my $link ($text =~ /\]\(([^)\s]+)\)/g)
	{
		next if $link =~ /^https?:/;
		my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
		my $file = $path eq '' ? $document : ($folder // '') . $path;
		ok(-e $file && (!defined $anchor || anchors_of($file)->{$anchor}), "$document: $link leads somewhere");
	}
	for my $path ($text =~ m{`((?:test|extension|shim|sql|docs|common)/[\w./-]+)`}g)
	{
		ok(-e $path, "$document: $path is there");
	}
}

$node->stop;
done_testing();
