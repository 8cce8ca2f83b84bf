#!/usr/bin/env bash
# Train a network, score and explain it, and write a submission and a report.
#
# Usage: examples/quickstart.sh [DATA] [OUT]
#
#   DATA  data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   OUT   output folder (default: quickstart)
#
# Environment:
#
#   PATIENTS  number of synthetic patients (60)
#   SIZE      side of the synthetic photographs in pixels (256)
#   EPOCHS    epochs (40)
#   COPIES    augmented copies per photograph (1)
#   INPUT     side of the network's input in pixels (that of the backbone)
#
# Writes to OUT: runs/quickstart, curves.png, explanations/, report.html, and submission.csv if DATA has a test split.
# What an earlier call wrote is replaced.
set -euo pipefail

data=${1:-}
out=${2:-quickstart}
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# Train a head on the frozen default backbone. --choose last selects no epoch on the patients that are scored below.
drkit finetune --data "$data" --freeze backbone --copies "${COPIES:-1}" --epochs "${EPOCHS:-40}" \
    ${INPUT:+--size "$INPUT"} --choose last --runs-dir "$out/runs" --name quickstart --force

# Score the validation patients, by photograph and with the photographs of a patient combined.
drkit score "$out/runs/quickstart" --split val
drkit score "$out/runs/quickstart" --split val --by patient || echo "(this data set has no grades of patients)"

drkit plot curves "$out/runs/quickstart" --out "$out/curves.png" --force

# Explain the four photographs with the largest errors (Grad-CAM), and collect everything in one offline HTML file.
drkit explain "$out/runs/quickstart" --data "$data" --split val --worst 4 --out "$out/explanations" --force
drkit plot report "$out/runs/quickstart" --data "$data" --explanations "$out/explanations" \
    --out "$out/report.html" --force

# Kaggle submission, checked against the competition's sample if the data set has one.
sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$out/runs/quickstart" --sample "$sample" --out "$out/submission.csv" --force
else
    drkit submit "$out/runs/quickstart" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi

# Synthetic data sets have the test grades in a separate file, so the predictions for test can be scored here.
truth=$data/test_grades.csv
[ ! -e "$truth" ] || drkit score "$out/runs/quickstart" --truth "$truth" --split test
