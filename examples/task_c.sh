#!/usr/bin/env bash
# Task (c), attention: measure what attention blocks add, draw their attention and write a submission.
#
# Usage: examples/task_c.sh [DATA] [OUT]
#
#   DATA  data set in any known layout, such as the course's DeepDRiD (default: synthetic eyes, drawn in OUT)
#   OUT   output folder (default: task-c)
#
# The lower stages of the network are frozen, and their features are computed once for all runs (--cache-dir). The run to
# submit, the first of BLOCKS, is fixed before any run is scored.
#
# Environment:
#
#   PATIENTS  number of synthetic patients (60)
#   SIZE      side of the synthetic photographs in pixels (256)
#   BACKBONE  backbone (tf_efficientnet_lite0)
#   WEIGHTS   initial weights (imagenet)
#   FREEZE    number of frozen stages (4)
#   BLOCKS    attention blocks, each of which is trained as a run of its own (cbam self)
#   EPOCHS    epochs (8)
#   COPIES    augmented copies per photograph (2)
#   INPUT     side of the network's input in pixels (that of the backbone)
#   SEEDS     seeds; with 2 or more, the first of BLOCKS and its baseline are also trained with that many (1)
#
# Writes to OUT: runs/, cache/, attention/, photographs/, gates.png if the submitted block has channel gates, and
# submission.csv if DATA has a test split. What an earlier call wrote is replaced.
set -euo pipefail

data=${1:-}
out=${2:-task-c}
read -r -a blocks <<< "${BLOCKS:-cbam self}"
mkdir -p "$out"

if [ -z "$data" ]; then
    data=$out/synthetic-eyes
    [ -e "$data" ] || drkit synth "$data" --patients "${PATIENTS:-60}" --size "${SIZE:-256}"
fi

# Options common to all runs, so that they differ only in attention. The last epoch is kept, so none is selected on val.
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
# Attention over the photographs of a patient instead of their mean and maximum.
drkit finetune "${common[@]}" --fusion attention --name photographs

drkit score "$out/runs/baseline.parquet" "${runs[@]}" "$out/runs/photographs.parquet" --split val --by patient

# A difference between single trainings is not evidence; compare several seeds.
[ "${SEEDS:-1}" -lt 2 ] ||
    drkit attend "${common[@]}" --attention "${blocks[0]}" --seeds "$SEEDS" --train-baseline --name seeds

# Draw attention over positions and over photographs, and the channel gates for each grade if the block has any.
submitted=$out/runs/${blocks[0]//[^A-Za-z0-9]/-}
drkit explain "$submitted" --data "$data" --method attention --worst 4 --out "$out/attention" --force ||
    echo "(${blocks[0]} has no attention over positions)"
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
