#!/bin/sh
# Make all secrets that are not there yet, each a file in the folder secrets/, which only you may enter.
# The files in it are readable for all, since each container reads its own under a user of its own.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets ssh
chmod 700 secrets
cd secrets

# new NAME: the file is to be made; its text comes on stdin.
new() {
    if [ -e "$1" ]; then cat >/dev/null; else cat >"$1" && chmod 444 "$1"; fi
}
random() {
    head -c 24 /dev/urandom | od -An -vtx1 | tr -d ' \n'
}

for name in mongo_password mongo_key redis_password gui_password flower_password metrics_token; do
    random | new "$name"
done
printf 'redis://jfcelery:%s@redis:6379/0' "$(cat redis_password)" | new redis_url
printf 'jfcelery:%s' "$(cat flower_password)" | new flower_login
printf '{"token": "%s", "read_token": "%s"}' "$(random)" "$(cat metrics_token)" | new web.json

# for the demonstration with a Slurm of its own
for name in demo_key demo_host_key; do
    [ -e "$name" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$name"
    chmod 444 "$name" "$name.pub"
done
printf '[slurm]:2222 %s\n' "$(cat demo_host_key.pub)" | new demo_known_hosts
