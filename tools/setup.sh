# Sourced by tools/test, tools/demo and .ci/run: makes .venv in the checkout and installs Weft into it once.
# The stamp holds the hash of what the installation depends on, so that a second call costs nothing.

weft_setup() {
    local extras=$1 stamp wanted
    stamp=.venv/.weft-${extras:-plain}
    wanted=$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
    if [[ -z $extras && -f .venv/.weft-dev ]]; then
        stamp=.venv/.weft-dev # holds all that is needed, and more
        extras=dev
    fi
    if [[ ! -x .venv/bin/python ]]; then
        "${PYTHON:-python3}" -m venv .venv
    fi
    if [[ ! -f $stamp || $(cat "$stamp") != "$wanted" ]]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".${extras:+[$extras]}"
        echo "$wanted" >"$stamp"
    fi
    # shellcheck disable=SC1091
    source .venv/bin/activate
}
