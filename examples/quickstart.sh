#!/usr/bin/env bash
# From photographs to a checked submission: examples/quickstart.sh [DATA] [OUT]
#
#   DATA  a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   OUT   folder for everything that is written (default: quickstart)
#
# Settings by environment: PATIENTS and SIZE of the synthetic eyes, EPOCHS, COPIES (augmented copies a photograph),
# INPUT (side of the network's images in pixels).
set -euo pipefail

data=${1:-}
out=${2:-quickstart}
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# Train a head on the frozen default backbone; --choose last, so that no epoch is picked on the patients scored below.
drkit finetune --data "$data" --freeze backbone --copies "${COPIES:-1}" --epochs "${EPOCHS:-40}" \
    ${INPUT:+--size "$INPUT"} --choose last --runs-dir "$out/runs" --name quickstart --force

# How well it grades the validation patients: a photograph at a time, and all photographs of a patient together.
drkit score "$out/runs/quickstart" --split val
drkit score "$out/runs/quickstart" --split val --by patient || echo "(this data set states no patient's grade)"

drkit plot curves "$out/runs/quickstart" --out "$out/curves.png" --force

# What speaks for the grade and against it (GradCAM), where it was furthest off; and everything in one offline file.
drkit explain "$out/runs/quickstart" --data "$data" --split val --worst 4 --out "$out/explanations" --force
drkit plot report "$out/runs/quickstart" --data "$data" --explanations "$out/explanations" \
    --out "$out/report.html" --force

# The Kaggle file, checked against the competition's sample where the data set has one.
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$out/runs/quickstart" --sample "$sample" --out "$out/submission.csv" --force
else
    drkit submit "$out/runs/quickstart" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic eyes keep their test grades in a file apart, so here the submission's photographs can be scored, too.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$out/runs/quickstart" --truth "$truth" --split test
