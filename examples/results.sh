#!/usr/bin/env bash
# Repeat the comparisons of units, batch norms, two stages and augmentations in docs/results.md.
#
# Usage: examples/results.sh DATA IDRID [OUT]
#
#   DATA   the course's DeepDRiD
#   IDRID  IDRiD's grading part, for the first stage
#   OUT    output folder (default: results)
#
# The lower four stages of the network are frozen, and their features are computed once (--cache-dir), so that a run takes
# minutes.
#
# Environment:
#
#   EPOCHS       epochs (6)
#   HEAD_EPOCHS  epochs of the comparison of augmentations, which trains only the head (24)
#   COPIES       augmented copies per photograph (3)
#   ONLY         glob pattern of the runs to train, such as 'unit-*' (*)
#
# Writes to OUT: runs/ and the cache of features, cache/. Finished runs are kept and unfinished ones are resumed.
set -euo pipefail

data=$1 idrid=$2 out=${3:-results}
mkdir -p "$out"

# train NAME OPTIONS...: train a run with the common budget and keep its last epoch.
train() {
    local name=$1
    shift
    # shellcheck disable=SC2053  # ONLY is a glob pattern
    [[ $name == ${ONLY:-*} && ! -e $out/runs/$name.json ]] || return 0
    local resume=()
    ! compgen -G "$out/runs/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --data "$data" --freeze 4 --copies "${COPIES:-3}" --epochs "${EPOCHS:-6}" --choose last \
        --cache-dir "$out/cache" --runs-dir "$out/runs" --name "$name" "$@" "${resume[@]}"
}

# Units of one photograph, of an eye's two and of a patient's four; a batch always has sixteen photographs.
train unit-image
train unit-eye --unit eye --batch-size 8
train unit-patient --unit patient --batch-size 4

# The same units with batch norms that use the statistics of each batch.
train batch-image --norms batch
train batch-patient --norms batch --unit patient --batch-size 4

# First stage on IDRiD with all layers trained, second stage on DeepDRiD.
train stage-one --data "$idrid" --freeze none
train two-stage --unit patient --batch-size 4 --weights "$out/runs/stage-one.safetensors" --freeze 4

# Augmentations, with only the head trained, so that the runs differ only in the augmented copies.
for policy in none light medium strong template; do
    train "augment-$policy" --freeze backbone --epochs "${HEAD_EPOCHS:-24}" --augment "$policy"
done

drkit score "$out"/runs/unit-*.parquet --split val
drkit score "$out"/runs/unit-*.parquet --split val --by patient
drkit score "$out"/runs/{batch,unit}-image.parquet --split val
drkit score "$out"/runs/{batch,unit}-patient.parquet --split val
drkit score "$out"/runs/unit-patient.parquet "$out"/runs/two-stage.parquet --split val
drkit score "$out"/runs/augment-*.parquet --split val
