#!/usr/bin/env bash
# Two submissions in a few minutes on two cores, from the network that comes with drkit: examples/deepdrid_fast.sh DATA
#
#   DATA  the course's DeepDRiD, or another data set with the grades of patients and eyes
#
# A head is trained on the frozen network fundus, once to grade patients (all photographs of a patient together) and
# once to grade eyes (the two photographs of an eye). Each grades train and val out of fold, and test as the mean of all its
# networks. Nothing is picked on the patients that are scored. Finished runs are left as they are and unfinished ones
# resumed. Settings by environment: OUT (folder for everything that is written: deepdrid-fast), WEIGHTS and BACKBONE (what
# to start from: fundus), SEEDS, FOLDS, EPOCHS, COPIES (augmented copies a photograph), FREEZE (backbone, or how many
# stages stay as they are), INPUT (side of the network's images in pixels).
set -euo pipefail

data=${1:?DATA, a data set, is expected}
out=${OUT:-deepdrid-fast}
mkdir -p "$out"

# train NAME OPTIONS...: a run of FOLDS times SEEDS networks, the last epoch of each kept.
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

# Out of fold on train and val together: kappa with its interval over patients and seeds.
drkit score "$out/runs/patient" --by patient
drkit score "$out/runs/eye" --by eye

# The Kaggle files, checked against the competition's sample where the data set has one.
sample=$data/sample_submission.csv
for target in patient eye; do
    if [ -e "$sample" ]; then
        drkit submit "$out/runs/$target" --sample "$sample" --out "$out/submission_$target.csv" --force
        drkit check "$out/submission_$target.csv" --sample "$sample"
    else
        drkit submit "$out/runs/$target" --out "$out/submission_$target.csv" --force || echo "(no test split: no submission)"
    fi
done
