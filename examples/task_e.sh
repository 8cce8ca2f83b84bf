#!/usr/bin/env bash
# Task (e), plots and explanations: draw how a network was trained, where it is wrong and which regions it relies on.
#
# Usage: examples/task_e.sh [DATA] [OUT]
#
#   DATA  data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   OUT   output folder (default: task-e)
#
# Environment:
#
#   RUN        finished run on DATA to explain, such as runs/NAME (a head is trained on a frozen backbone)
#   PATIENTS   number of synthetic patients (60)
#   SIZE       side of the synthetic photographs in pixels (256)
#   EPOCHS     epochs (40)
#   INPUT      side of the network's input in pixels (that of the backbone)
#   METHODS    explanation methods that are compared with the masks of synthetic lesions (gradcam,layercam)
#   PROVED     explanation methods whose faithfulness is measured (gradcam,hirescam,eigencam)
#   PER_GRADE  photographs per grade on which faithfulness is measured (4)
#
# Writes to OUT: runs/explained if RUN is not set, curves.png, epochs.png, errors.png, worst/, referral/, proof/, and
# lesions/ if DATA has masks of lesions. What an earlier call wrote is replaced.
set -euo pipefail

data=${1:-}
out=${2:-task-e}
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

run=${RUN:-$out/runs/explained}
if [ -z "${RUN:-}" ]; then
    drkit finetune --data "$data" --freeze backbone --copies 1 --epochs "${EPOCHS:-40}" ${INPUT:+--size "$INPUT"} \
        --choose last --runs-dir "$out/runs" --name explained --force
fi

# Loss and metrics by epoch; and training against validation, one point per epoch.
drkit plot curves "$run" --out "$out/curves.png" --force
drkit plot scatter "$run" --what epochs --out "$out/epochs.png" --force

# Explain the photographs with the largest errors, and those that are borderline for referral (grades 1 and 2).
drkit explain "$run" --data "$data" --split val --worst 6 --out "$out/worst" --force
drkit plot errors "$run" --data "$data" --split val --worst 6 --explanations "$out/worst" \
    --out "$out/errors.png" --force
drkit explain "$run" --data "$data" --split val --between 1,2 --out "$out/referral" --force ||
    echo "(no photograph is between grades 1 and 2)"

# Faithfulness of the methods: deletion and insertion, compared with noise and with randomised weights.
drkit explain "$run" --data "$data" --split val --method "${PROVED:-gradcam,hirescam,eigencam}" \
    --per-grade "${PER_GRADE:-4}" --faithfulness --out "$out/proof" --force

# Synthetic eyes come with masks of their lesions, with which explanations are compared.
if [ -d "$data/lesions" ]; then
    drkit explain "$run" --data "$data" --split val --method "${METHODS:-gradcam,layercam}" \
        --lesions "$data/lesions" --out "$out/lesions" --force
fi
