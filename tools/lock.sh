#!/usr/bin/env bash
# Make constraints.txt anew from a fresh environment; review the difference before keeping it.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ${KEEP:+-c constraints.txt} -e '.[dev]'
"$folder/venv/bin/pip" freeze --exclude-editable | sed 's/+cpu//' >constraints.txt
git --no-pager diff --stat -- constraints.txt
