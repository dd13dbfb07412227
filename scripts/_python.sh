# Sourced by scripts/demo and scripts/test. Sets PYTHON to a Python 3.11 or newer, with which uv can be installed.
# To choose another Python: PYTHON=/path/to/python3 scripts/demo

_python_fails() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

_is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

_runs_uv() {
    uv --version >/dev/null 2>&1
}

_find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        _is_new_enough "$PYTHON" ||
            _python_fails "PYTHON=$PYTHON is not a Python 3.11 or newer" "name another, or leave PYTHON out"
        return
    fi
    for candidate in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && _is_new_enough "$candidate"; then
            PYTHON=$candidate
            return
        fi
    done
    if _runs_uv && { uv python find '>=3.11' || uv python install 3.13; } >/dev/null 2>&1; then
        PYTHON=$(uv python find '>=3.11')
        return
    fi
    _python_fails "no Python 3.11 or newer found ($(python3 --version 2>&1 || true))" \
        "install one (python.org, your system's packages, pyenv), or name it: PYTHON=/path/to/python3 $0"
}

_find_python
_runs_uv || "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
    _python_fails "$PYTHON cannot make virtual environments: its venv or ensurepip module is missing" \
        "install uv (https://docs.astral.sh/uv), or on Debian and Ubuntu: apt-get install python3-venv"
