#!/usr/bin/env bash
# Train heads on the network that comes with drkit and write a submission for patients and one for eyes. It takes a few
# minutes on two CPU cores.
#
# Usage: examples/deepdrid_fast.sh DATA
#
#   DATA  the course's DeepDRiD, or another data set with grades of patients and of eyes
#
# The backbone is frozen. One head grades patients from all their photographs, the other grades eyes from the two
# photographs of an eye. Predictions for the train and val splits are out of fold; those for test are the mean of all
# networks. No epoch or setting is selected on the patients that are scored.
#
# Environment:
#
#   OUT       output folder (deepdrid-fast)
#   WEIGHTS   initial weights (fundus)
#   BACKBONE  backbone (that of WEIGHTS)
#   INPUT     side of the network's input in pixels (that of WEIGHTS)
#   FREEZE    frozen layers: backbone, none, or a number of stages (backbone)
#   EPOCHS    epochs (30)
#   COPIES    augmented copies per photograph (4)
#   FOLDS     folds over train and val together (3)
#   SEEDS     seeds (3)
#
# Writes to OUT: runs/patient and runs/eye; submission_patient.csv and submission_eye.csv if DATA has a test split.
# Finished runs are kept and unfinished ones are resumed.
set -euo pipefail

data=${1:?DATA, a data set, is expected}
out=${OUT:-deepdrid-fast}
mkdir -p "$out"

# train NAME OPTIONS...: train a run of FOLDS times SEEDS networks and keep the last epoch of each.
train() {
    local name=$1 resume=()
    shift
    [ ! -e "$out/runs/$name.json" ] || return 0
    ! compgen -G "$out/runs/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit finetune --data "$data" --weights "${WEIGHTS:-fundus}" ${BACKBONE:+--backbone "$BACKBONE"} \
        ${INPUT:+--size "$INPUT"} --freeze "${FREEZE:-backbone}" --copies "${COPIES:-4}" --epochs "${EPOCHS:-30}" --choose last \
        --folds "${FOLDS:-3}" --folds-over train+val --seeds "${SEEDS:-3}" --cache-dir "$out/cache" \
        --runs-dir "$out/runs" --name "$name" "$@" "${resume[@]}"
}
train patient --target patient --unit patient
train eye --target eye --unit eye

# Out-of-fold kappa on train and val together, with its interval over patients and seeds.
drkit score "$out/runs/patient" --by patient
drkit score "$out/runs/eye" --by eye

# Kaggle submissions, checked against the competition's sample if the data set has one.
sample=$data/sample_submission.csv
for target in patient eye; do
    if [ -e "$sample" ]; then
        drkit submit "$out/runs/$target" --sample "$sample" --out "$out/submission_$target.csv" --force
        drkit check "$out/submission_$target.csv" --sample "$sample"
    else
        drkit submit "$out/runs/$target" --out "$out/submission_$target.csv" --force || echo "(no test split: no submission)"
    fi
done
