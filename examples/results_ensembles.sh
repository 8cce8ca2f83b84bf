#!/usr/bin/env bash
# The ensembles of docs/results.md: examples/results_ensembles.sh DATA IDRID [OUT]
#
#   DATA   the course's DeepDRiD
#   IDRID  IDRiD's grading part, for stage one
#   OUT    folder for everything that is written (default: results)
#
# Members differ in preprocessing (one backbone) or in backbone (photographs as they are). Each is trained in two stages,
# both on photographs preprocessed alike: IDRiD, then the patients of DeepDRiD, judged out of three folds over train and
# val together. Stage two freezes the lower four stages. Finished runs are left as they are and unfinished ones resumed, so
# the script may be stopped and started at will. Settings by environment: FIRST_EPOCHS and EPOCHS of the stages, COPIES,
# ONLY (a pattern of the members to be made), MOBILENET (a file with MobileNetV2's ImageNet weights; without it that
# member needs the model hub).
set -euo pipefail

data=$1 idrid=$2 out=${3:-results}
runs=$out/members first=$out/stage-one
mkdir -p "$out"
declare -A steps=(
    [cropped]=circle-crop
    [graham]=circle-crop,ben-graham
    [clahe]=circle-crop,clahe:clip=2:tiles=8
    [blur]=circle-crop,blur:sigma=1
    [sharpen]=circle-crop,sharpen
)
declare -A backbones=([mobilenet]=mobilenet_v2)
declare -A weights=([mobilenet]=${MOBILENET:-imagenet})

# train RUNS_DIR NAME OPTIONS...: the last epoch is kept.
train() {
    local folder=$1 name=$2
    shift 2
    [ ! -e "$folder/$name.json" ] || return 0
    local resume=()
    ! compgen -G "$folder/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --runs-dir "$folder" --name "$name" --size 224 --copies "${COPIES:-2}" --choose last "$@" "${resume[@]}"
}

# prepared NAME SOURCE KIND: where the photographs of a member lie; they are preprocessed first where it wants that.
prepared() {
    [ -n "${steps[$1]:-}" ] || { echo "$2"; return; }
    drkit preprocess "$out/data/$1/$3" --data "$2" --steps "${steps[$1]}" --size 288 >&2
    echo "$out/data/$1/$3"
}

for name in plain mobilenet graham clahe cropped blur sharpen; do
    # shellcheck disable=SC2053  # a pattern is meant
    [[ $name == ${ONLY:-*} ]] || continue
    eyes=$(prepared "$name" "$idrid" idrid)
    train "$first" "$name" --data "$eyes" --target eye --backbone "${backbones[$name]:-tf_efficientnet_lite0}" \
        --weights "${weights[$name]:-imagenet}" --freeze 2 --epochs "${FIRST_EPOCHS:-5}"
    patients=$(prepared "$name" "$data" deepdrid)
    train "$runs" "$name" --data "$patients" --unit patient --batch-size 4 --weights "$first/$name.safetensors" \
        --freeze 4 --epochs "${EPOCHS:-5}" --folds 3 --folds-over train+val
done

# What preprocessing and the backbone do, one at a time, against the first; then all ways to combine.
drkit score "$runs"/{plain,cropped,graham,clahe,blur,sharpen,mobilenet}.parquet
drkit ensemble compare "$runs"/*.parquet --out "$out/compare.png" --force
