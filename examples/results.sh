#!/usr/bin/env bash
# The comparisons of docs/results.md: examples/results.sh DATA IDRID [OUT]
#
#   DATA   the course's DeepDRiD
#   IDRID  IDRiD's grading part, for stage one
#   OUT    folder for everything that is written (default: results)
#
# Finished runs are left as they are and unfinished ones resumed, so the script may be stopped and started at will.
# The lower four stages are frozen and run once (--cache-dir), which makes a run a matter of minutes.
# Settings by environment: EPOCHS, HEAD_EPOCHS, COPIES, ONLY (a pattern of the runs to be made, such as 'unit-*').
set -euo pipefail

data=$1 idrid=$2 out=${3:-results}
mkdir -p "$out"

# train NAME OPTIONS...: a run of equal budget, its last epoch kept.
train() {
    local name=$1
    shift
    # shellcheck disable=SC2053  # a pattern is meant
    [[ $name == ${ONLY:-*} && ! -e $out/runs/$name.json ]] || return 0
    local resume=()
    ! compgen -G "$out/runs/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --data "$data" --freeze 4 --copies "${COPIES:-3}" --epochs "${EPOCHS:-6}" --choose last \
        --cache-dir "$out/cache" --runs-dir "$out/runs" --name "$name" "$@" "${resume[@]}"
}

# Units: one photograph, an eye's two (dual), a patient's four; sixteen photographs a step each.
train unit-image
train unit-eye --unit eye --batch-size 8
train unit-patient --unit patient --batch-size 4

# The same with batch norms that standardise by the batch.
train batch-image --norms batch
train batch-patient --norms batch --unit patient --batch-size 4

# Stage one on IDRiD, all layers; then DeepDRiD from there.
train stage-one --data "$idrid" --freeze none
train two-stage --unit patient --batch-size 4 --weights "$out/runs/stage-one.safetensors" --freeze 4

# Augmentation, by photograph; all but the head frozen, so that the copies are all that differs.
for policy in none light medium strong template; do
    train "augment-$policy" --freeze backbone --epochs "${HEAD_EPOCHS:-24}" --augment "$policy"
done

drkit score "$out"/runs/unit-*.parquet --split val
drkit score "$out"/runs/unit-*.parquet --split val --by patient
drkit score "$out"/runs/{batch,unit}-image.parquet --split val
drkit score "$out"/runs/{batch,unit}-patient.parquet --split val
drkit score "$out"/runs/unit-patient.parquet "$out"/runs/two-stage.parquet --split val
drkit score "$out"/runs/augment-*.parquet --split val
