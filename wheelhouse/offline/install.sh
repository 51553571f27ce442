#!/bin/sh
# Finds a Python 3.6 or newer and gives everything to install.py beside this file, which does the rest
# (and may choose another Python for the virtual environment). POSIX sh: dash, busybox, bash, ksh.
set -u

say() {
    printf '%s\n' "$*" >&2
}

# The folder of this file, also when it was called through symbolic links. Nothing changes the current folder:
# without --venv the virtual environment is made there.
self=$0
case $self in
    */*) ;;
    *) [ -f "./$self" ] && self=./$self || self=$(command -v -- "$self") || self=./$0 ;;
esac
hops=0
while [ -L "$self" ] && [ "$hops" -lt 40 ]; do
    hops=$((hops + 1))
    link=$(readlink "$self") || break
    case $link in
        /*) self=$link ;;
        *) self=${self%/*}/$link ;;
    esac
done
here=$(CDPATH='' cd -P -- "${self%/*}/" && pwd -P) || here=${self%/*}

if [ ! -f "$here/install.py" ]; then
    say "error[missing-file]: \`install.py\` is not beside install.sh in \`$here\`, nothing was changed"
    say "  hint: copy the whole folder of the bundle again"
    exit 1
fi

fits() {
    # -I: no PYTHON* variable and nothing in the current folder has a say
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 6))' </dev/null >/dev/null 2>&1
}


# What was asked for, then the target's own version, then what is on PATH, then the usual places.
asked=
previous=
for argument in "$@"; do
    case $argument in
        --python=*) asked=${argument#--python=} ;;
        *) [ "$previous" = --python ] && asked=$argument ;;
    esac
    previous=$argument
done
version=
if [ -r "$here/MANIFEST.json" ]; then
    version=$({ sed -n 's/^ *"python": *"\(3\.[0-9]*\)".*/\1/p' "$here/MANIFEST.json" | sed -n 1p; } 2>/dev/null)
fi

for python in ${asked:+"$asked"} ${version:+"python$version"} python3 python3.20 python3.19 python3.18 python3.17 \
    python3.16 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python3.7 python3.6 \
    python /usr/bin/python3 /usr/bin/python3.* /usr/local/bin/python3 /usr/local/bin/python3.* /opt/*/bin/python3 \
    /opt/python/*/bin/python3 /opt/rh/*/roo[t]/usr/bin/python3 /opt/homebrew/bin/python3 \
    "${HOME:-/nonexistent}"/.pyenv/versions/*/bin/python3 "${HOME:-/nonexistent}"/*conda3/bin/python3 \
    "${HOME:-/nonexistent}"/*forge3/bin/python3 "${HOME:-/nonexistent}"/.local/share/uv/python/*/bin/python3 \
    /usr/libexec/platform-python; do
    if fits "$python"; then
        exec "$python" -I "$here/install.py" "$@"
    fi
done

say "error[python-version]: no Python 3.6 or newer was found on this machine, nothing was changed"
say "  hint: install Python${version:+ $version}, or name one: sh install.sh --python /path/to/python${version:-3}"
exit 1
