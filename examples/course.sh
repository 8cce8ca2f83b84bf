#!/usr/bin/env bash
# The whole course, tasks (a) to (e), in one go: examples/course.sh [DATA] [SECOND...]
#
#   DATA    a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   SECOND  data sets to learn from first in task (b), each in stages of its own; synthetic eyes of other patients where
#           they are left out
#
# Each task ends in a checked submission in its own folder, and the whole in one report. A task that is finished is not
# run again; in tasks (a) and (b) finished runs are kept, too, and unfinished ones resumed. Settings by environment: OUT
# (folder for everything, default: course), BACKBONES (default: those whose weights are at hand, see drkit info), and
# those of the tasks' own scripts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${1:-}
[ $# -eq 0 ] || shift
out=${OUT:-course}
mkdir -p "$out"
unset SUBMIT # which means another thing in each task

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

if [ -z "${BACKBONES:-}" ]; then
    BACKBONES=$(drkit info --json | python3 -c 'import json, sys; print(*json.load(sys.stdin)["weights"])')
fi
read -r -a backbones <<< "$BACKBONES"
count=${#backbones[@]}
three="${backbones[0]} ${backbones[1 % count]} ${backbones[2 % count]}" # members of task (d)
first=${backbones[0]}

# task FOLDER SCRIPT ARGUMENTS...: run a task's script, unless it has come to its end before.
task() {
    local folder=$out/$1 script=$2
    shift 2
    [ ! -e "$folder/done" ] || return 0
    "$here/$script" "$@" "$folder"
    touch "$folder/done"
}

BACKBONES="${backbones[*]}" task task-a task_a.sh "$data"
if [ $# -eq 0 ]; then
    BACKBONE=$first task task-b task_b.sh "$data" ""
fi
for second in "$@"; do
    name=$(basename "$second")
    BACKBONE=$first task "task-b-$name" task_b.sh "$data" "$second"
done
BACKBONE=$first task task-c task_c.sh "$data"
BACKBONES=$three task task-d task_d.sh "$data"
# METHODS are those of task (d); task (e) takes its own.
METHODS="" RUN=$out/task-a/runs/${first//[^A-Za-z0-9]/-}-single task task-e task_e.sh "$data"

drkit score "$out"/task-[a-d]*/runs/*.parquet --split val
drkit plot report "$out"/task-[a-d]*/runs/*.parquet --data "$data" --out "$out/report.html" --force
echo "wrote $out/report.html, and a submission.csv in the folder of each task from (a) to (d)"
