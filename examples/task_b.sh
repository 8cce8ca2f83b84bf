#!/usr/bin/env bash
# Task (b), learning from other eyes first, to a checked submission: examples/task_b.sh [DATA] [SECOND] [OUT]
#
#   DATA    a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   SECOND  another data set to learn from first (IDRiD, APTOS, Kaggle's DR Resized); synthetic eyes of other patients
#           where it is left out
#   OUT     folder for everything that is written (default: task-b)
#
# Stage one fine-tunes the backbone on SECOND, stage two goes on from there on DATA, normalisation and preprocessing
# carried along. With WEIGHTS (a file, or a folder such as pretrained_DR_resize) those take the place of stage one. A run
# from ImageNet alone, otherwise the same, is what the two stages are held against. Stage two is what is submitted,
# whatever the scores say, and each run keeps its last epoch: nothing is picked on val. Weights that were trained on
# photographs of DATA's val or test are refused. Finished runs are left as they are and unfinished ones resumed.
# Settings by environment: PATIENTS and SIZE of the synthetic eyes, BACKBONE, START (what stage one and the comparison
# start from: imagenet), WEIGHTS, EPOCHS, UNIT (image, eye or patient), BATCH (photographs a step), INPUT (side of the
# network's images in pixels).
set -euo pipefail

data=${1:-}
second=${2:-}
out=${3:-task-b}
backbone=${BACKBONE:-tf_efficientnet_lite0}
mkdir -p "$out"

# synthesise NAME SEED: eyes that no two seeds have in common.
synthesise() {
    [ -e "$out/$1" ] || drkit synth "$out/$1" --patients "${PATIENTS:-60}" --size "${SIZE:-256}" --seed "$2"
}

# train NAME OPTIONS...: a run of equal budget.
train() {
    local name=$1 resume=()
    shift
    [ ! -e "$out/runs/$name.json" ] || return 0
    [ ! -e "$out/runs/$name.resume.pt" ] || resume=(--resume)
    drkit finetune --backbone "$backbone" --epochs "${EPOCHS:-8}" --choose last ${INPUT:+--size "$INPUT"} \
        --runs-dir "$out/runs" --name "$name" "$@" "${resume[@]}"
}

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    synthesise synthetic-eyes 0
fi

# Stage one sees single photographs, which every data set has, and learns the eye's grade, which every data set states.
weights=${WEIGHTS:-}
if [ -z "$weights" ]; then
    if [ -z "$second" ]; then
        second=$out/other-eyes
        synthesise other-eyes 1
    fi
    train stage-one --data "$second" --weights "${START:-imagenet}" --target eye --batch-size "${BATCH:-16}"
    weights=$out/runs/stage-one.safetensors
fi

# Stage two, and the same from ImageNet; patients of rare grades are repeated, with all their photographs.
unit=${UNIT:-patient}
case $unit in image) views=1 ;; eye) views=2 ;; *) views=4 ;; esac
units=$((${BATCH:-16} / views))
common=(--data "$data" --unit "$unit" --oversample patient --batch-size "$((units > 0 ? units : 1))")
train imagenet-only "${common[@]}" --weights "${START:-imagenet}"
train two-stage "${common[@]}" --weights "$weights"

# Did it help? The paired difference stands below the table, with its interval.
drkit score "$out/runs/imagenet-only.parquet" "$out/runs/two-stage.parquet" --split val
drkit score "$out/runs/imagenet-only.parquet" "$out/runs/two-stage.parquet" --split val --by patient ||
    echo "(this data set states no patient's grade)"

# The Kaggle file, checked against the competition's sample where the data set has one.
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$out/runs/two-stage" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$out/runs/two-stage" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic eyes keep their test grades in a file apart, so here the submission's photographs can be scored, too.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$out/runs/two-stage" --truth "$truth" --split test
