#!/usr/bin/env bash
# Task (a), transfer learning: fine-tune ImageNet backbones, compare them and write a submission.
#
# Usage: examples/task_a.sh [DATA] [OUT]
#
#   DATA  data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   OUT   output folder (default: task-a)
#
# Each backbone is fine-tuned in three forms:
#
#   single  sees one photograph
#   eye     sees both views of an eye through one shared backbone
#   dual    sees both views of an eye through a backbone of its own for each, as in the course's template
#
# The first backbone's single network is also trained with other augmentations. The run to submit is fixed before any run
# is scored, and each run keeps its last epoch, so that nothing is selected on val.
#
# Environment:
#
#   PATIENTS   number of synthetic patients (60)
#   SIZE       side of the synthetic photographs in pixels (256)
#   BACKBONES  backbones, separated by spaces (tf_efficientnet_lite0)
#   WEIGHTS    initial weights (imagenet)
#   AUGMENTS   augmentations to compare with the default one; may be empty (none template)
#   EPOCHS     epochs (8)
#   BATCH      photographs per batch (16)
#   INPUT      side of the network's input in pixels (that of the backbone)
#   SUBMIT     name of the run to submit (the first backbone's eye network)
#
# Writes to OUT: runs/, and submission.csv if DATA has a test split. Finished runs are kept and unfinished ones are
# resumed.
set -euo pipefail

data=${1:-}
out=${2:-task-a}
read -r -a backbones <<< "${BACKBONES:-tf_efficientnet_lite0}"
read -r -a augments <<< "${AUGMENTS-none template}"
batch=${BATCH:-16}
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# train NAME OPTIONS...: train a run with the common budget.
train() {
    local name=$1 resume=()
    shift
    [ ! -e "$out/runs/$name.json" ] || return 0
    [ ! -e "$out/runs/$name.resume.pt" ] || resume=(--resume)
    drkit finetune --data "$data" --weights "${WEIGHTS:-imagenet}" --epochs "${EPOCHS:-8}" --choose last \
        ${INPUT:+--size "$INPUT"} --runs-dir "$out/runs" --name "$name" "$@" "${resume[@]}"
}

runs=()
for backbone in "${backbones[@]}"; do
    name=${backbone//[^A-Za-z0-9]/-}
    train "$name-single" --backbone "$backbone" --batch-size "$batch"
    train "$name-eye" --backbone "$backbone" --batch-size "$((batch / 2))" --unit eye
    train "$name-dual" --backbone "$backbone" --batch-size "$((batch / 2))" --unit eye --unshared --fusion concat
    runs+=("$out/runs/$name-single.parquet" "$out/runs/$name-eye.parquet" "$out/runs/$name-dual.parquet")
done

first=${backbones[0]//[^A-Za-z0-9]/-}
for policy in "${augments[@]}"; do
    train "$first-single-$policy" --backbone "${backbones[0]}" --batch-size "$batch" --augment "$policy"
    runs+=("$out/runs/$first-single-$policy.parquet")
done

# Score photographs, as Kaggle does, and patients, whose photographs are combined. Each run is compared with the first.
drkit score "${runs[@]}" --split val
drkit score "${runs[@]}" --split val --by patient || echo "(this data set has no grades of patients)"

# Kaggle submission, checked against the competition's sample if the data set has one.
submitted=$out/runs/${SUBMIT:-$first-eye}
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$submitted" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$submitted" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic data sets have the test grades in a separate file, so the predictions for test can be scored here.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$submitted" --truth "$truth" --split test
