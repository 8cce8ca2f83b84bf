#!/usr/bin/env bash
# The highest kappa that drkit reaches on two cores, in a few hours: examples/deepdrid_best.sh DATA
#
#   DATA  the course's DeepDRiD, or another data set with the grades of patients and eyes
#
# Stage one trains all layers of one network on other eyes, first at a low resolution and then at higher ones. What it is
# at each resolution becomes a member: frozen, with a head that stage two trains on DATA, once to grade patients (all
# photographs of a patient together) and once to grade eyes (the photographs of an eye). Stage two grades train and val out
# of fold, several seeds each; the members are then combined, and scored on folds that they were not combined on. Nothing is
# picked on the patients that are scored. Finished runs are left as they are and unfinished ones resumed, so the script may
# be stopped and started at will. Settings by environment:
#
#   STAGE_ONE  data sets to learn from first, colons between: "APTOS2019:Messidor-2:IDRiD". Without it stage two starts
#              from fundus, the network that comes with drkit, at every resolution.
#   OUT        folder for everything that is written (deepdrid-best)
#   SIZES      sides of the members' images in pixels, rising (224 288 384)
#   METHOD     how members are combined: stack, weight, vote, boost or bag
#   FREEZE     none to train all layers in stage two (backbone)
#   FIRST_EPOCHS, FURTHER_EPOCHS of stage one at the first and at each further size; EPOCHS, COPIES, FOLDS, SEEDS of stage
#   two; BACKBONE and START (weights) in place of EfficientNet-Lite0 from ImageNet
set -euo pipefail

data=${1:?DATA, a data set, is expected}
out=${OUT:-deepdrid-best}
read -r -a sizes <<<"${SIZES:-224 288 384}"
mkdir -p "$out"

# train FOLDER NAME OPTIONS...: the last epoch is kept.
train() {
    local folder=$out/$1 name=$2 resume=()
    shift 2
    [ ! -e "$folder/$name.json" ] || return 0
    ! compgen -G "$folder/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --layer-decay 0.75 --choose last --cache-dir "$out/cache" --runs-dir "$folder" --name "$name" "$@" \
        "${resume[@]}"
}

# Stage one: single photographs and the eye's grade, which every data set states.
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

    # Stage two, to grade patients and to grade eyes.
    second=(--data "$data" --weights "$weights" --size "$size" --freeze "${FREEZE:-backbone}" --copies "${COPIES:-4}" \
        --oversample patient --epochs "${EPOCHS:-30}" --folds "${FOLDS:-3}" --folds-over train+val --seeds "${SEEDS:-3}")
    train patient "${size}px" "${second[@]}" --target patient --unit patient
    train eye "${size}px" "${second[@]}" --target eye --unit eye
done

# The members, all ways to combine them on the same nested folds, and the one that is submitted.
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
