#!/usr/bin/env bash
# Task (b), two stages: train on another data set first, compare with a single stage and write a submission.
#
# Usage: examples/task_b.sh [DATA] [SECOND] [OUT]
#
#   DATA    data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   SECOND  data set of the first stage, such as IDRiD, APTOS or Kaggle's DR Resized (default: synthetic eyes of other
#           patients)
#   OUT     output folder (default: task-b)
#
# The first stage fine-tunes the backbone on SECOND. The second stage continues from it on DATA, with the same
# normalisation and preprocessing. The comparison run differs only in its initial weights, START. The second stage is
# submitted whatever the scores are, and each run keeps its last epoch, so that nothing is selected on val. Weights that
# were trained on photographs of DATA's val or test split are refused.
#
# Environment:
#
#   PATIENTS  number of synthetic patients of each data set (60)
#   SIZE      side of the synthetic photographs in pixels (256)
#   BACKBONE  backbone (tf_efficientnet_lite0)
#   START     initial weights of the first stage and of the comparison run (imagenet)
#   WEIGHTS   initial weights of the second stage, a file or a folder such as pretrained_DR_resize; the first stage is
#             then left out (those of the first stage)
#   UNIT      what the second stage sees at once: image, eye or patient (patient)
#   EPOCHS    epochs of each run (8)
#   BATCH     photographs per batch in the second stage (16)
#   INPUT     side of the network's input in pixels (that of the initial weights)
#
# Writes to OUT: runs/stage-one, runs/imagenet-only and runs/two-stage, and submission.csv if DATA has a test split.
# Finished runs are kept and unfinished ones are resumed.
set -euo pipefail

data=${1:-}
second=${2:-}
out=${3:-task-b}
backbone=${BACKBONE:-tf_efficientnet_lite0}
mkdir -p "$out"

# synthesise NAME SEED: draw synthetic eyes; the patients of different seeds are different.
synthesise() {
    [ -e "$out/$1" ] || drkit synth "$out/$1" --patients "${PATIENTS:-60}" --size "${SIZE:-256}" --seed "$2"
}

# train NAME OPTIONS...: train a run with the common budget.
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

# The first stage uses single photographs and the eye's grade, which all data sets have.
weights=${WEIGHTS:-}
if [ -z "$weights" ]; then
    if [ -z "$second" ]; then
        second=$out/other-eyes
        synthesise other-eyes 1
    fi
    train stage-one --data "$second" --weights "${START:-imagenet}" --target eye --batch-size "${BATCH:-16}"
    weights=$out/runs/stage-one.safetensors
fi

# The comparison run and the second stage. Patients of rare grades are repeated with all their photographs.
unit=${UNIT:-patient}
case $unit in image) views=1 ;; eye) views=2 ;; *) views=4 ;; esac
units=$((${BATCH:-16} / views))
common=(--data "$data" --unit "$unit" --oversample patient --batch-size "$((units > 0 ? units : 1))")
train imagenet-only "${common[@]}" --weights "${START:-imagenet}"
train two-stage "${common[@]}" --weights "$weights"

# The paired difference between both runs is printed below the table, with its interval.
drkit score "$out/runs/imagenet-only.parquet" "$out/runs/two-stage.parquet" --split val
drkit score "$out/runs/imagenet-only.parquet" "$out/runs/two-stage.parquet" --split val --by patient ||
    echo "(this data set has no grades of patients)"

# Kaggle submission, checked against the competition's sample if the data set has one.
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$out/runs/two-stage" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$out/runs/two-stage" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic data sets have the test grades in a separate file, so the predictions for test can be scored here.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$out/runs/two-stage" --truth "$truth" --split test
