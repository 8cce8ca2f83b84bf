#!/usr/bin/env bash
# The highest kappa that drkit reaches on two cores, in hours: examples/deepdrid_best.sh DATA
#
#   DATA  the course's DeepDRiD, or another data set with the grades of patients and eyes
#
# Members that differ in backbone and loss are trained in two stages, all layers: on other eyes, joined, and then on DATA,
# once to grade patients (all photographs of a patient together) and once to grade eyes (the two photographs of an eye).
# Stage two grades train and val out of fold, several seeds each; the members are then combined, and scored on folds that
# they were not combined on. Nothing is picked on the patients that are scored. Finished runs are left as they are and
# unfinished ones resumed, so the script may be stopped and started at will. Settings by environment:
#
#   STAGE_ONE  data sets to learn from first, colons between: "APTOS2019:Messidor-2:IDRiD". Without it stage two starts
#              from START (fundus, the network that comes with drkit), whose backbone every member then has.
#   OUT        folder for everything that is written (deepdrid-best)
#   MEMBERS    those to be trained (lite0 cost lite1); METHOD, how they are combined (vote, weight, stack, boost, bag)
#   FIRST_EPOCHS, EPOCHS, FOLDS, SEEDS of the stages; INPUT, side of the network's images in pixels; BACKBONE and START
#   in place of every member's own
set -euo pipefail

data=${1:?DATA, a data set, is expected}
out=${OUT:-deepdrid-best}
read -r -a members <<<"${MEMBERS:-lite0 cost lite1}"
declare -A backbones=([lite0]=tf_efficientnet_lite0 [cost]=tf_efficientnet_lite0 [lite1]=tf_efficientnet_lite1)
declare -A losses=([cost]=cross-entropy:smoothing=0.7:cost=5)
mkdir -p "$out"

# train FOLDER NAME OPTIONS...: all layers, lower ones more slowly; the last epoch is kept.
train() {
    local folder=$out/$1 name=$2 resume=()
    shift 2
    [ ! -e "$folder/$name.json" ] || return 0
    ! compgen -G "$folder/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --layer-decay 0.75 --choose last ${INPUT:+--size "$INPUT"} --cache-dir "$out/cache" \
        --runs-dir "$folder" --name "$name" "$@" "${resume[@]}"
}

# Stage one: single photographs and the eye's grade, which every data set states.
first=()
if [ -n "${STAGE_ONE:-}" ]; then
    IFS=: read -r -a eyes <<<"$STAGE_ONE"
    for folder in "${eyes[@]}"; do
        first+=(--data "$folder")
    done
fi
for member in "${members[@]}"; do
    loss=(--loss "${losses[$member]:-regression}")
    weights=${START:-fundus}
    backbone=()
    if [ ${#first[@]} -gt 0 ]; then
        backbone=(--backbone "${BACKBONE:-${backbones[$member]}}")
        train stage-one "$member" "${first[@]}" "${backbone[@]}" "${loss[@]}" --weights "${START:-imagenet}" \
            --target eye --dedupe --round-discs --epochs "${FIRST_EPOCHS:-8}"
        weights=$out/stage-one/$member.safetensors
    elif [ -n "${BACKBONE:-}" ]; then
        backbone=(--backbone "$BACKBONE")
    fi

    # Stage two, to grade patients and to grade eyes.
    second=(--data "$data" "${backbone[@]}" "${loss[@]}" --weights "$weights" --epochs "${EPOCHS:-8}" \
        --folds "${FOLDS:-3}" --folds-over train+val --seeds "${SEEDS:-3}")
    train patient "$member" "${second[@]}" --target patient --unit patient --batch-size 4
    train eye "$member" "${second[@]}" --target eye --unit eye --batch-size 8
done

# The members, all ways to combine them on the same nested folds, and the one that is submitted.
sample=$data/sample_submission.csv
for target in patient eye; do
    drkit score "$out/$target"/*.parquet --by "$target"
    drkit ensemble compare "$out/$target"/*.parquet --fuse "$target" --out "$out/compare_$target.png" --force
    ensemble=$out/ensembles/$target.parquet
    drkit ensemble "${METHOD:-vote}" "$out/$target"/*.parquet --fuse "$target" --out "$ensemble" --force
    if [ -e "$sample" ]; then
        drkit submit "$ensemble" --sample "$sample" --out "$out/submission_$target.csv" --force
        drkit check "$out/submission_$target.csv" --sample "$sample"
    else
        drkit submit "$ensemble" --out "$out/submission_$target.csv" --force || echo "(no test split: no submission)"
    fi
done
