#!/usr/bin/env bash
# Repeat the comparison of attention blocks in docs/results.md.
#
# Usage: examples/results_attention.sh DATA [OUT]
#
#   DATA  the course's DeepDRiD
#   OUT   output folder (default: results)
#
# All runs see the four photographs of a patient, have the same budget and differ only in attention. The lower four stages
# of the network are frozen, and their features are computed once for all runs (--cache-dir), so that a run takes minutes;
# attention is trained together with the layers above them. Every run is evaluated on three folds over train and val
# together, which are 400 patients.
#
# Environment:
#
#   EPOCHS  epochs (6)
#   COPIES  augmented copies per photograph (3)
#   SEEDS   seeds, each of which trains a network per fold; with several, the intervals include the variation between
#           trainings (1)
#   ONLY    glob pattern of the runs to train, such as '*-cbam' (*)
#
# Writes to OUT: runs/ and the cache of features, cache/. Finished runs are kept and unfinished ones are resumed.
set -euo pipefail

data=$1 out=${2:-results}
mkdir -p "$out"
common=(--data "$data" --unit patient --batch-size 4 --freeze 4 --copies "${COPIES:-3}" --epochs "${EPOCHS:-6}"
    --choose last --seeds "${SEEDS:-1}" --cache-dir "$out/cache" --runs-dir "$out/runs")
folds=(--folds 3 --folds-over train+val)

# train COMMAND NAME OPTIONS...: train a run with the common budget and keep its last epoch.
train() {
    local command=$1 name=$2
    shift 2
    # shellcheck disable=SC2053  # ONLY is a glob pattern
    [[ $name == ${ONLY:-*} && ! -e $out/runs/$name.json ]] || return 0
    local resume=()
    ! compgen -G "$out/runs/$name.*resume.pt" > /dev/null || resume=(--resume)
    drkit "$command" "${common[@]}" "${folds[@]}" --name "$name" "$@" "${resume[@]}"
}

train finetune attention-none
for block in se spatial cbam self; do
    train attend "attention-$block" --attention "$block" --baseline "$out/runs/attention-none.parquet"
done
train finetune attention-photographs --fusion attention

runs=("$out"/runs/attention-{none,se,spatial,cbam,self,photographs}.parquet)
drkit score "${runs[@]}"
