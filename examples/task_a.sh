#!/usr/bin/env bash
# Task (a), transfer learning from ImageNet, to a checked submission: examples/task_a.sh [DATA] [OUT]
#
#   DATA  a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   OUT   folder for everything that is written (default: task-a)
#
# Each backbone is fine-tuned three ways: single (a photograph at a time), eye (both views of an eye through one
# backbone) and dual (the course's: a backbone for each view, side by side). The first backbone's single network is
# trained with each augmentation, too. Which run is submitted is fixed before anything is scored (SUBMIT), and each keeps
# its last epoch, so that nothing is picked on val. Finished runs are left as they are and unfinished ones resumed.
# Settings by environment: PATIENTS and SIZE of the synthetic eyes, BACKBONES, WEIGHTS, AUGMENTS (beside the default
# policy; may be empty), EPOCHS, BATCH (photographs a step), INPUT (side of the network's images in pixels), SUBMIT (a
# run's name).
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

# train NAME OPTIONS...: a run of equal budget.
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

# Kaggle scores photographs; by patient, all photographs of both eyes are joined. The others against the first, paired.
drkit score "${runs[@]}" --split val
drkit score "${runs[@]}" --split val --by patient || echo "(this data set states no patient's grade)"

# The Kaggle file, checked against the competition's sample where the data set has one.
submitted=$out/runs/${SUBMIT:-$first-eye}
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$submitted" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$submitted" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic eyes keep their test grades in a file apart, so here the submission's photographs can be scored, too.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$submitted" --truth "$truth" --split test
