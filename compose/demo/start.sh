#!/bin/bash
# Start munge, Slurm and sshd as one user, and end when one of them does. The secrets are the host's key
# and the public key that may log in.
set -euo pipefail
umask 077
run=$HOME/slurm
rm -rf "$run"
mkdir -p "$run/state" "$run/spool"
head -c 1024 /dev/urandom >"$run/munge.key"
# sshd refuses a private key that others can read
cp /run/secrets/demo_host_key "$run/host_key"
cp /run/secrets/demo_key.pub "$run/authorized_keys"
trap 'kill $(jobs -p)' EXIT TERM INT

munged --foreground --force --socket="$run/munge.socket" --key-file="$run/munge.key" \
    --pid-file="$run/munged.pid" --log-file="$run/munged.log" --seed-file="$run/munged.seed" &
until [ -S "$run/munge.socket" ]; do sleep 0.1; done
slurmctld -D &
slurmd -D &
/usr/sbin/sshd -D -e -f /dev/null -p 2222 -h "$run/host_key" -o UsePAM=no -o PidFile=none \
    -o PasswordAuthentication=no -o AuthorizedKeysFile="$run/authorized_keys" &
# compose starts the container anew
wait -n
exit 1
