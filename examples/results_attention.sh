#!/usr/bin/env bash
# The comparison of attention in docs/results.md: examples/results_attention.sh DATA [OUT]
#
#   DATA  the course's DeepDRiD
#   OUT   folder for everything that is written (default: results)
#
# Every run sees the patient's four photographs and has the same budget; they differ in attention alone. Finished runs
# are left as they are and unfinished ones resumed, so the script may be stopped and started at will. The lower four
# stages are frozen and run once for all (--cache-dir), which makes a run a matter of minutes; attention is trained with
# what lies above them. Each is judged out of three folds over train and val together, on 400 patients of DeepDRiD.
# Settings by environment: EPOCHS, COPIES, ONLY (a pattern of the runs to be made), SEEDS (by default 1; with 3 each run is
# three networks a fold, and the comparison carries the training's own noise).
set -euo pipefail

data=$1 out=${2:-results}
mkdir -p "$out"
common=(--data "$data" --unit patient --batch-size 4 --freeze 4 --copies "${COPIES:-3}" --epochs "${EPOCHS:-6}"
    --choose last --seeds "${SEEDS:-1}" --cache-dir "$out/cache" --runs-dir "$out/runs")
folds=(--folds 3 --folds-over train+val)

# train COMMAND NAME OPTIONS...: a run of equal budget, its last epoch kept.
train() {
    local command=$1 name=$2
    shift 2
    # shellcheck disable=SC2053  # a pattern is meant
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
