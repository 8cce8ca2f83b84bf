#!/usr/bin/env bash
# Task (d), ensembles: examples/task_d.sh [DATA] [OUT]
#
#   DATA  a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   OUT   folder for everything that is written (default: task-d)
#
# Three members see differently preprocessed photographs, each through its own backbone. Settings by environment:
# PATIENTS and SIZE of the synthetic eyes; SIDE of the preprocessed photographs; BACKBONES (three names) and WEIGHTS
# (as finetune --weights: a folder such as pretrained_DR_resize gives each backbone its own file); FREEZE, COPIES, EPOCHS
# and INPUT (side of the network's images) of the trainings; METHODS, the ways to combine; FUSE (none, eye, patient).
set -euo pipefail

data=${1:-}
out=${2:-task-d}
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# Three views of the same photographs: cropped, with even colours, with local contrast and sharpened.
prepare() {
    drkit preprocess "$out/data/$1" --data "$data" --steps "$2" --size "${SIDE:-320}" --keep-going
}
prepare cropped circle-crop
prepare graham circle-crop,ben-graham
prepare clahe circle-crop,clahe:clip=2:tiles=8,blur:sigma=0.8,sharpen

# A member of each, all stopped at the last epoch: nothing is picked on the patients that the ensembles are scored on.
read -r -a backbones <<<"${BACKBONES:-tf_efficientnet_lite0 tf_efficientnet_lite0 tf_efficientnet_lite0}"
number=0
for variant in cropped graham clahe; do
    drkit finetune --data "$out/data/$variant" --backbone "${backbones[$number]}" --weights "${WEIGHTS:-imagenet}" \
        --freeze "${FREEZE:-backbone}" --copies "${COPIES:-1}" --epochs "${EPOCHS:-40}" ${INPUT:+--size "$INPUT"} \
        --choose last --runs-dir "$out/runs" --name "$variant" --force
    number=$((number + 1))
done

# Every way to combine, each scored on patients it was not fitted on.
for method in ${METHODS:-vote weight stack boost bag}; do
    drkit ensemble "$method" "$out"/runs/*.parquet --fuse "${FUSE:-patient}" --out "$out/ensembles/$method.parquet" \
        --force
done

# All of them, the members and their plain mean on the same folds: a table, a picture and what it carries.
drkit ensemble compare "$out"/runs/*.parquet --fuse "${FUSE:-patient}" --out "$out/compare.png" --force

# The plain mean is what costs nothing and fits nothing; SUBMIT names another of the ensembles.
ensemble=$out/ensembles/${SUBMIT:-vote}.parquet
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$ensemble" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$ensemble" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic eyes keep their test grades in a file apart, so here the submission's photographs can be scored, too.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$ensemble" --truth "$truth" --split test
