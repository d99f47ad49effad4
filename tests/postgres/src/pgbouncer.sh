# Runs PgBouncer in transaction mode in front of a server, until its standard input ends.
# Arguments: the program, the folder of the server, its port, the port of PgBouncer.
set -eu
trap '' INT TERM HUP
program=$1 server=$2 server_port=$3 port=$4
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/fsm-pgbouncer.XXXXXX")
cd "$dir"
cat >pgbouncer.ini <<EOF
[databases]
postgres = host=$server port=$server_port dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
pool_mode = transaction
auth_type = any
default_pool_size = 20
max_client_conn = 1000
logfile = $dir/log
pidfile = $dir/pid
EOF
sed -i 's/dbname=postgres$/dbname=postgres user=fsm/' pgbouncer.ini
"$program" -q pgbouncer.ini >out 2>&1 &
trap 'kill -INT $! 2>/dev/null || true; wait; cd /; rm -rf "$dir"' EXIT
echo ready
cat >/dev/null
