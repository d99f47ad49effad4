# Runs a new PostgreSQL server until its standard input ends, also when the process that holds it is killed.
# Arguments: the folder of the programs, the port, the password of the user `fsm`.
set -eu
trap '' INT
bin=$1 port=$2 password=$3
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/fsm-postgres.XXXXXX")
cd "$dir"
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; cd /; rm -rf "$dir"' EXIT
echo "$password" >password
"$bin/initdb" -D "$dir/data" -U fsm --pwfile=password --auth-local=trust --auth-host=scram-sha-256 --no-sync --locale=C \
    --encoding=UTF8 >log 2>&1 || { cat log; exit 1; }
cat >>data/postgresql.conf <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
max_connections = 200
shared_buffers = 32MB
log_min_messages = warning
EOF
"$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" start >/dev/null 2>&1 </dev/null || { cat log; exit 1; }
echo "ready $dir"
cat >/dev/null
