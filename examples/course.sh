#!/usr/bin/env bash
# Run all tasks of the course, (a) to (e), and write a report on their runs.
#
# Usage: examples/course.sh [DATA] [SECOND...]
#
#   DATA    data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   SECOND  data sets for the first stage of task (b), which is run once for each (default: synthetic eyes of other
#           patients)
#
# Environment:
#
#   OUT        output folder (course)
#   BACKBONES  backbones of task (a); the first one is also that of tasks (b) and (c), and the first three are those of
#              task (d) (all whose ImageNet weights are installed, see drkit info)
#   PATIENTS   number of synthetic patients (60)
#   SIZE       side of the synthetic photographs in pixels (256)
#
# The other settings of the task scripts apply too, except SUBMIT in all of them and METHODS and RUN in task (e).
#
# Writes to OUT: a folder for each task, with the outputs of its script; report.html. Finished tasks are not run again.
# In tasks (a) and (b), finished runs are also kept, and unfinished ones are resumed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${1:-}
[ $# -eq 0 ] || shift
out=${OUT:-course}
mkdir -p "$out"
unset SUBMIT # it names something else in each task script

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

# task FOLDER SCRIPT ARGUMENTS...: run a task's script unless it has already finished.
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
# METHODS lists the ensemble methods of task (d); task (e) uses its default.
METHODS="" RUN=$out/task-a/runs/${first//[^A-Za-z0-9]/-}-single task task-e task_e.sh "$data"

drkit score "$out"/task-[a-d]*/runs/*.parquet --split val
drkit plot report "$out"/task-[a-d]*/runs/*.parquet --data "$data" --out "$out/report.html" --force
echo "wrote $out/report.html, and a submission.csv in the folder of each task from (a) to (d)"
