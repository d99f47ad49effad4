# Runs a new PostgreSQL server until its standard input ends, also when the process that holds it is killed.
# Arguments: the folder of the programs, the port, the password of the user `fsm`, and one of `tls` for a server with a certificate,
# `standby PORT` for a standby of the server on that port, `clock LIBRARY` for a server whose clock is set by the file `clock`.
set -eu
trap '' INT TERM HUP
bin=$1 port=$2 password=$3
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/fsm-postgres.XXXXXX")
cd "$dir"
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; cd /; rm -rf "$dir"' EXIT
echo "$password" >password
if [ "${4:-}" = standby ]; then
    "$bin/pg_basebackup" -D "$dir/data" -h 127.0.0.1 -p "$5" -U trusted -X stream -c fast --no-sync -R >log 2>&1 || { cat log; exit 1; }
else
"$bin/initdb" -D "$dir/data" -U fsm --pwfile=password --auth-local=trust --auth-host=scram-sha-256 --no-sync --locale=C \
    --encoding=UTF8 >log 2>&1 || { cat log; exit 1; }
fi
# Many connections, one after the other, without the work of a password.
sed -i '1i host all,replication trusted 127.0.0.1/32 trust' data/pg_hba.conf
cat >>data/postgresql.conf <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
max_connections = 200
max_prepared_transactions = 10
shared_buffers = 32MB
log_min_messages = warning
EOF
if [ "${4:-}" = tls ]; then
    key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    {
        openssl req -x509 $key -keyout ca.key -out ca.crt -subj /CN=ca -days 1
        openssl req $key -keyout server.key -out server.csr -subj /CN=localhost
        echo subjectAltName=DNS:localhost >names
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 1 -extfile names
    } >>log 2>&1 || { cat log; exit 1; }
    cat >>data/postgresql.conf <<EOF
ssl = on
ssl_cert_file = '$dir/server.crt'
ssl_key_file = '$dir/server.key'
EOF
    chmod 755 . && chmod 644 ca.crt
fi
if [ "${4:-}" != standby ]; then
    echo 'CREATE ROLE trusted SUPERUSER LOGIN' | "$bin/postgres" --single -D "$dir/data" postgres >>log 2>&1 || { cat log; exit 1; }
fi
if [ "${4:-}" = clock ]; then
    echo '+0' >clock
    export LD_PRELOAD="$5" FAKETIME_TIMESTAMP_FILE="$dir/clock" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
fi
"$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" start >/dev/null 2>&1 </dev/null || { cat log; exit 1; }
unset LD_PRELOAD
echo "ready $dir"
cat >/dev/null
