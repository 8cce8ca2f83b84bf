#!/usr/bin/env bash
# Task (e), what the network looks at and how it learned: examples/task_e.sh [DATA] [OUT]
#
#   DATA  a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   OUT   folder for everything that is written (default: task-e)
#
# A finished run can be named by environment (RUN=runs/NAME, graded from DATA); else a small one is trained. Other
# settings: PATIENTS and SIZE of the synthetic eyes, EPOCHS and INPUT (side of the images) of the training, METHODS,
# PROVED (methods put to the proof) and PER_GRADE (photographs of each grade it is proved on).
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

# How it learned: a point an epoch, training against validation.
drkit plot curves "$run" --out "$out/curves.png" --force
drkit plot scatter "$run" --what epochs --out "$out/epochs.png" --force

# Where it goes wrong, what speaks for and against there, and the photographs on the edge of referral.
drkit explain "$run" --data "$data" --split val --worst 6 --out "$out/worst" --force
drkit plot errors "$run" --data "$data" --split val --worst 6 --explanations "$out/worst" \
    --out "$out/errors.png" --force
drkit explain "$run" --data "$data" --split val --between 1,2 --out "$out/referral" --force ||
    echo "(no photograph lies between grades 1 and 2)"

# Which method deserves belief: deletion and insertion beside noise, and a network that has learned nothing.
drkit explain "$run" --data "$data" --split val --method "${PROVED:-gradcam,hirescam,eigencam}" \
    --per-grade "${PER_GRADE:-4}" --faithfulness --out "$out/proof" --force

# Synthetic eyes come with masks of their lesions: does the evidence lie on them?
if [ -d "$data/lesions" ]; then
    drkit explain "$run" --data "$data" --split val --method "${METHODS:-gradcam,layercam}" \
        --lesions "$data/lesions" --out "$out/lesions" --force
fi
