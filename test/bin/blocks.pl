#!/usr/bin/env perl
# blocks.pl FILE TAG...: prints as one shell script the blocks of a Markdown file that have one of
# the tags behind their language (```sql tour), in their order. It stops at the first thing that
# fails. What is SQL goes to the command that $PSQL holds when the script runs.
use strict;
use warnings;

my ($file, @tags) = @ARGV;
my %wanted = map { $_ => 1 } @tags;
my %found;
open my $in, '<', $file or die "$file: $!\n";
print "set -eu\n";
while (<$in>)
{
	next unless /^```(\w+)(?: (\w+))?$/;
	my ($language, $tag) = ($1, $2 // '');
	my $text = '';
	while (<$in>)
	{
		last if /^```$/;
		$text .= $_;
	}
	next unless $wanted{$tag};
	$found{$tag}++;
	print $language eq 'sql' ? "\$PSQL <<'END_OF_SQL'\n${text}END_OF_SQL\n" : $text;
}
for (grep { !$found{$_} } @tags) { die "$file has no block $_\n" }
