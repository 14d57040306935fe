# shellcheck shell=bash
# The functions that the benchmarks share; read by them, not run. They set -euo pipefail and then do
# "source bench.bash NAME".
#
# A ratio compares two things measured in turn in the same run, on the same disk: figures of
# two machines, or of two runs an hour apart, cannot be compared.

bench=$1
package=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
pacsfs=$(realpath -m -- "${PACSFS_BINARY:-$package/.build/release/pacsfs}")
# An earlier build to compare with, in turn in the same run; empty compares nothing.
old=${OLD:+$(realpath -m -- "$OLD")}
new=$pacsfs
for program in "$pacsfs" ${old:+"$old"}; do
    [[ -x $program ]] || {
        echo "bench $bench: there is no $program; build it with swift build -c release, or set" \
            "PACSFS_BINARY (and OLD, for an earlier one to compare with)" >&2
        exit 69
    }
done
# Where the name of what is measured ends with " old", $pacsfs is the earlier program.
use() { if [[ $1 == *" old" ]]; then pacsfs=$old; else pacsfs=$new; fi; }
# On the disk that is to be measured.
top=$(realpath -- "$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/pacsfs-bench-$bench.XXXXXX")")
mount_point=$top/mount
mkdir "$mount_point"
archive='' tracer=''
# The scripts read or set these.
# shellcheck disable=SC2034
volumes=() mount_options=()

is_mounted() { findmnt --noheadings --output FSTYPE --mountpoint "$mount_point" 2>/dev/null | grep -q pacsfs; }

clean_up() {
    [[ -z $tracer ]] || kill -INT "$tracer" 2>/dev/null || true
    if is_mounted; then
        "$pacsfs" unmount "$mount_point" >/dev/null 2>&1 || fusermount3 -u -z -- "$mount_point" || true
    fi
    rm -rf --one-file-system -- "$top"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '%s\n' "$*"; }

# new_archive NAME: an empty one with two volumes beside each other.
new_archive() {
    local base=$top/$1
    mkdir "$base"
    "$pacsfs" init --archive "$base/archive" --volume "$base/v1" --volume "$base/v2" --copies 2 >/dev/null
    sed -i 's/^settle *=.*/settle = 1/' "$base/archive/pacsfs.toml"
    # shellcheck disable=SC2034
    archive=$base/archive volumes=("$base/v1" "$base/v2")
}

mount_archive() { "$pacsfs" mount "$mount_point" --archive "$archive" "${mount_options[@]}" >/dev/null; }
unmount_archive() { "$pacsfs" unmount "$mount_point" >/dev/null; }
daemon() { tr -d '[:space:]' <"$archive/lock"; }

# status KEY: a value of "pacsfs status".
status() {
    # Exit code 1: both volumes are on one disk.
    { "$pacsfs" status --json --archive "$archive" || (($? == 1)); } \
        | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# seconds COMMAND...: how long it takes, its output thrown away.
seconds() {
    local start end
    start=$(date +%s%N)
    "$@" >/dev/null || return
    end=$(date +%s%N)
    awk -v ns=$((end - start)) 'BEGIN { printf "%.4f\n", ns / 1e9 }'
}

# median NUMBER...
median() {
    printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 }
        END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# ratios "NUMBERS" "NUMBERS": the median of first / second, pair by pair, with the extremes.
ratios() {
    paste -d ' ' <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") | awk 'NF == 2 { print $1 / $2 }' | sort -g \
        | awk '{ v[NR] = $1 } END {
            printf "%.2f (%.2f to %.2f)", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR]
        }'
}

# build_reference: the C program to measure against; sets $reference.
build_reference() {
    reference=$top/reference
    if ! cc -O2 -Wall -o "$reference" "$package/Scripts/benchmarks/reference.c" -lcrypto -pthread; then
        echo "bench $bench: reference.c needs a C compiler and OpenSSL: apt-get install gcc libc6-dev libssl-dev" >&2
        exit 69
    fi
}

# synthesize ARGUMENTS...: made-up images.
synthesize() {
    local program=${SYNTHESIZE:-}
    if [[ -z $program ]]; then
        (cd "$package" && swift build -c release --product synthesize >&2)
        program=$(cd "$package" && swift build -c release --show-bin-path)/synthesize
    fi
    "$program" "$@" >&2
}

# The machine: the figures depend on it.
machine() {
    say "on: $(nproc) cores $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "$(grep -qw sha_ni /proc/cpuinfo || echo 'no ')sha_ni," \
        "kernel $(uname -r), $(df --output=fstype "$top" | tail -n 1) in $top," \
        "$(awk '/MemTotal/ { printf "%d GB of memory", $2 / 1e6 }' /proc/meminfo)," \
        "load $(cut -d ' ' -f 1 /proc/loadavg) before we start"
}
