# A courier is given secrets, so it is let in only where nobody can read them on their way.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my ($address) = `hostname -I` =~ /\b(\d+\.\d+\.\d+\.\d+)\b/ or plan skip_all => 'this machine has no address but loopback';
my $dir = PostgreSQL::Test::Utils::tempdir;
system_log(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=wire -keyout), "$dir/key", '-out', "$dir/certificate") == 0 or die 'openssl';
chmod 0600, "$dir/key";
my $node = new_server('wire');
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1,::1,$address'\nssl = on\nssl_cert_file = '$dir/certificate'\nssl_key_file = '$dir/key'");
$node->append_conf('pg_hba.conf', "host all all $address/32 trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust");
$node->restart;
$node->safe_psql('postgres', "CREATE ROLE courier LOGIN; SELECT intake.grant_access('courier', 'courier')");

# What a session says that connects so; 'in' where it is let in and may exchange.
sub enter
{
	my ($where) = @_;
	my ($status, $out, $err) = $node->psql('postgres', q{SELECT intake.enter_courier('x') AS token \gset
		SELECT 'in' FROM intake.exchange(:token, 1, 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}') LIMIT 1;},
		connstr => 'port=' . $node->port . " dbname=postgres user=courier gssencmode=disable $where");
	return $status == 0 ? $out : $err;
}

is(enter('host=' . $node->host), 'in', 'over a Unix socket');
is(enter('host=127.0.0.1 sslmode=disable'), 'in', 'over loopback');
SKIP: {
	skip 'no IPv6 here', 1 unless -s '/proc/net/if_inet6';
	is(enter('host=::1 sslmode=disable'), 'in', 'over loopback of IPv6');
}
like(enter("host=$address sslmode=disable"), qr/the connection of a courier is not encrypted/, 'not over a network');
is(enter("host=$address sslmode=require"), 'in', 'but with TLS');
# A token that somebody else has entered with does not help.
my $token = $node->safe_psql('postgres', "SELECT intake.enter_courier('y')");
my (undef, undef, $err) = $node->psql('postgres', "SELECT * FROM intake.exchange($token, 1, 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
	connstr => 'port=' . $node->port . " dbname=postgres user=courier gssencmode=disable host=$address sslmode=disable");
like($err, qr/is not encrypted/, 'nor by a token from elsewhere');
$node->safe_psql('postgres', $_) for "ALTER SYSTEM SET pg_intake.allow_plain_credentials = on", 'SELECT pg_reload_conf()';
wait_for(sub { enter("host=$address sslmode=disable") eq 'in' }, 'unless somebody wants that');
$node->stop;
done_testing();
