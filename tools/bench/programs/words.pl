# What Perl programs allocate: hashes, arrays, strings and patterns.
use strict;
use warnings;

my $count = int(60000 * $ARGV[0]);
$count = 100 if $count < 100;
my $state = 7;
my (%places, @lines);
for my $number (0 .. $count - 1) {
    my @words;
    for (1 .. 6) {
        $state = ($state * 1103515245 + 12345) % 2147483648;
        push @words, 'w' . (($state >> 8) % 5000);
    }
    push @lines, join(' ', @words) . "\n";
    push @{ $places{$_} }, $number for @words;
    splice @lines, 0, 100 if @lines > 2000;
}
my $text = join '', @lines;
my $turned = 0;
$text =~ s/\b(w)(\d+)5\b/$turned++; "$2$1"/ge;
my $sum = 0;
for my $word (sort keys %places) {
    $sum = ($sum * 31 + @{ $places{$word} } + length $word) % 1000000007;
}
printf "%d %d %d %d\n", scalar(keys %places), length $text, $turned, $sum;
