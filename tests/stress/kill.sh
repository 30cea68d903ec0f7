#!/usr/bin/env bash
# Trains a small run again and again, and at random moments kills it (kill -9), tells it to stop (SIGTERM), or fills its disk. Each run
# is then gone on with until it ends, and must end in the bytes of one that nothing happened to. Not part of CI: it takes minutes.
#
#   cargo build --release && tests/stress/kill.sh [PROGRAM [KILLS [STOPS [FULL_DISKS]]]]
#
# Defaults: target/release/rekindle 100 50 20. SEED=N chooses other moments. A full disk is a tmpfs of its own where that can be mounted
# (as root), and a limit on the size of files elsewhere.
set -euo pipefail
cd "$(dirname "$0")/../.."

program=$(realpath "${1:-target/release/rekindle}")
kills=${2:-100} stops=${3:-50} full=${4:-20}
seed=${SEED:-1}
RANDOM=$seed
place=$(mktemp -d)
mounted=
clean_up() {
    [ -z "$mounted" ] || umount "$mounted" || true
    rm -rf "$place"
}
trap clean_up EXIT
export XDG_CACHE_HOME=$place/cache

# Two phases of several steps an epoch; the second one on images, so that it waits for them too.
start=(train "$PWD/examples/emoji" --limit 48 --quiet --set 'input.size=[32,32]' --set phase1.epochs=8 --set phase1.batch_size=8
    --set phase1.stopping.patience=100 --set phase2.epochs=4 --set phase2.batch_size=8 --set phase2.stopping.patience=100
    --set data.feature_cache_mb=0)

now() { date +%s%N; }
began=$(now)
"$program" "${start[@]}" --runs "$place/runs" --name whole >"$place/out" 2>&1 || { cat "$place/out"; exit 1; }
took=$(($(now) - began))
echo "an undisturbed run takes $((took / 1000000)) ms; seed $seed"

# Sleeps for a random part of that time.
wait_a_while() {
    sleep "$(awk -v took="$took" -v share="$RANDOM" 'BEGIN { printf "%.4f", took / 1e9 * share / 32768 }')"
}

# Begins the run in a directory, or goes on with it.
launch() {
    if [ -e "$1/plan.toml" ]; then
        exec "$program" train --resume "$1" --quiet
    else
        exec "$program" "${start[@]}" --runs "$(dirname "$1")" --name "$(basename "$1")"
    fi
}

declare -A ends=()
ended() { ends["$1"]=$((${ends["$1"]:-0} + 1)); }

same=0
assert_same() {
    local file
    for file in model.safetensors metrics.csv split.json; do
        cmp "$place/runs/whole/$file" "$1/$file" || { echo "$1/$file differs"; exit 1; }
    done
    grep -q '"status": "finished"' "$1/run.json"
    [ ! -e "$1/checkpoint" ]
    same=$((same + 1))
    rm -rf "$1"
}

# disturb SIGNAL COUNT RUNS [CODE]: so many signals, each at a random moment of a run that goes on after the one before.
disturb() {
    local signal=$1 count=$2 runs=$3 code=${4:-} sent=0 number=0 run pid status
    while [ "$sent" -lt "$count" ]; do
        number=$((number + 1))
        run=$runs/$signal-$number
        while :; do
            (launch "$run") >"$place/out" 2>&1 &
            pid=$!
            if [ "$sent" -lt "$count" ]; then
                wait_a_while
                if kill "-$signal" "$pid" 2>/dev/null; then sent=$((sent + 1)); fi
                # Now and then killed while it saves itself.
                if [ "$signal" = TERM ] && [ $((sent % 5)) = 0 ]; then
                    sleep 0.0$((RANDOM % 100))
                    kill -KILL "$pid" 2>/dev/null || true
                fi
            fi
            status=0
            wait "$pid" 2>/dev/null || status=$?
            ended "$signal:$status"
            case $status in
            0) break ;;
            137 | "$code") ;;
            # Killed between its result and its last breath: there is nothing to go on with, and it says so.
            2) grep -q 'is finished, there is nothing to go on with' "$place/out" && break ;;&
            *) echo "exit code $status after $sent signals $signal in $run:"; cat "$place/out"; exit 1 ;;
            esac
        done
        assert_same "$run"
    done
    echo "$signal: $sent sent, $number runs, all ended in the same bytes"
}

# A disk that is full from a random moment on, and has room again when the run is gone on with.
fill() {
    local disk=$1 count=$2 filled=0 number=0 run pid status
    while [ "$filled" -lt "$count" ]; do
        number=$((number + 1))
        run=$disk/full-$number
        while :; do
            rm -f "$disk/filler"
            (launch "$run") >"$place/out" 2>&1 &
            pid=$!
            if [ "$filled" -lt "$count" ]; then
                wait_a_while
                head -c 1G /dev/zero 2>/dev/null >"$disk/filler" || true
            fi
            status=0
            wait "$pid" || status=$?
            ended "full:$status"
            [ "$status" != 0 ] || break
            filled=$((filled + 1))
            [ "$status" = 2 ] && grep -Eq 'cannot write|MiB are free' "$place/out" || {
                echo "exit code $status with a full disk in $run:"
                cat "$place/out"
                exit 1
            }
        done
        rm -f "$disk/filler"
        assert_same "$run"
    done
    echo "full disk: $filled times, $number runs, all ended in the same bytes"
}

# The same by a limit on the size of files, where no disk can be mounted.
limit() {
    local count=$1 limited=0 number=0 run status
    while [ "$limited" -lt "$count" ]; do
        number=$((number + 1))
        run=$place/runs/limit-$number
        while :; do
            status=0
            (
                trap '' XFSZ
                if [ "$limited" -lt "$count" ]; then ulimit -f $((RANDOM % 4000 + 1)); fi
                launch "$run"
            ) >"$place/out" 2>&1 || status=$?
            ended "limit:$status"
            [ "$status" != 0 ] || break
            limited=$((limited + 1))
            [ "$status" = 2 ] && grep -q 'cannot write' "$place/out" || { cat "$place/out"; exit 1; }
        done
        assert_same "$run"
    done
    echo "limited files: $limited times, $number runs, all ended in the same bytes"
}

disturb KILL "$kills" "$place/runs"
disturb TERM "$stops" "$place/runs" 143
disk=$place/disk
mkdir "$disk"
if mount -t tmpfs -o size=160m tmpfs "$disk" 2>/dev/null; then
    mounted=$disk
    fill "$disk" "$full"
else
    limit "$full"
fi
echo "$same runs, all like the undisturbed one; exit codes:"
for key in "${!ends[@]}"; do echo "  $key x ${ends[$key]}"; done | sort
