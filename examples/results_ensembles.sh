#!/usr/bin/env bash
# Repeat the comparisons of preprocessing, backbones and ensembles in docs/results.md.
#
# Usage: examples/results_ensembles.sh DATA IDRID [OUT]
#
#   DATA   the course's DeepDRiD
#   IDRID  IDRiD's grading part, for the first stage
#   OUT    output folder (default: results)
#
# The members differ in preprocessing (with the same backbone) or in the backbone (without preprocessing). Each is trained
# in two stages on photographs that are preprocessed in the same way: first on IDRiD, then on the patients of DeepDRiD
# with the lower four stages of the network frozen. The second stage is evaluated on three folds over train and val
# together.
#
# Environment:
#
#   FIRST_EPOCHS  epochs of the first stage (5)
#   EPOCHS        epochs of the second stage (5)
#   COPIES        augmented copies per photograph (2)
#   MOBILENET     file with MobileNetV2's ImageNet weights (imagenet, which needs the model hub)
#   ONLY          glob pattern of the members to train, such as 'c*' (*)
#
# Writes to OUT: data/ with the preprocessed photographs, the runs in stage-one/ and members/, and compare.png. Finished
# runs are kept and unfinished ones are resumed.
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

# train RUNS_DIR NAME OPTIONS...: train a run and keep its last epoch.
train() {
    local folder=$1 name=$2
    shift 2
    [ ! -e "$folder/$name.json" ] || return 0
    local resume=()
    ! compgen -G "$folder/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --runs-dir "$folder" --name "$name" --size 224 --copies "${COPIES:-2}" --choose last "$@" "${resume[@]}"
}

# prepared NAME SOURCE KIND: print the folder of a member's photographs, after preprocessing them if the member has steps.
prepared() {
    [ -n "${steps[$1]:-}" ] || { echo "$2"; return; }
    drkit preprocess "$out/data/$1/$3" --data "$2" --steps "${steps[$1]}" --size 288 >&2
    echo "$out/data/$1/$3"
}

for name in plain mobilenet graham clahe cropped blur sharpen; do
    # shellcheck disable=SC2053  # ONLY is a glob pattern
    [[ $name == ${ONLY:-*} ]] || continue
    eyes=$(prepared "$name" "$idrid" idrid)
    train "$first" "$name" --data "$eyes" --target eye --backbone "${backbones[$name]:-tf_efficientnet_lite0}" \
        --weights "${weights[$name]:-imagenet}" --freeze 2 --epochs "${FIRST_EPOCHS:-5}"
    patients=$(prepared "$name" "$data" deepdrid)
    train "$runs" "$name" --data "$patients" --unit patient --batch-size 4 --weights "$first/$name.safetensors" \
        --freeze 4 --epochs "${EPOCHS:-5}" --folds 3 --folds-over train+val
done

# Every member compared with the first, plain; then all ensemble methods.
drkit score "$runs"/{plain,cropped,graham,clahe,blur,sharpen,mobilenet}.parquet
drkit ensemble compare "$runs"/*.parquet --out "$out/compare.png" --force
