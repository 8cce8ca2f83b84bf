#!/usr/bin/env bash
# Train the most accurate recipe of docs/results.md and write a submission for patients and one for eyes. It takes a few
# hours on two CPU cores.
#
# Usage: examples/deepdrid_best.sh DATA
#
#   DATA  the course's DeepDRiD, or another data set with grades of patients and of eyes
#
# The first stage trains all layers of one network on photographs of other data sets, first at the smallest size and then
# at each larger one. The second stage freezes the network of each size and trains two heads on DATA: one grades patients
# from all their photographs, the other grades eyes from the photographs of an eye. Its predictions for the train and val
# splits are out of fold. The networks of all sizes are the members of an ensemble, which is evaluated on nested folds. No
# epoch or setting is selected on the patients that are scored.
#
# Environment:
#
#   STAGE_ONE       data sets of the first stage, separated by colons, such as APTOS2019:Messidor-2:IDRiD (empty: no first
#                   stage; the second stage starts from START at every size)
#   OUT             output folder (deepdrid-best)
#   SIZES           sides of the networks' inputs in pixels, in increasing order (224 288 384)
#   METHOD          ensemble method: stack, weight, vote, boost or bag (stack)
#   BACKBONE        backbone of the first stage (tf_efficientnet_lite0)
#   START           initial weights (imagenet for the first stage; fundus without a first stage)
#   FIRST_EPOCHS    epochs of the first stage at the smallest size (8)
#   FURTHER_EPOCHS  epochs of the first stage at each larger size (2)
#   FREEZE          layers that the second stage freezes: backbone, none, or a number of stages (backbone)
#   EPOCHS          epochs of the second stage (30)
#   COPIES          augmented copies per photograph in the second stage (4)
#   FOLDS           folds of the second stage, over train and val together (3)
#   SEEDS           seeds of the second stage (3)
#
# Writes to OUT: the runs in stage-one/, patient/ and eye/; ensembles/patient.parquet and eye.parquet;
# compare_patient.png and compare_eye.png; submission_patient.csv and submission_eye.csv if DATA has a test split.
# Finished runs are kept and unfinished ones are resumed.
set -euo pipefail

data=${1:?DATA, a data set, is expected}
out=${OUT:-deepdrid-best}
read -r -a sizes <<<"${SIZES:-224 288 384}"
mkdir -p "$out"

# train FOLDER NAME OPTIONS...: train a run and keep its last epoch.
train() {
    local folder=$out/$1 name=$2 resume=()
    shift 2
    [ ! -e "$folder/$name.json" ] || return 0
    ! compgen -G "$folder/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --layer-decay 0.75 --choose last --cache-dir "$out/cache" --runs-dir "$folder" --name "$name" "$@" \
        "${resume[@]}"
}

# The first stage uses single photographs and the eye's grade, which all data sets have.
first=()
if [ -n "${STAGE_ONE:-}" ]; then
    IFS=: read -r -a eyes <<<"$STAGE_ONE"
    for folder in "${eyes[@]}"; do
        first+=(--data "$folder")
    done
fi
weights=${START:-fundus}
for size in "${sizes[@]}"; do
    if [ ${#first[@]} -gt 0 ]; then
        start=(--backbone "${BACKBONE:-tf_efficientnet_lite0}" --weights "${START:-imagenet}" --round-discs \
            --epochs "${FIRST_EPOCHS:-8}")
        if [ "$size" != "${sizes[0]}" ]; then
            start=(--weights "$weights" --keep-head --lr 1e-4 --epochs "${FURTHER_EPOCHS:-2}")
        fi
        train stage-one "${size}px" "${first[@]}" --target eye --dedupe --val-share 0.01 --size "$size" \
            "${start[@]}"
        weights=$out/stage-one/${size}px.safetensors
    fi

    # Second stage, once for patients and once for eyes.
    second=(--data "$data" --weights "$weights" --size "$size" --freeze "${FREEZE:-backbone}" --copies "${COPIES:-4}" \
        --oversample patient --epochs "${EPOCHS:-30}" --folds "${FOLDS:-3}" --folds-over train+val --seeds "${SEEDS:-3}")
    train patient "${size}px" "${second[@]}" --target patient --unit patient
    train eye "${size}px" "${second[@]}" --target eye --unit eye
done

# Scores of the members, a comparison of all ensemble methods on the same nested folds, and the submission.
sample=$data/sample_submission.csv
for target in patient eye; do
    drkit score "$out/$target"/*.parquet --by "$target"
    drkit ensemble compare "$out/$target"/*.parquet --fuse "$target" --out "$out/compare_$target.png" --force
    ensemble=$out/ensembles/$target.parquet
    drkit ensemble "${METHOD:-stack}" "$out/$target"/*.parquet --fuse "$target" --out "$ensemble" --force
    if [ -e "$sample" ]; then
        drkit submit "$ensemble" --sample "$sample" --out "$out/submission_$target.csv" --force
        drkit check "$out/submission_$target.csv" --sample "$sample"
    else
        drkit submit "$ensemble" --out "$out/submission_$target.csv" --force || echo "(no test split: no submission)"
    fi
done
