#!/bin/bash
# test.sh [STAGE...]: the tests, quickest first; a stage that fails ends it.
#
#   fast     no server, no lab; all of delivery's branches must be covered
#   prefect  with a Prefect server
#   e2e      the product in labs of the tests' own, which are gone afterwards
#   slow     the last two, one after the other: side by side they take as long, measured, and starve each
#            other of processors, so that requests might be lost that would not be
#
# Without a stage: fast, then slow. TT_TEST_WORKERS labs (3, or 2 where two processors have no memory for a
# third) share the files of e2e; two processes more share those of a stage without labs, which leave a
# processor idle more often. 0 has each stage run in one process.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH
# Each of a dozen pytests would compile all tests anew.
unset PYTHONDONTWRITEBYTECODE

# A lab takes two gigabytes, and three more where it lies in memory.
readonly LAB_KIB=$((6 * 1024 * 1024))
MEMORY=/dev/shm/tt-lab-$UID-$(cksum <<<"$PWD" | cut -d' ' -f1)
readonly MEMORY DISK=$PWD/.lab-test
WORKERS="" running=() files=() said="" LAB=""

# Coverage costs a third of the time, so only the tests of `delivery` pay it, and not in a process of
# pytest-xdist: there those that are not to be traced take three times as long all the same.
fast() {
    beside run 0 tests/delivery --cov --cov-branch --cov-report=term:skip-covered --cov-fail-under=100
    begin run "$((WORKERS + 1))" --ignore tests/delivery -m "not prefect and not e2e"
    finish
}

prefect() {
    marked prefect
    begin run "$((WORKERS + 2))" -m "prefect and not e2e" "${files[@]}"
    finish
}

e2e() {
    [[ -n ${TT_LAB_KEEP:-} ]] || take_down_earlier
    LAB=$(home_of_labs)
    marked e2e
    TT_LAB_HOME=$LAB begin run "$WORKERS" -m e2e "${files[@]}"
    finish
}

# How many labs there are: of two, each waits so often that two processors are idle for a fifth of the time.
number_of_labs() {
    if [[ -n ${TT_TEST_WORKERS:-} ]]; then
        echo "$TT_TEST_WORKERS"
    elif (($(nproc) >= 4)) || { fit 3 && have_folder; }; then
        echo 3
    else
        echo 2
    fi
}

# Where the labs lie: in memory if there is plenty. Two engines and their databases sync whatever they
# write, which on a disk takes a tenth of the processors' time and makes everybody wait.
home_of_labs() {
    if [[ -n ${TT_LAB_HOME:-} ]]; then
        echo "$TT_LAB_HOME"
    elif fit "$((WORKERS ? WORKERS : 1))" && have_folder; then
        echo "$MEMORY/lab"
    else
        echo "$DISK"
    fi
}

# fit LABS: whether so many fit into memory.
fit() {
    local shared=${MEMORY%/*} needed=$(($1 * LAB_KIB)) free available
    [[ $(stat --file-system --format %T "$shared" 2>/dev/null) == tmpfs ]] || return 1
    free=$(df --output=avail --block-size=1K "$shared" | tail -n 1)
    available=$(available_kib)
    ((free >= needed && available >= needed))
}

# Makes the folder in memory; fails unless nobody else may look into it, and programs run there.
have_folder() {
    [[ -d $MEMORY ]] || mkdir -m 700 "$MEMORY" || return 1
    is_ours || return 1
    # Some systems run nothing that lies there.
    printf '#!/bin/sh\n' >"$MEMORY/runs" && chmod 700 "$MEMORY/runs" && "$MEMORY/runs"
}

# Anybody may make a folder of this name there, and put settings into it.
is_ours() { [[ -O $MEMORY && ! -L $MEMORY ]]; }

# The memory that is left, or less if a control group that we are in, as a container is, may not have it.
available_kib() {
    local least group file bytes all=/sys/fs/cgroup
    least=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    while IFS=: read -r _ _ group; do
        for file in "$all"{,"$group"}/memory.max "$all"/memory{,"$group"}/memory.limit_in_bytes; do
            bytes=$(cat "$file" 2>/dev/null) && [[ $bytes =~ ^[0-9]+$ ]] || continue
            ((bytes / 1024 >= least)) || least=$((bytes / 1024))
        done
    done </proc/self/cgroup
    echo "$least"
}

# take_down HOME: the labs in this home, and in those whose names begin with it.
take_down() {
    local settings
    for settings in "$1"/lab.json "$1"-*/lab.json; do
        [[ ! -f $settings ]] || python -m lab --home "${settings%/*}" down || true
    done
}

# What a run left that could not end well; it may have had its labs in the other place.
take_down_earlier() {
    take_down "$DISK"
    ! is_ours || take_down "$MEMORY/lab"
}

# Though one fails, the other says what it has to say.
slow() {
    local status=0
    prefect || status=$?
    e2e || status=$?
    return "$status"
}

# marked MARK: fills `files` with those that have tests of this mark; each process of a stage would take
# seconds to collect all others, too (tests/conftest.py has every mark in sight).
marked() {
    mapfile -t files < <(grep --recursive --files-with-matches --include='test_*.py' "mark\.$1\b" tests | sort)
}

# beside COMMAND...: begins it; what it says comes when it has ended.
beside() {
    said=$(mktemp)
    begin "$@" &>"$said"
    ((WORKERS)) || finish
}

# begin COMMAND...: not in the foreground: bash would answer a signal only once it has ended. In a
# process group of its own (set -m), so that what it waits for can be ended with it.
begin() {
    set -m
    "$@" </dev/null &
    running+=($!)
    set +m
}

# run PROCESSES ARGUMENT...: one pytest, to its end.
run() {
    local processes=$((WORKERS ? $1 : 0))
    shift
    # Files in the order in which they are collected: the longest first (tests/conftest.py).
    pytest --numprocesses "$processes" --dist loadfile --no-loadscope-reorder --durations=15 "$@"
}

# finish: waits for all that began; fails if one of them did.
finish() {
    local process status=0
    for process in "${running[@]}"; do
        wait "$process" || status=$?
        [[ -z $said ]] || cat "$said"
        rm -f "$said"
        said=""
    done
    running=()
    return "$status"
}

end() {
    local process
    for process in "${running[@]}"; do kill -- "-$process" 2>/dev/null || true; done
    # What those said who were to be heard last, now all the more.
    [[ -z $said ]] || cat "$said"
    rm -f "$said"
    # The tests take their lab down; a pytest that was killed could not. One that is to be kept, or that
    # another run works with, is none of ours.
    [[ -n ${TT_LAB_KEEP:-} || -z $LAB ]] || take_down "$LAB"
    is_ours || return 0
    rm -f "$MEMORY/runs"
    rmdir "$MEMORY" 2>/dev/null || true
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

WORKERS=$(number_of_labs)
(($# > 0)) || set -- fast slow
for stage in "$@"; do
    case $stage in
        fast | slow | prefect | e2e) ;;
        *)
            echo "There is no stage called '$stage'; there are: fast slow prefect e2e" >&2
            exit 2
            ;;
    esac
    echo "=== $stage tests"
    started=$SECONDS
    "$stage"
    echo "=== $stage tests passed in $((SECONDS - started)) s"
done
