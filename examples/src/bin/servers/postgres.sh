# Runs a new PostgreSQL server until standard input ends, also when the process that holds it is killed.
# Argument: the folder of the programs. The server listens on a Unix socket in a new folder, which is printed and removed at the end.
set -eu
trap '' INT
bin=$1
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/servers-postgres.XXXXXX")
cd "$dir"
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; cd /; rm -rf "$dir"' EXIT
"$bin/initdb" -D "$dir/data" -U servers -A trust --no-sync --locale=C --encoding=UTF8 >log 2>&1 || { tail -n 1 log; exit 1; }
"$bin/pg_ctl" -D "$dir/data" -w -t 30 -l "$dir/log" -o "-c listen_addresses='' -c unix_socket_directories='$dir'" start \
    >/dev/null 2>&1 </dev/null || { tail -n 1 log; exit 1; }
echo "ready $dir"
cat >/dev/null
