#!/usr/bin/env bash
# The whole line on your own workspace, with a tiny data set: what the tests cannot prove. It costs a few minutes of
# one small machine for the job, and of another for the endpoint, which is deleted at the end, also after a failure.
#
#   az login
#   export AZURE_SUBSCRIPTION_ID=… AZURE_RESOURCE_GROUP=… AZUREML_WORKSPACE_NAME=…
#   make smoke-azure                       # or, where Earmark comes from elsewhere than the package index:
#   EARMARK_FROM='earmark[train,tracking,report] @ git+https://…' make smoke-azure
set -euo pipefail

earmark=${EARMARK:-earmark}
compute=${EARMARK_AZURE_COMPUTE:-}
stamp=$(date +%s)
folder=$(mktemp -d)
endpoint="earmark-smoke-$((stamp % 100000))"
deployed=
cleanup() {
  if [ -n "$deployed" ]; then "$earmark" azure delete-endpoint "$endpoint" --yes || echo "DELETE $endpoint YOURSELF: it costs." >&2; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"

step() { printf '\n== %s\n' "$*"; "$@"; }

step "$earmark" demo --out demo
cat > recipe.toml <<TOML
[train]
epochs = 20
TOML
step "$earmark" azure init ${EARMARK_FROM:+--earmark "$EARMARK_FROM"}
step "$earmark" azure validate
[ -n "$compute" ] || step "$earmark" azure compute
step "$earmark" azure data demo/data --name earmark-smoke --version "$stamp"
step "$earmark" azure submit recipe.toml --data "azureml:earmark-smoke:$stamp" ${compute:+--compute "$compute"} \
  --name "earmark-smoke-$stamp"
step "$earmark" azure download "earmark-smoke-$stamp"
model=$(find runs -name model.earmark -print -quit)
clip=$(find demo/data -name "*.wav" -print -quit)
deployed=yes
step "$earmark" azure deploy "$model" "$endpoint" ${EARMARK_FROM:+--earmark "$EARMARK_FROM"}
step "$earmark" azure invoke "$endpoint" "$clip" --json | tee there.json
"$earmark" predict "$model" "$clip" --json > here.json
python3 - <<'PYTHON'
import json
import re

there = json.loads(re.sub(r"^[^\[]*", "", open("there.json").read()))
here = json.load(open("here.json"))
for mine, yours in zip(here, there, strict=True):
    for label, score in mine["scores"].items():
        assert abs(score - yours["scores"][label]) < 1e-6, (label, score, yours["scores"][label])
print("\nThe endpoint says what this machine says. Everything works.")
PYTHON
