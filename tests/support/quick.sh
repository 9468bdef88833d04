#!/bin/bash
# Runs a job without Python, for tests of everything around it: notes its start in $QUICK/starts, and
# leaves the files of a job that returned 1. QUICK/fail holds keys of jobs that raise instead, a
# file QUICK/more/KEY what a job returns beside its output, such as new jobs.
folder=$1 key=${1##*/}
uuid=${key%_*} index=${key##*_}
attempt=$(sed -n 's/.*"attempt": *\([0-9]*\).*/\1/p' "$folder/.jfcelery.json" | head -n 1)
echo "$key $attempt" >>"$QUICK/starts"
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
error=null
if grep -qsx "$key" "$QUICK/fail"; then
  error='{"error_class": "builtins.ValueError", "message": "on purpose"}'
fi
more=
[ ! -e "$QUICK/more/$key" ] || more=", $(<"$QUICK/more/$key")"
printf '[{"uuid": "%s", "index": %s, "output": 1, "completed_at": "%s", "metadata": {}, "hosts": [], "name": "quick"}]' \
  "$uuid" "$index" "$now" >"$folder/remote_job_data.json"
printf '{"uuid": "%s", "index": %s, "attempt": %s, "start_time": "%s", "end_time": "%s", "error": %s%s}' \
  "$uuid" "$index" "$attempt" "$now" "$now" "$error" "$more" >"$folder/.out"
mv "$folder/.out" "$folder/jfremote_out.json"
