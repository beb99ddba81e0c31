#!/usr/bin/env perl
# blocks.pl FILE TAG...: prints as one shell script the blocks of a Markdown file that have one of
# the tags behind their language (```sql tour), in their order. It stops at the first thing that
# fails. What is SQL goes to the command that $PSQL holds when the script runs.
use strict;
use warnings;

# The blocks of a file, each with its language, tag, text and line, with what it prints where a block
# of text follows at once, and with the reason of a comment before it, such as
# <!-- not run: it stops the server -->.
sub read_blocks
{
	my ($file) = @_;
	my (@blocks, $reason, $beside);
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>)
	{
		if (/^```(\w+)(?: (\w+))?$/)
		{
			my %block = (language => $1, tag => $2 // '', line => $., text => '', reason => $reason);
			while (<$in>)
			{
				last if /^```$/;
				$block{text} .= $_;
			}
			$blocks[-1]{prints} = $block{text} if $beside && $block{language} eq 'text';
			push @blocks, \%block;
			($reason, $beside) = (undef, 1);
		}
		elsif (/\S/)
		{
			($reason, $beside) = (/^<!-- not run: (.+) -->$/ ? $1 : undef, 0);
		}
	}
	return @blocks;
}

# What aligned tables have in common, however wide their columns are.
sub plain
{
	my ($text) = @_;
	$text =~ s/-+/-/g;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/^ | $//gm;
	$text =~ s/\n+/\n/g;
	return $text;
}

# An expected text as an expression: ... is anything.
sub pattern
{
	my ($text) = @_;
	return '\A' . join('.*?', map { quotemeta } split /\.\.\./, plain($text), -1) . '\z';
}

return 1 if caller;

my ($file, @tags) = @ARGV;
my %found = map { $_ => 0 } @tags;
print "set -eu\n";
for my $block (grep { exists $found{ $_->{tag} } } read_blocks($file))
{
	$found{ $block->{tag} }++;
	print $block->{language} eq 'sql' ? "\$PSQL <<'END_OF_SQL'\n$block->{text}END_OF_SQL\n" : $block->{text};
}
for (grep { !$found{$_} } @tags) { die "$file has no block $_\n" }
