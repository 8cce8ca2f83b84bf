#!/usr/bin/env bash
# Attention, and what it does, to a checked submission: examples/task_c.sh [DATA] [OUT]
#
#   DATA  a data set in any known layout, such as the course's DeepDRiD; synthetic eyes are made where it is left out
#   OUT   folder for everything that is written (default: task-c)
#
# The lower stages are frozen and run once for all trainings (--cache-dir). Which blocks are submitted is fixed before
# anything is scored: the first of BLOCKS. Settings by environment: PATIENTS and SIZE of the synthetic eyes, BACKBONE,
# WEIGHTS, FREEZE (stages), EPOCHS, COPIES (augmented copies a photograph), INPUT (side of the network's images in
# pixels), BLOCKS (of attention, each a run), SEEDS (with 2 or more, the first of BLOCKS is trained with so many seeds,
# with and without).
set -euo pipefail

data=${1:-}
out=${2:-task-c}
read -r -a blocks <<< "${BLOCKS:-cbam self}"
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# The same for all, so that they differ in attention alone; the last epoch is kept, so that none is picked on val.
common=(--data "$data" --backbone "${BACKBONE:-tf_efficientnet_lite0}" --weights "${WEIGHTS:-imagenet}"
    --freeze "${FREEZE:-4}" --copies "${COPIES:-2}" --epochs "${EPOCHS:-8}" --choose last ${INPUT:+--size "$INPUT"}
    --unit patient --batch-size 4 --cache-dir "$out/cache" --runs-dir "$out/runs" --force)

drkit finetune "${common[@]}" --name baseline
runs=()
for block in "${blocks[@]}"; do
    name=${block//[^A-Za-z0-9]/-}
    drkit attend "${common[@]}" --attention "$block" --baseline "$out/runs/baseline.parquet" --name "$name"
    runs+=("$out/runs/$name.parquet")
done
# Attention over the photographs of a patient, in place of their mean and maximum.
drkit finetune "${common[@]}" --fusion attention --name photographs

drkit score "$out/runs/baseline.parquet" "${runs[@]}" "$out/runs/photographs.parquet" --split val --by patient

# One seed proves nothing.
[ "${SEEDS:-1}" -lt 2 ] ||
    drkit attend "${common[@]}" --attention "${blocks[0]}" --seeds "$SEEDS" --train-baseline --name seeds

# What attention looks at: places, photographs, and, channel gates by grade where there are any.
submitted=$out/runs/${blocks[0]//[^A-Za-z0-9]/-}
drkit explain "$submitted" --data "$data" --method attention --worst 4 --out "$out/attention" --force ||
    echo "(${blocks[0]} looks at no places)"
drkit explain "$out/runs/photographs" --data "$data" --method attention --worst 2 --out "$out/photographs" --force
drkit plot attention "$submitted" --data "$data" --split val --out "$out/gates.png" --force ||
    echo "(${blocks[0]} has no channel gates, or val has too few grades)"

sample=$data/sample_submission.csv
if [ -e "$sample" ]; then
    drkit submit "$submitted" --sample "$sample" --out "$out/submission.csv" --force
    drkit check "$out/submission.csv" --sample "$sample"
else
    drkit submit "$submitted" --out "$out/submission.csv" --force || echo "(no test split: no submission)"
fi
