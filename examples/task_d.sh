#!/usr/bin/env bash
# Task (d), ensembles: train members on differently preprocessed photographs, combine them and write a submission.
#
# Usage: examples/task_d.sh [DATA] [OUT]
#
#   DATA  data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   OUT   output folder (default: task-d)
#
# Environment:
#
#   PATIENTS   number of synthetic patients (60)
#   SIZE       side of the synthetic photographs in pixels (256)
#   SIDE       side of the preprocessed photographs in pixels (320)
#   BACKBONES  backbones of the three members, separated by spaces (tf_efficientnet_lite0 three times)
#   WEIGHTS    initial weights; a folder such as pretrained_DR_resize has a file for each backbone (imagenet)
#   FREEZE     frozen layers: backbone, none, or a number of stages (backbone)
#   EPOCHS     epochs (40)
#   COPIES     augmented copies per photograph (1)
#   INPUT      side of the network's input in pixels (that of the backbone)
#   METHODS    ensemble methods, separated by spaces (vote weight stack boost bag)
#   FUSE       whose photographs share a prediction: none, eye or patient (patient)
#   SUBMIT     method of the ensemble to submit (vote)
#
# Writes to OUT: data/ with the preprocessed photographs, runs/, ensembles/, compare.png, and submission.csv if DATA has a
# test split. What an earlier call wrote is replaced, except the preprocessed photographs.
set -euo pipefail

data=${1:-}
out=${2:-task-d}
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# Three versions of the same photographs: cropped; with even illumination; with local contrast, smoothed and sharpened.
prepare() {
    drkit preprocess "$out/data/$1" --data "$data" --steps "$2" --size "${SIDE:-320}" --keep-going
}
prepare cropped circle-crop
prepare graham circle-crop,ben-graham
prepare clahe circle-crop,clahe:clip=2:tiles=8,blur:sigma=0.8,sharpen

# One member per version. Each keeps its last epoch, so that none is selected on the patients of the ensembles' scores.
read -r -a backbones <<<"${BACKBONES:-tf_efficientnet_lite0 tf_efficientnet_lite0 tf_efficientnet_lite0}"
number=0
for variant in cropped graham clahe; do
    drkit finetune --data "$out/data/$variant" --backbone "${backbones[$number]}" --weights "${WEIGHTS:-imagenet}" \
        --freeze "${FREEZE:-backbone}" --copies "${COPIES:-1}" --epochs "${EPOCHS:-40}" ${INPUT:+--size "$INPUT"} \
        --choose last --runs-dir "$out/runs" --name "$variant" --force
    number=$((number + 1))
done

# Each ensemble method is scored on patients that it was not fitted on.
for method in ${METHODS:-vote weight stack boost bag}; do
    drkit ensemble "$method" "$out"/runs/*.parquet --fuse "${FUSE:-patient}" --out "$out/ensembles/$method.parquet" \
        --force
done

# All methods, the members and their plain mean on the same folds, as a table and a plot.
drkit ensemble compare "$out"/runs/*.parquet --fuse "${FUSE:-patient}" --out "$out/compare.png" --force

# By default the plain mean is submitted, which fits nothing.
ensemble=$out/ensembles/${SUBMIT:-vote}.parquet
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$ensemble" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$ensemble" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic data sets have the test grades in a separate file, so the predictions for test can be scored here.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$ensemble" --truth "$truth" --split test
