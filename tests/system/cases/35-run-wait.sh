# `bgtask run --wait` of a command that does nothing, beside `systemd-run --user --wait`, in turns: BENCHMARKS.md has what it
# prints. The goal is half the time; a broker that is slower than a new unit is broken.
. /opt/cases/lib.sh

as_user bgtask add nothing --every 300d -- true
as_user bash -euo pipefail <<'LOOP'
micros() { local begin=${EPOCHREALTIME/[.,]/}; "$@" >/dev/null 2>&1; echo $((${EPOCHREALTIME/[.,]/} - begin)); }
median() { sort -n "$1" | sed -n 16p; }

ours=$(mktemp) systemd=$(mktemp)
bgtask run nothing --wait >/dev/null
for _ in $(seq 31); do
  micros bgtask run nothing --wait >>"$ours"
  micros systemd-run --user --wait --collect --quiet true >>"$systemd"
done
ours=$(median "$ours") systemd=$(median "$systemd")
awk -v ours="$ours" -v systemd="$systemd" 'BEGIN {
  printf "measured: bgtask run --wait true %.1f ms, systemd-run --user --wait true %.1f ms: %.2fx\n", ours / 1e3, systemd / 1e3, ours / systemd
}'
LOOP
as_user bgtask remove nothing
