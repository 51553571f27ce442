#!/bin/sh
# The twin of probe.py for servers without Python: the same page, the same JSON, the same line to type elsewhere.
#
#     sh probe.sh [--json] [--output FILE] [--dir DIR]... [--python PYTHON]...
#
# POSIX sh (dash, busybox, bash) with awk, sed, grep, tr, sort, df and cksum; no network, no root, and nothing is
# changed besides --output. Linux and macOS. Exit codes: 0 told; 1 --output could not be written; 2 wrong usage.
# A change here is a change in probe.py. What is seen travels as lines of a kind and fields between tabs; awk judges
# them and writes the page and the JSON.
set -u
LC_ALL=C
LANGUAGE=C
export LC_ALL LANGUAGE
set -f
preload=${LD_PRELOAD:-}
preload_is=${LD_PRELOAD+set}
unset LD_PRELOAD # a broken one would talk in every answer

searched=${PATH:-} # where the programs of this machine are looked for, as probe.py does
for tool in awk sed grep tr sort cut head df cksum uname; do
    command -v "$tool" >/dev/null 2>&1 && continue
    PATH=${PATH:+$PATH:}/usr/bin:/bin:/usr/sbin:/sbin # a PATH that was emptied: our own tools lie there
    export PATH
    command -v "$tool" >/dev/null 2>&1 && continue
    printf '%s\n' "probe.sh: error: \`$tool\` was not found, in /usr/bin neither; nothing could be seen" >&2
    exit 1
done

tab=$(printf '\t')
newline='
'
ROOT=${WHEELHOUSE_PROBE_ROOT:-}
ROOT=${ROOT%/}
seconds=20 # nvidia-smi may hang for ever on a GPU that fell off the bus
case ${WHEELHOUSE_PROBE_SECONDS:-} in
    '' | 0* | *[!0-9]*) ;;
    *) seconds=$WHEELHOUSE_PROBE_SECONDS ;;
esac

usage() {
    printf '%s\n' "usage: probe.sh [-h] [--json] [--output FILE] [--dir DIR] [--python PYTHON]" >&2
    [ -z "${1:-}" ] || printf '%s\n' "probe.sh: error: $1" >&2
    exit 2
}

absolute() { # a path without a `..` in it where the folder is there
    case $1 in
        /*) path=$1 ;;
        *) path=$(pwd -P)/$1 ;;
    esac
    if [ -d "$path" ]; then
        (CDPATH='' cd -- "$path" && pwd -L)
    else
        printf '%s\n' "$path"
    fi
}

json=
output=
folders=
named=
while [ $# -gt 0 ]; do
    case $1 in
        --json) json=yes ;;
        --output | --dir | --python)
            [ $# -gt 1 ] || usage "argument $1: expected one argument"
            option=$1=$2
            shift 2
            set -- "$option" "$@"
            ;;
    esac
    case $1 in
        --json) ;;
        --output=*) output=${1#--output=} ;;
        --dir=*) folders="$folders$(absolute "${1#--dir=}")$newline" ;;
        --python=*) named="$named$(absolute "${1#--python=}")$newline" ;;
        -h | --help)
            printf '%s\n' "usage: probe.sh [-h] [--json] [--output FILE] [--dir DIR] [--python PYTHON]" "" \
                "Look at this machine and say which target it is. Nothing is changed, nothing is sent." "" \
                "  --json           print everything as JSON, not the page" \
                "  --output FILE    write the JSON to FILE as well" \
                "  --dir DIR        measure the room of DIR as well" \
                "  --python PYTHON  ask PYTHON too, and take it"
            exit 0
            ;;
        *) usage "unrecognized arguments: $1" ;;
    esac
    shift
done

# -- reading ---------------------------------------------------------------------------------------

clean() { # stdin as one line without control characters and repeated blanks
    tr -s '\001-\040\177' ' ' | sed 's/^ //; s/ $//'
}

bare() { # a path as the machine names it
    case $1 in
        "${ROOT:-/nonexistent}"/*) printf '%s\n' "${1#"$ROOT"}" ;;
        *) printf '%s\n' "$1" ;;
    esac
}

real() { # a path without links
    if found=$(readlink -f "$1" 2>/dev/null) && [ -n "$found" ]; then
        printf '%s\n' "$found"
        return
    fi
    path=$1 # an old macOS: its readlink follows one link
    hops=0
    while [ -L "$path" ] && [ "$hops" -lt 40 ]; do
        hops=$((hops + 1))
        link=$(readlink "$path") || break
        case $link in
            /*) path=$link ;;
            *) path=${path%/*}/$link ;;
        esac
    done
    folder=$(CDPATH='' cd -P -- "${path%/*}/" 2>/dev/null && pwd -P) && path=${folder%/}/${path##*/}
    printf '%s\n' "$path"
}

on_path() { # where a program lies on PATH
    rest=$searched:
    while [ -n "$rest" ]; do
        folder=${rest%%:*}
        rest=${rest#*:}
        if [ -n "$folder" ] && [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then
            printf '%s\n' "${folder%/}/$1"
            return 0
        fi
    done
    return 1
}

# Runs a command for at most $seconds and sets `said` (stdout and stderr together) and `status` (none: no end in time).
# Only `head` is waited for, and it can be killed: a process stuck in the kernel cannot. No file is needed.
run() {
    said=$(
        # shellcheck disable=SC2016
        {
            (
                sh -c 'cd / && echo "$$" && exec "$@"' sh "$@" </dev/null 2>&1
                printf '\nENDED %s\n' "$?"
            ) 2>/dev/null &
        } | {
            read -r pid
            exec 3<&0
            head -n 20000 <&3 &
            reader=$!
            (
                count=0
                while [ "$count" -lt "$seconds" ]; do
                    sleep 1
                    count=$((count + 1))
                done
                kill -9 "$pid"
                kill "$reader"
            ) </dev/null >/dev/null 3<&- &
            watcher=$!
            wait "$reader"
            kill "$watcher"
            wait "$watcher"
        } 2>/dev/null
    )
    case $said in
        *"${newline}ENDED "*)
            status=${said##*"${newline}ENDED "}
            said=${said%"${newline}ENDED "*}
            [ "$status" != 137 ] || status=none
            ;;
        *) status=none ;;
    esac
}

record() { # one line of fields between tabs
    line=$1
    shift
    for field in "$@"; do
        line=$line$tab$field
    done
    printf '%s\n' "$line"
}

problem() { # SECTION TEXT
    record problem "$1" "$2"
}

# -- the system ------------------------------------------------------------------------------------

case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=macos ;;
    *) os=$(uname -s | tr '[:upper:]' '[:lower:]') ;;
esac
machine=$(uname -m)
if [ -n "$ROOT" ]; then
    os=linux
    [ ! -r "$ROOT/proc/sys/kernel/arch" ] || machine=$(clean <"$ROOT/proc/sys/kernel/arch")
fi

system() {
    kernel=
    [ ! -r "$ROOT/proc/sys/kernel/osrelease" ] || kernel=$(clean <"$ROOT/proc/sys/kernel/osrelease")
    record system os "$os"
    record system kernel "${kernel:-$(uname -r)}"
    record system machine "$machine"
    case $os in
        linux) linux ;;
        macos)
            version=$(SYSTEM_VERSION_COMPAT=0 /usr/bin/sw_vers -productVersion 2>/dev/null | clean)
            record system distribution "macOS${version:+ $version}"
            record system id macos
            record system version "$version"
            ;;
    esac
    case $os:$machine in
        linux:x86_64 | linux:amd64 | linux:aarch64 | linux:arm64 | macos:x86_64 | macos:arm64) ;;
        *) problem System "no target can be a $machine machine with $os" ;;
    esac
    [ "$os" != linux ] || nvidia_container
}

value() { # NAME: its value in /etc/os-release
    tr -d '\r' <"$release" | sed -n "s/^ *$1=//p" | sed -n '$p' | sed "s/^[\"']*//; s/[\"' ]*\$//" | clean
}

linux() {
    release=$ROOT/etc/os-release
    [ -r "$release" ] || release=$ROOT/usr/lib/os-release
    if [ -r "$release" ]; then
        name=$(value PRETTY_NAME)
        record system distribution "${name:-$(value NAME)}"
        record system id "$(value ID)"
        record system version "$(value VERSION_ID)"
    elif [ -r "$ROOT/etc/redhat-release" ]; then
        name=$(sed -n 1p "$ROOT/etc/redhat-release" | clean)
        record system distribution "$name"
        case $name in
            CentOS*) record system id centos ;;
            "Red Hat"*) record system id rhel ;;
        esac
        record system version "$(printf '%s\n' "$name" | sed -n 's/^[^0-9]*\([0-9][0-9.]*\).*/\1/p')"
    fi
    if [ -n "${APPTAINER_CONTAINER:-}${SINGULARITY_CONTAINER:-}" ]; then
        record system container apptainer
    elif [ -e "$ROOT/.dockerenv" ]; then
        record system container docker
    elif [ -e "$ROOT/run/.containerenv" ]; then
        record system container podman
    elif [ -n "${KUBERNETES_SERVICE_HOST:-}" ]; then
        record system container kubernetes
    fi
}

nvidia_container() {
    ngc=${NVIDIA_PYTORCH_VERSION:-}
    if [ -z "$ngc" ] && [ -r "$ROOT/proc/1/environ" ]; then
        ngc=$({ tr '\000' '\n' <"$ROOT/proc/1/environ"; } 2>/dev/null |
            sed -n 's/^NVIDIA_PYTORCH_VERSION=//p' | sed -n 1p)
    fi
    ngc=$(printf '%s\n' "$ngc" | clean)
    [ -n "$ngc" ] || return 0
    record system ngc "$ngc"
    problem System "this is an NVIDIA container with PyTorch $ngc of its own: install into a virtual environment"
}

# Sets `libc` and `libc_version`, both empty where the C library is not recognised.
find_libc() {
    libc=
    libc_version=
    [ "$os" = linux ] || return 0
    if program=$(command -v getconf); then
        run "$program" GNU_LIBC_VERSION
        libc_version=$(printf '%s\n' "$said" | sed -n 's/.*glibc \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | sed -n 1p)
    fi
    if [ -z "$libc_version" ] && program=$(command -v ldd); then
        run "$program" --version
        libc_version=$(printf '%s\n' "$said" | sed -n '1s/^ldd (.*) \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
    fi
    if [ -n "$libc_version" ]; then
        libc=glibc
        return 0
    fi
    set +f
    for loader in "$ROOT"/lib/ld-musl-*.so.1; do
        [ -e "$loader" ] || continue
        run "$loader"
        libc_version=$(printf '%s\n' "$said" | sed -n 's/.*Version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | sed -n 1p)
        if [ -n "$libc_version" ]; then
            libc=musl
            break
        fi
    done
    set -f
}

environment() {
    for name in LD_LIBRARY_PATH LD_PRELOAD CUDA_HOME CUDA_PATH CUDA_VISIBLE_DEVICES PYTHONPATH PYTHONHOME \
        PIP_CONFIG_FILE PIP_INDEX_URL TMPDIR HF_HOME; do
        if [ "$name" = LD_PRELOAD ]; then
            is=$preload_is
            text=$preload
        else
            eval "is=\${$name+set}"
            eval "text=\${$name:-}"
        fi
        [ -n "$is" ] || continue
        text=$(printf '%s\n' "$text" | sed 's#://[^[:space:]]*@#://#g' | clean)
        record environment "$name" "$text"
    done
}

selinux() {
    state=
    [ ! -r "$ROOT/sys/fs/selinux/enforce" ] || state=$(clean <"$ROOT/sys/fs/selinux/enforce")
    case $state in
        1) state=enforcing ;;
        0) state=permissive ;;
        *)
            state=
            if program=$(on_path getenforce); then
                run "$program"
                state=$(printf '%s\n' "$said" | clean | tr '[:upper:]' '[:lower:]')
            fi
            case $state in
                enforcing | permissive | disabled) ;;
                *)
                    state=
                    if grep '^SELINUX=disabled' "$ROOT/etc/selinux/config" >/dev/null 2>&1; then
                        state=disabled
                    fi
                    ;;
            esac
            ;;
    esac
    [ -z "$state" ] || record selinux "$state"
}

# -- Pythons ---------------------------------------------------------------------------------------

# The same lines as in probe.py.
question='
import os, struct, sys
def works(name):
    try:
        __import__(name)
    except Exception:
        return "no"
    return "yes"
try:
    import sysconfig
    variable, place = sysconfig.get_config_var, sysconfig.get_path("include")
    headers = "yes" if os.path.isfile(os.path.join(place, "Python.h")) else "no"
except Exception:
    variable, headers = (lambda name: None), ""
try:
    from pip import __version__ as pip
except Exception:
    pip = ""
version = sys.version_info
name = getattr(getattr(sys, "implementation", None), "name", "cpython")
abi = "cp%d%d" % version[:2]
if name != "cpython":
    abi = variable("SOABI") or ""
elif version < (3, 8):
    abi += getattr(sys, "abiflags", "")
elif variable("Py_GIL_DISABLED"):
    abi += "t"
path = sys.executable or ""
said = ["WHEELHOUSE", "%d.%d.%d" % version[:3], name, abi, "%d" % (struct.calcsize("P") * 8), works("venv")]
said += [works("ensurepip"), pip, headers, ""]
said = "|".join(said).encode("ascii", "replace")
os.write(1, said + (path if version < (3,) else os.fsencode(path)) + b"\n")
'

candidates() { # paths that may be a Python: those that are named, PATH, the usual places
    printf '%s' "$named" | while IFS= read -r path; do printf '%s\n' "$ROOT$path"; done
    (
        set +f
        IFS=
        rest=$searched:
        while [ -n "$rest" ]; do
            folder=${rest%%:*}
            rest=${rest#*:}
            case $folder in
                /*) pythons_in "$folder" ;;
            esac
        done
        for place in /usr/bin /usr/local/bin '/opt/*/bin' '/opt/*/*/bin' '/opt/*/envs/*/bin' '/opt/rh/*/roo[t]/usr/bin' \
            /opt/homebrew/bin '/Library/Frameworks/Python.framework/Versions/*/bin'; do
            pythons_in "$ROOT" "$place"
        done
        [ -n "${HOME:-}" ] || HOME=/nonexistent
        for place in .local/bin '.local/share/uv/python/*/bin' '.pyenv/versions/*/bin' '*conda3/bin' \
            '*conda3/envs/*/bin' '*forge3/bin' '*forge3/envs/*/bin' '*mamba/bin' '*mamba/envs/*/bin'; do
            pythons_in "$ROOT${HOME%/}/" "$place"
        done
        path=$ROOT/usr/libexec/platform-python
        if [ -f "$path" ] && [ -x "$path" ]; then
            printf '%s\n' "$path"
        fi
    )
}

pythons_in() { # FOLDER PATTERN: every Python in the folders that the pattern names below FOLDER
    for name in python3 'python3.[0-9]' 'python3.[0-9][0-9]' 'python3.[0-9][0-9]t' python python2; do
        # shellcheck disable=SC2086
        for path in "$1"${2:-}/$name; do
            if [ -f "$path" ] && [ -x "$path" ] && ! is_stub "$path"; then
                printf '%s\n' "$path"
            fi
        done
    done
}

is_stub() { # what macOS has without its developer tools: it would open a window that offers them
    case $os:$1 in
        macos:/usr/bin/*) ! /usr/bin/xcode-select -p >/dev/null 2>&1 ;;
        *) false ;;
    esac
}

base() { # the interpreter under a virtual environment, which is what a new one is made from
    folder=${1%/*}
    if [ -e "${folder%/*}/pyvenv.cfg" ]; then
        real "$1"
    else
        printf '%s\n' "$1"
    fi
}

ask_python() { # PATH: sets `answer` to the line that it says, empty where it is no Python
    run "$1" -I -c "$question"
    case $said in
        *"Unknown option: -I"*) run "$1" -E -s -c "$question" ;;
    esac
    answer=
    if [ "$status" = 0 ]; then
        answer=$(printf '%s\n' "$said" | grep '^WHEELHOUSE|[0-9]*\.[0-9]*\.[0-9]*|' | sed -n '$p')
    fi
}

pythons() {
    printf '%s' "$named" | while IFS= read -r path; do
        answer=
        [ ! -f "$ROOT$path" ] || ask_python "$ROOT$path"
        if [ -z "$answer" ]; then
            problem Python "\`$path\`, which --python names, is no Python that runs"
        fi
        record named "$(real "$(base "$ROOT$path")")"
    done
    if path=$(on_path python3); then
        record default "$(real "$(base "$path")")"
    fi
    found=$(candidates | while IFS= read -r path; do
        path=$(base "$path")
        record "$(real "$path")" "$path"
    done)
    reals=$(printf '%s\n' "$found" | cut -f1)
    printf '%s\n' "$found" | awk -F '\t' 'NF == 2 && !seen[$1]++' | sed -n 1,64p |
        while IFS=$tab read -r place first; do
            ask_python "$first"
            [ -n "$answer" ] || continue
            own=$(printf '%s\n' "$answer" | cut -d '|' -f 10-)
            if [ -n "$own" ] && [ -e "$ROOT$own" ]; then
                own=$(real "$ROOT$own")
            else
                own=$place
            fi
            record alias "$place" "$own"
            if [ "$own" != "$place" ] && printf '%s\n' "$reals" | grep -F -x -e "$own" >/dev/null; then
                continue # a script that stands for another one
            fi
            minor=$(printf '%s\n' "$answer" | sed 's/^WHEELHOUSE|\([0-9]*\.[0-9]*\)\..*/\1/')
            path=$(printf '%s\n' "$found" | PLACE=$place MINOR=$minor awk -F '\t' '
                $1 == ENVIRON["PLACE"] {
                    if (first == "") first = $2
                    name = $2
                    sub(/.*\//, "", name)
                    wanted = "python" ENVIRON["MINOR"]
                    if (nice == "" && (name == wanted || name == wanted "t")) nice = $2
                }
                END { print (nice == "" ? first : nice) }')
            printf '%s\n' "$answer" | PLACE=$place SHOWN=$(bare "$path") awk -F '|' '{
                printf "python\t%s\t%s", ENVIRON["PLACE"], ENVIRON["SHOWN"]
                for (i = 2; i <= 9; i++) printf "\t%s", $i
                printf "\n"
            }'
        done
}

# -- NVIDIA ----------------------------------------------------------------------------------------

# The same table as in probe.py: what the name of a GPU says of its compute capability, first match wins.
gpu_names='12.1|* GB10 *
12.0|* RTX PRO [2456]?00 Blackwell*
12.0|* RTX 50[5-9]0 *
11.0|* Thor *
10.3|* GB300 *
10.3|* B300 *
10.0|* GB200 *
10.0|* B200 *
9.0|* GH200 *
9.0|* H[12]00 *
9.0|* H800 *
9.0|* H20 *
9.0|* H100L *
8.9|* RTX [24-6][05]00 Ada *
8.9|* RTX 40[5-9]0 *
8.9|* L4 *
8.9|* L40 *
8.9|* L40S *
8.9|* L20 *
8.9|* L2 *
8.7|* Orin *
8.6|* RTX A[2-6][05]00 *
8.6|* RTX 30[5-9]0 *
8.6|* A40 *
8.6|* A10 *
8.6|* A10G *
8.6|* A16 *
8.6|* A2 *
8.0|* A100 *
8.0|* A800 *
8.0|* A30 *
8.0|* A100X *
7.5|* T4 *
7.5|* T4G *
7.5|* RTX 20[6-8]0 *
7.5|* TITAN RTX *
7.5|* GTX 16[56]0 *
7.5|* Quadro RTX [3-8]000 *
7.5|* T[46]00 *
7.5|* T1[02]00 *
7.5|* T2000 *
7.2|* Xavier *
7.0|* V100 *
7.0|* V100S *
7.0|* TITAN V *
7.0|* GV100 *
6.1|* P4 *
6.1|* P40 *
6.1|* GTX 10[5-8]0 *
6.1|* TITAN X? *
6.1|* P[2456]000 *
6.1|* P[46]00 *
6.0|* P100 *
6.0|* GP100 *
5.2|* M40 *
5.2|* M60 *
5.2|* M4 *
5.2|* GTX 9[5-8]0 *
5.2|* GTX TITAN X *
5.2|* M[456]000 *
5.0|* M10 *
5.0|* GTX 750 *
5.0|* M2000 *
3.7|* K80 *
3.5|* K40* *
3.5|* K20* *'

capability() { # NAME: its compute capability, empty where no one knows
    name=" $(printf '%s\n' "$1" | tr '-' ' ') "
    printf '%s\n' "$gpu_names" | while IFS='|' read -r number pattern; do
        # shellcheck disable=SC2254
        case $name in
            $pattern)
                printf '%s\n' "$number"
                break
                ;;
        esac
    done
}

nvidia() {
    smi=$(on_path nvidia-smi) || smi=
    for path in /usr/bin/nvidia-smi /usr/lib/wsl/lib/nvidia-smi /usr/local/nvidia/bin/nvidia-smi; do
        [ -n "$smi" ] || [ ! -f "$ROOT$path" ] || smi=$ROOT$path
    done
    driver=
    cuda=
    gpus=
    [ -z "$smi" ] || ask_smi
    loaded=
    if [ -r "$ROOT/proc/driver/nvidia/version" ]; then
        loaded=$(tr '\t' ' ' <"$ROOT/proc/driver/nvidia/version" | awk '/NVRM version:/ {
            for (i = 1; i < NF; i++) if ($i ~ /^[0-9][0-9][0-9][0-9]?\.[0-9]+(\.[0-9]+)?$/) { print $i; exit }
        }')
    fi
    driver=${driver:-$loaded}
    [ -n "$gpus" ] || gpus=$(listed)
    libcuda=$(find_library libcuda.so.1 /usr/lib/wsl/lib /usr/local/nvidia/lib64)
    [ -z "$driver" ] || record nvidia driver "$driver"
    [ -z "$cuda" ] || record nvidia cuda "$cuda"
    [ -z "$libcuda" ] || record nvidia libcuda "$libcuda"
    [ -z "$gpus" ] || printf '%s\n' "$gpus"
    devices=$(
        set +f
        for path in "$ROOT"/dev/nvidia* "$ROOT/dev/dxg"; do
            if [ -e "$path" ] && [ ! -d "$path" ]; then
                bare "$path"
            fi
        done
    )
    [ -z "$devices" ] || printf '%s\n' "$devices" | sed "s/^/device$tab/"
    [ "$os" != linux ] || judge_nvidia
    [ -n "$driver" ] || return 0
    if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
        case $(printf '%s\n' "$CUDA_VISIBLE_DEVICES" | clean) in
            '' | -1 | NoDevFiles)
                problem GPU "\`CUDA_VISIBLE_DEVICES\` hides every GPU from what is started here"
                ;;
        esac
    fi
    [ -n "$gpus" ] || problem GPU "driver $driver is there, but no GPU was seen"
    printf '%s\n' "$gpus" | awk -F '\t' '$1 == "gpu" && $3 == "" {
        printf "problem\tGPU\tthe compute capability of `%s` is not known\n", $2
    }'
}

ask_smi() { # sets `driver`, `cuda` and `gpus`; what keeps nvidia-smi from telling is a problem
    run "$smi" --query-gpu=name,driver_version,compute_cap,memory.total --format=csv,noheader,nounits
    columns=4
    case $status:$said in
        0:* | none:*) ;;
        *compute_cap*)
            run "$smi" --query-gpu=name,driver_version,memory.total --format=csv,noheader,nounits
            columns=3
            ;;
    esac
    rows=
    if [ "$status" = 0 ]; then
        rows=$(printf '%s\n' "$said" | awk -F ',' -v columns="$columns" '
            NF == columns {
                for (i = 1; i <= NF; i++) { gsub(/[ \t\r]+/, " ", $i); sub(/^ /, "", $i); sub(/ $/, "", $i) }
                if ($2 !~ /^[0-9][0-9][0-9][0-9]?\.[0-9]/) next
                known = columns == 4 && $3 ~ /^[0-9]+\.[0-9]+$/ ? $3 : "-"
                memory = $columns ~ /^[0-9]+$/ ? sprintf("%.0f", $columns * 1048576) : "-"
                print $2 "\t" known "\t" memory "\t" $1
            }')
    fi
    if [ "$status" = none ]; then
        problem GPU "\`nvidia-smi\` did not answer within $seconds seconds"
        return
    fi
    if [ -z "$rows" ]; then
        story=$(printf '%s\n' "$said" | grep '[^[:space:]]' | sed -n 1p | clean | cut -c 1-200)
        problem GPU "\`nvidia-smi\` ended with status $status: ${story:-it said nothing}"
        case $(printf '%s\n' "$said" | tr '[:upper:]' '[:lower:]') in
            *"version mismatch"*)
                problem GPU "the driver was updated but not loaded again: it needs a restart"
                ;;
        esac
        return
    fi
    driver=$(printf '%s\n' "$rows" | sed -n 1p | cut -f1)
    gpus=$(printf '%s\n' "$rows" | while IFS=$tab read -r _ known memory model; do
        [ "$known" != - ] || known=$(capability "$model")
        [ "$memory" != - ] || memory=
        record gpu "$model" "$known" "$memory"
    done)
    run "$smi"
    cuda=$(printf '%s\n' "$said" |
        sed -n 's/CUDA UMD Version/CUDA Version/; s/.*CUDA Version: *\([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | sed -n 1p)
}

listed() { # the GPUs that the kernel module tells
    set +f
    for path in "$ROOT"/proc/driver/nvidia/gpus/*/information; do
        [ -r "$path" ] || continue
        model=$(sed -n 's/^Model:[[:space:]]*//p' "$path" | sed -n 1p | clean)
        [ -z "$model" ] || record gpu "$model" "$(set -f && capability "$model")" ""
    done
    set -f
}

judge_nvidia() {
    if [ -z "$driver" ]; then
        if has_gpu; then
            problem GPU "an NVIDIA GPU is in this machine, but no NVIDIA driver is loaded"
        fi
        return 0
    fi
    if [ -n "$loaded" ] && [ -z "$smi" ]; then
        problem GPU "driver $loaded is loaded, but \`nvidia-smi\` was not found"
    fi
    if [ -z "$devices" ]; then
        text="driver $driver is loaded, but there is no \`/dev/nvidia0\`: a container needs \`--gpus all\`, a machine"
        problem GPU "$text \`nvidia-modprobe\`"
    fi
    printf '%s\n' "$devices" | while IFS= read -r path; do
        if [ -n "$path" ] && { [ ! -r "$ROOT$path" ] || [ ! -w "$ROOT$path" ]; }; then
            problem GPU "this user may not open \`$path\`"
            break
        fi
    done
    if [ -z "$libcuda" ]; then
        problem GPU "\`libcuda.so.1\` was not found: nothing can use the GPU without it"
    fi
}

has_gpu() { # is there a display or 3D controller of NVIDIA on the PCI bus?
    (
        set +f
        for path in "$ROOT"/sys/bus/pci/devices/*; do
            read -r vendor <"$path/vendor" || continue
            read -r class <"$path/class" || continue
            case $vendor:$class in
                0x10de*:0x03*) exit 0 ;;
            esac
        done
        exit 1
    ) 2>/dev/null
}

# -- libraries and programs ------------------------------------------------------------------------

cuda_names='cudart|cublas|cublasLt|cudnn[A-Za-z0-9_]*|cufft|curand|cusparse|cusolver|nvrtc|nvJitLink|nccl'
cuda_pattern="^lib($cuda_names)\\.so\\.[0-9]+(\\.[0-9])?\$"

# Sets what the loader looks through: `loader` (LD_LIBRARY_PATH), `cache` (NAME, tab, PATH), `usual` (without a cache).
find_folders() {
    loader=
    cache=
    usual=
    [ "$os" = linux ] || return 0
    loader=$(printf '%s\n' "${LD_LIBRARY_PATH:-}" | tr ':;' '\n\n' | sed 's#//*$##' | awk '/^\// && !seen[$0]++')
    if [ "$libc" != musl ]; then # musl's loader has no cache, and Alpine's `ldconfig` would make links
        case $machine in
            x86_64) word=x86-64 ;;
            aarch64) word=AArch64 ;;
            *) word=libc6 ;;
        esac
        for program in "$(on_path ldconfig)" "$ROOT/sbin/ldconfig" "$ROOT/usr/sbin/ldconfig"; do
            [ -z "$cache" ] && [ -f "$program" ] || continue
            run "$program" -p
            cache=$(printf '%s\n' "$said" | WORD=$word awk '
                /^[ \t]/ {
                    start = index($0, " (")
                    stop = index($0, ") => /")
                    if (!start || stop < start || !index(substr($0, start, stop - start), ENVIRON["WORD"])) next
                    if (!seen[$1]++) print $1 "\t" substr($0, stop + 5)
                }')
        done
    fi
    if [ -z "$cache" ]; then
        usual=$(
            set +f
            printf '%s\n' /lib64 /usr/lib64 "/lib/$machine-linux-gnu" "/usr/lib/$machine-linux-gnu" /lib /usr/lib \
                /usr/local/lib64 /usr/local/lib
            for path in "$ROOT"/etc/ld.so.conf.d/*.conf; do
                [ ! -r "$path" ] || sed -n 's/[[:space:]]*$//; /^\//p' "$path"
            done
        )
    fi
}

in_cache() { # NAME
    printf '%s\n' "$cache" | NAME=$1 awk -F '\t' '$1 == ENVIRON["NAME"] { print $2; exit }'
}

find_library() { # NAME [FOLDER...]: the path that the loader would take
    name=$1
    shift
    while IFS= read -r folder; do
        if [ -n "$folder" ] && [ -f "$ROOT$folder/$name" ]; then
            printf '%s\n' "$folder/$name"
            return 0
        fi
    done <<END
$loader
END
    path=
    [ -z "$cache" ] || path=$(in_cache "$name")
    if [ -n "$path" ]; then
        printf '%s\n' "$path"
        return 0
    fi
    while IFS= read -r folder; do
        if [ -n "$folder" ] && [ -f "$ROOT$folder/$name" ]; then
            printf '%s\n' "$folder/$name"
            return 0
        fi
    done <<END
$usual
$(printf '%s\n' "$@")
END
    return 0
}

libraries() {
    for wanted in libGL.so.1 libEGL.so.1 libglib-2.0.so.0 libgthread-2.0.so.0 libX11.so.6 libXext.so.6 \
        libXrender.so.1 libSM.so.6 libICE.so.6 libxcb.so.1 libgomp.so.1 libsndfile.so.1 libstdc++.so.6 libmpi.so.12 \
        libmpi.so.40 libnuma.so.1 libaio.so.1 libavcodec.so.58 libavcodec.so.59 libavcodec.so.60 libavcodec.so.61 \
        libavcodec.so.62; do
        record library "$wanted" "$(find_library "$wanted")"
    done
    for wanted in cc gcc g++ clang nvcc ninja ffmpeg git nvidia-smi sox espeak-ng; do
        path=$(on_path "$wanted") || path=
        record program "$wanted" "$(bare "$path")"
    done
}

shadows() { # CUDA libraries outside any wheel that are found before, or instead of, those of the wheels
    {
        printf '%s\n' "$loader" | while IFS= read -r folder; do
            [ -n "$folder" ] || continue
            (
                set +f
                for path in "$ROOT$folder"/lib*.so.*; do
                    [ ! -e "$path" ] || record "${path##*/}" "$folder/${path##*/}" LD_LIBRARY_PATH
                done
            )
        done
        [ -z "$cache" ] || printf '%s\n' "$cache" | sed "s/\$/${tab}ld.so.cache/"
    } | PATTERN=$cuda_pattern awk -F '\t' '$1 ~ ENVIRON["PATTERN"] && !seen[$1]++ { print "shadow\t" $0 }' | sort
}

toolkits() { # CUDA toolkits, each once and by the most exact of its names
    (
        set +f
        for path in "$ROOT"/usr/local/cuda*; do [ -L "$path" ] || printf '%s\n' "$path"; done
        for path in "$ROOT"/usr/local/cuda*; do [ ! -L "$path" ] || printf '%s\n' "$path"; done
        printf '%s\n' "$ROOT/opt/cuda"
        [ -z "${CUDA_HOME:-}" ] || printf '%s\n' "$ROOT$CUDA_HOME"
        [ -z "${CUDA_PATH:-}" ] || printf '%s\n' "$ROOT$CUDA_PATH"
    ) | while IFS= read -r path; do
        [ ! -d "$path" ] || record "$(real "$path")" "$path"
    done | awk -F '\t' '!seen[$1]++ { print $2 }' | while IFS= read -r path; do
        version=
        if [ -r "$path/version.json" ]; then
            version=$(tr '\n\t' '  ' <"$path/version.json" |
                sed -n 's/.*"cuda" *:[^}]*"version" *: *"\([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
        fi
        if [ -z "$version" ] && [ -r "$path/version.txt" ]; then
            version=$(sed -n 's/.*CUDA Version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' "$path/version.txt" | sed -n 1p)
        fi
        [ -n "$version" ] || version=$(printf '%s\n' "$path" | sed -n 's/.*cuda-\([0-9][0-9]*\.[0-9][0-9]*\)$/\1/p')
        record cuda "$(bare "$path")" "$version"
    done | sort
}

cudnns() { # every cuDNN of the system; its version stands in the name of the file behind the link
    places=$(printf '%s\n' "$loader" "$usual" && toolkits | cut -f2 | sed 's#$#/lib64#')
    for name in libcudnn.so.7 libcudnn.so.8 libcudnn.so.9; do
        printf '%s\n' "$loader" | sed "s#\$#/$name#"
        [ -z "$cache" ] || in_cache "$name"
        printf '%s\n' "$places" | sed "s#\$#/$name#"
    done | while IFS= read -r path; do
        [ ! -f "$ROOT$path" ] || record "$(real "$ROOT$path")" "$path"
    done | awk -F '\t' '!seen[$1]++ {
        sub(/.*\.so\./, "", $1)
        print "cudnn\t" $2 "\t" $1
    }' | sort
}

# -- space -----------------------------------------------------------------------------------------

measure() { # WHAT PATH: room below a folder, or below the nearest one above it that exists
    place=$2
    while [ ! -e "$ROOT$place" ] && [ -n "$place" ] && [ "$place" != / ]; do
        place=${place%/*}
    done
    inner=$(real "$ROOT${place:-/}")
    inner=${inner#"$ROOT"}
    mount=
    [ ! -r "$ROOT/proc/mounts" ] || mount=$(INNER=${inner%/}/ awk '
        BEGIN { longest = -1 }
        NF >= 4 {
            point = $2
            gsub(/\\040/, " ", point)
            gsub(/\\011/, "\t", point)
            mine = point
            sub(/\/$/, "", mine)
            if (index(ENVIRON["INNER"], mine "/") == 1 && length(point) >= longest) {
                longest = length(point)
                options = "," $4 ","
                found = $3 "\t" (index(options, ",noexec,") > 0) "\t" (index(options, ",ro,") > 0)
            }
        }
        END { if (found != "") print found }' "$ROOT/proc/mounts")
    [ -n "$mount" ] || mount="$tab"0"$tab"0
    run df -P -k "$ROOT${place:-/}"
    room=$(printf '%s\n' "$said" | awk 'NR > 1 {
        for (i = 4; i <= NF; i++) if ($i ~ /%$/ && $(i - 1) ~ /^[0-9]+$/ && $(i - 3) ~ /^[0-9]+$/) {
            printf "%.0f\t%.0f\n", $(i - 1) * 1024, $(i - 3) * 1024
            exit
        }
    }')
    [ -n "$room" ] || room=$tab
    writable=0
    [ ! -w "$ROOT${place:-/}" ] || writable=1
    record space "$1" "$2" "$mount" "$room" "$writable"
}

space() {
    measure root /
    measure temporary "${TMPDIR:-/tmp}"
    [ -z "${HOME:-}" ] || measure home "$HOME"
    printf '%s' "${folders:-$(pwd -P)$newline}" | while IFS= read -r path; do
        measure named "$path"
    done
}

# -- the label -------------------------------------------------------------------------------------

# Shared by all that follows: the version numbers of a dotted text, compared part by part.
compare='
function compare(one, other,    a, b, n, m, i) {
    n = split(one, a, /[^0-9]+/)
    m = split(other, b, /[^0-9]+/)
    for (i = 1; i <= n && i <= m; i++) if (a[i] + 0 != b[i] + 0) return a[i] + 0 < b[i] + 0 ? -1 : 1
    return n == m ? 0 : n < m ? -1 : 1
}
function minor(version,    part) {
    split(version, part, ".")
    return part[1] "." part[2]
}
function spell(version, abi) {
    version = minor(version)
    sub(/\./, "", version)
    return "py" version (abi ~ /t$/ ? "t" : "")
}
function branch_cuda(driver,    table, n, i, pair, found) {
    n = split("450 11.0,455 11.1,460 11.2,465 11.3,470 11.4,495 11.5,510 11.6,515 11.7,520 11.8,525 12.0," \
        "530 12.1,535 12.2,545 12.3,550 12.4,555 12.5,560 12.6,565 12.7,570 12.8,575 12.9,580 13.0,590 13.1," \
        "595 13.2,610 13.3,615 13.4", table, ",")
    found = ""
    for (i = 1; i <= n; i++) {
        split(table[i], pair, " ")
        if (driver != "" && pair[1] <= driver + 0) found = pair[2]
    }
    return found
}
'

# Reads every line and adds: chosen (the path of a Python), default, named, label, nvidia cuda, problems. The tables and
# the reasons are those of probe.py.
judge='
function problem(section, text) { printf "problem\t%s\t%s\n", section, text }
function dotted_sm(capability) { sub(/\./, "", capability); return capability }
function holds(channel, capability,    major) {
    split(capability, major, ".")
    return compare(low[channel], capability) <= 0 && major[1] + 0 <= high[channel]
}
function accelerator(first,    major, c, g, fits, native, lowest, speaks) {
    speaks = branch_cuda(driver)
    for (major = 13; major >= 11; major--) {
        if (compare(driver, floor[major]) < 0) continue
        native = lowest = ""
        for (c = 1; c <= channels; c++) {
            if (cuda[c] + 0 < major || cuda[c] + 0 >= major + 1 || (arch != "x86_64" && !arm[c])) continue
            fits = 1
            for (g = first; g <= known; g++) if (!holds(c, capability[order[g]])) fits = 0
            if (!fits) continue
            if (lowest == "") lowest = name[c]
            if (speaks != "" && compare(cuda[c], speaks) <= 0) native = name[c]
        }
        if (lowest != "") return native != "" ? native : lowest
    }
    return ""
}
BEGIN {
    FS = "\t"
    floor[11] = "450.80.02"; floor[12] = "525.60.13"; floor[13] = "580"
    channels = split("cu118 11.8 3.7 9 0,cu121 12.1 5.0 9 0,cu124 12.4 5.0 9 0,cu126 12.6 5.0 9 1," \
        "cu128 12.8 7.5 12 1,cu130 13.0 7.5 12 1", rows, ",")
    for (i = 1; i <= channels; i++) {
        split(rows[i], part, " ")
        name[i] = part[1]; cuda[i] = part[2]; low[i] = part[3]; high[i] = part[4] + 0; arm[i] = part[5] + 0
    }
}
$1 == "system" { system_[$2] = $3 }
$1 == "libc" { libc = $2; libc_version = $3 }
$1 == "nvidia" { nvidia[$2] = $3 }
$1 == "gpu" { gpus++; gpu[gpus] = $2; capability[gpus] = $3 }
$1 == "alias" { own[$2] = $3 }
$1 == "named" { wanted[++wants] = $2 }
$1 == "default" { default_ = $2 }
$1 == "python" {
    n++
    path[n] = $3; version[n] = $4; implementation[n] = $5; abi[n] = $6; bits[n] = $7; venv[n] = $8
    at[$2] = n
}
function listed(place) {
    if (place in own && !(place in at)) place = own[place]
    return place in at ? at[place] : 0
}
END {
    arch = system_["machine"]
    if (arch == "amd64") arch = "x86_64"
    if (arch == "arm64") arch = "aarch64"
    os = system_["os"]

    if (listed(default_)) { default_ = listed(default_); printf "pythons\tdefault\t%s\n", path[default_] }
    else default_ = 0
    chosen = ready = any = common = 0
    for (i = 1; i <= n; i++) {
        fit[i] = implementation[i] == "cpython" && bits[i] == 64 && compare(minor(version[i]), "3.6") >= 0
        usual[i] = fit[i] && venv[i] == "yes" && compare(minor(version[i]), "3.9") >= 0 && \
            compare(minor(version[i]), "3.13") <= 0 && abi[i] !~ /t$/
        if (fit[i] && !any) any = i
        if (fit[i] && venv[i] == "yes" && !ready) ready = i
        if (usual[i] && !common) common = i
    }
    for (i = 1; i <= wants && !chosen; i++) if (listed(wanted[i]) && fit[listed(wanted[i])]) chosen = listed(wanted[i])
    if (!chosen && default_ && usual[default_]) chosen = default_
    if (!chosen) chosen = common
    if (!chosen && any) {
        chosen = ready ? ready : any
        text = "Python " minor(version[chosen])
        if (!ready) problem("Python", text " has no `venv` module, and neither has another one here")
        else if (compare(minor(version[chosen]), "3.9") < 0)
            problem("Python", text " is the newest here: few projects still make wheels for it")
        else if (compare(minor(version[chosen]), "3.13") > 0)
            problem("Python", text " is new: not all projects make wheels for it yet")
    }
    if (chosen) printf "pythons\tchosen\t%s\n", path[chosen]

    if (nvidia["driver"] != "" && nvidia["cuda"] == "" && branch_cuda(nvidia["driver"]) != "")
        printf "nvidia\tcuda\t%s\n", branch_cuda(nvidia["driver"])
    if (!(os == "linux" || os == "macos") || !(arch == "x86_64" || arch == "aarch64")) exit
    label = os
    build = "cpu"
    sm = ""
    driver = nvidia["driver"]
    if (driver !~ /^[0-9][0-9][0-9][0-9]?(\.[0-9][0-9]?[0-9]?)?(\.[0-9][0-9]?[0-9]?)?$/) driver = ""
    if (os == "macos") {
        build = driver = ""
        if (system_["version"] == "") system_["version"] = "13"
        split(system_["version"], part, ".")
        if (part[1] != 13) label = label part[1] (part[1] == 10 ? "." part[2] : "")
    } else if (driver != "") {
        known = 0
        for (i = 1; i <= gpus; i++) if (capability[i] != "") {
            # the lowest first, in the order of nvidia-smi
            for (j = ++known; j > 1 && compare(capability[order[j - 1]], capability[i]) > 0; j--)
                order[j] = order[j - 1]
            order[j] = i
        }
        first = 1
        while ((build = accelerator(first)) == "" && first <= known) first++
        if (build == "") build = "cpu"
        if (compare(driver, floor[11]) < 0) {
            text = " is too old for every channel of PyTorch: the oldest, cu118, needs "
            problem("GPU", "driver " driver text floor[11])
            first = 1
        } else if (first > 1 && first <= known) {
            problem("GPU", "no channel holds code for all of these GPUs: `" gpu[order[1]] "` is left out")
        } else if (first > 1) {
            problem("GPU", "no channel of PyTorch that this driver runs holds code for `" gpu[order[1]] "`")
            first = 1
            build = "cpu"
        }
        if (known) sm = "-sm" dotted_sm(capability[order[first]])
    }
    if (!chosen) problem("Python", "no CPython 3.6 or newer (64-bit) was found: `py310` is a guess")
    label = label "-" arch (build != "" ? "-" build : "") "-" (chosen ? spell(version[chosen], abi[chosen]) : "py310")
    if (os == "linux" && libc == "") problem("System", "the C library was not recognised: glibc 2.28 is a guess")
    else if (os == "linux" && libc libc_version != "glibc2.28") label = label "-" libc libc_version
    if (driver != "") label = label "-driver" driver
    printf "label\t%s%s\n", label, sm
}
'

# -- the page and the JSON -------------------------------------------------------------------------

# What both writers know; they differ in their END.
gather='
BEGIN { FS = "\t" }
$1 == "problem" { problems[$2] = problems[$2] $3 "\n" }
$1 == "label" { label = $2 }
$1 == "line" { line = $2 }
$1 == "system" { system_[$2] = $3 }
$1 == "libc" { libc = $2; libc_version = $3 }
$1 == "python" { n++; for (i = 3; i <= NF; i++) python[n, i] = $i }
$1 == "pythons" { role[$2] = $3 }
$1 == "nvidia" { nvidia[$2] = $3 }
$1 == "gpu" { gpus++; gpu[gpus] = $2; capability[gpus] = $3; memory[gpus] = $4 }
$1 == "device" { device[++devices] = $2 }
$1 == "environment" { variables++; variable[variables] = $2; value[variables] = $3 }
$1 == "library" { libraries++; library[libraries] = $2; found[$2] = $3 }
$1 == "program" { programs++; program[programs] = $2; place[$2] = $3 }
$1 == "cuda" { cudas++; cuda[cudas] = $2; cuda_version[cudas] = $3 }
$1 == "cudnn" { cudnns++; cudnn[cudnns] = $2; cudnn_version[cudnns] = $3 }
$1 == "shadow" { shadows++; shadow[shadows] = $2; shadow_path[shadows] = $3; by[shadows] = $4 }
$1 == "space" {
    spaces++; what[spaces] = $2; room[spaces] = $3; filesystem[spaces] = $4; noexec[spaces] = $5
    read_only[spaces] = $6; free[spaces] = $7; total[spaces] = $8; writable[spaces] = $9 && !$6
}
$1 == "selinux" { selinux = $2 }
function amount(count) {
    if (count == "") return "unknown"
    if (count >= 1e12) return sprintf("%.1f TB", count / 1e12)
    if (count >= 1e9) return sprintf("%.1f GB", count / 1e9)
    if (count >= 1e6) return sprintf("%.1f MB", count / 1e6)
    return sprintf("%.1f kB", count / 1e3)
}
'

# Little room is a problem of its own, after the sizes are known.
narrow='
END {
    for (i = 1; i <= spaces; i++) {
        if (what[i] == "root" || free[i] == "") continue
        if (free[i] < (what[i] == "temporary" ? 67108864 : 1e9))
            printf "problem\tSpace\t`%s` has only %s free\n", room[i], amount(free[i])
    }
}
'

write_json='
function quote(text,    i, c, out) {
    if (text == "") return "null"
    if (!index(text, "\\") && !index(text, "\"")) return "\"" text "\""
    out = ""
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        out = out (c == "\\" || c == "\"" ? "\\" c : c)
    }
    return "\"" out "\""
}
function truth(text) { return text == "yes" || text + 0 ? "true" : "false" }
function number(text) { return text == "" ? "null" : text }
function list(items,    part, k, i, out) {
    k = split(items, part, "\n")
    out = ""
    for (i = 1; i < k; i++) out = out (i > 1 ? ", " : "") quote(part[i])
    return "[" out "]"
}
function key(name) { return quote(name) ": " }
END {
    print "{\n " key("probe") "1,\n " key("label") quote(label) ",\n " key("line") quote(line) ","
    k = split("os distribution id version kernel machine container ngc", names, " ")
    out = ""
    for (i = 1; i <= k; i++) out = out (i > 1 ? ", " : "") key(names[i]) quote(system_[names[i]])
    print " " key("system") "{" out "},"
    print " " key("libc") "{" key("name") quote(libc) ", " key("version") quote(libc_version) "},"
    print " " key("pythons") "["
    for (i = 1; i <= n; i++) {
        out = "  {" key("path") quote(python[i, 3]) ", " key("version") quote(python[i, 4])
        out = out ", " key("implementation") quote(python[i, 5])
        out = out ", " key("abi") (python[i, 6] == "" ? "\"\"" : quote(python[i, 6])) ", " key("bits") python[i, 7]
        out = out ", " key("venv") truth(python[i, 8]) ", " key("ensurepip") truth(python[i, 9])
        out = out ", " key("pip") quote(python[i, 10])
        print out ", " key("headers") (python[i, 11] == "" ? "null" : truth(python[i, 11])) "}" (i < n ? "," : "")
    }
    print " ],\n " key("nvidia") "{" key("driver") quote(nvidia["driver"]) ", " key("cuda") quote(nvidia["cuda"]) ","
    print "  " key("gpus") "["
    for (i = 1; i <= gpus; i++) {
        out = "   {" key("name") quote(gpu[i]) ", " key("compute_capability") quote(capability[i])
        print out ", " key("memory") number(memory[i]) "}" (i < gpus ? "," : "")
    }
    out = ""
    for (i = 1; i <= devices; i++) out = out device[i] "\n"
    print "  ],\n  " key("devices") list(out) ", " key("libcuda") quote(nvidia["libcuda"]) ","
    print "  " key("problems") list(problems["GPU"]) "},"
    out = ""
    for (i = 1; i <= variables; i++)
        out = out (i > 1 ? ", " : "") key(variable[i]) (value[i] == "" ? "\"\"" : quote(value[i]))
    print " " key("environment") "{" out "},"
    out = ""
    for (i = 1; i <= libraries; i++) out = out (i > 1 ? ",\n  " : "") key(library[i]) quote(found[library[i]])
    print " " key("libraries") "{\n  " out "},"
    out = ""
    for (i = 1; i <= programs; i++) out = out (i > 1 ? ",\n  " : "") key(program[i]) quote(place[program[i]])
    print " " key("programs") "{\n  " out "},"
    out = ""
    for (i = 1; i <= cudas; i++)
        out = out (i > 1 ? ", " : "") "{" key("path") quote(cuda[i]) ", " key("version") quote(cuda_version[i]) "}"
    print " " key("cuda") "[" out "],"
    out = ""
    for (i = 1; i <= cudnns; i++)
        out = out (i > 1 ? ", " : "") "{" key("path") quote(cudnn[i]) ", " key("version") quote(cudnn_version[i]) "}"
    print " " key("cudnn") "[" out "],\n " key("shadows") "["
    for (i = 1; i <= shadows; i++) {
        out = "  {" key("library") quote(shadow[i]) ", " key("path") quote(shadow_path[i])
        print out ", " key("by") quote(by[i]) "}" (i < shadows ? "," : "")
    }
    print " ],\n " key("space") "["
    for (i = 1; i <= spaces; i++) {
        out = "  {" key("what") quote(what[i]) ", " key("path") quote(room[i])
        out = out ", " key("filesystem") quote(filesystem[i]) ", " key("free") number(free[i])
        out = out ", " key("total") number(total[i])
        out = out ", " key("noexec") truth(noexec[i]) ", " key("read_only") truth(read_only[i])
        print out ", " key("writable") truth(writable[i]) "}" (i < spaces ? "," : "")
    }
    print " ],\n " key("selinux") quote(selinux) ","
    print " " key("problems") list(problems["System"] problems["Python"] problems["Space"]) "\n}"
}
'

write_page='
function several(count) { return count " CUDA librar" (count == 1 ? "y" : "ies") }
function wrap(text, width,    words, k, i, n, line) { # fills wrapped[1..n]
    k = split(text, words, " ")
    n = 0
    line = ""
    for (i = 1; i <= k; i++) {
        if (line != "" && length(line) + 1 + length(words[i]) > width) { wrapped[++n] = line; line = "" }
        line = line == "" ? words[i] : line " " words[i]
        while (length(line) > width) { wrapped[++n] = substr(line, 1, width); line = substr(line, width + 1) }
    }
    wrapped[++n] = line
    return n
}
function show(text) { sub(/ +$/, "", text); print text }
function heading(name) { print ""; print name }
function row(name, text, mark,    n, i) {
    n = wrap(text, 66)
    show(sprintf("%s %-11s %s", mark == "" ? " " : mark, name, wrapped[1]))
    for (i = 2; i <= n; i++) show(sprintf("%13s %s", "", wrapped[i]))
}
function concerns(texts,    all, k, i, n, j) {
    k = split(texts, all, "\n")
    for (i = 1; i < k; i++) {
        n = wrap(all[i], 78)
        for (j = 1; j <= n; j++) print (j > 1 ? " " : "!") " " wrapped[j]
    }
}
function folders(kind,    i, folder, out, seen, count, sorted, j, k) {
    count = k = 0
    for (i = 1; i <= shadows; i++) if (by[i] == kind) {
        count++
        folder = shadow_path[i]
        sub(/\/[^\/]*$/, "", folder)
        if (folder in seen) continue
        seen[folder] = 1
        for (j = ++k; j > 1 && sorted[j - 1] > folder; j--) sorted[j] = sorted[j - 1]
        sorted[j] = folder
    }
    out = ""
    for (i = 1; i <= k; i++) out = out (i > 1 ? " " : "") sorted[i]
    how_many = count
    return out
}
END {
    print "What wheelhouse sees here   (`!` may get in the way, `>` is the Python it takes)"
    heading("System")
    row("name", system_["distribution"] != "" ? system_["distribution"] : system_["os"])
    row("kernel", system_["kernel"] " on " system_["machine"])
    if (system_["os"] == "linux") row("C library", libc != "" ? libc " " libc_version : "unknown")
    if (system_["container"] != "") row("container", system_["container"])
    if (selinux != "") row("SELinux", selinux)
    for (i = 1; i <= variables; i++) if (variable[i] != "TMPDIR")
        row("variable", variable[i] "=" (length(value[i]) > 300 ? substr(value[i], 1, 300) "..." : value[i]))
    concerns(problems["System"])

    heading("Python")
    for (i = 1; i <= n; i++) {
        text = python[i, 5] == "cpython" ? spell(python[i, 4], python[i, 6]) : python[i, 5]
        if (python[i, 7] == 32) text = text ", 32-bit"
        text = text (python[i, 8] == "yes" ? ", venv" : ", no venv")
        text = text (python[i, 10] != "" ? ", pip " python[i, 10] : ", no pip")
        if (python[i, 11] == "yes") text = text ", headers"
        if (python[i, 3] == role["default"]) text = text ", `python3`"
        mark = python[i, 3] == role["chosen"] ? ">" : " "
        if (python[i, 8] != "yes" && compare(python[i, 4], "3.6") >= 0) mark = "!"
        row(python[i, 4], text ", " python[i, 3], mark)
    }
    if (!n) row("none", "no Python was found", "!")
    concerns(problems["Python"])

    heading("GPU")
    if (nvidia["driver"] != "")
        row("driver", nvidia["driver"] (nvidia["cuda"] != "" ? ", for CUDA up to " nvidia["cuda"] : ""))
    else if (problems["GPU"] == "") row("none", "no NVIDIA driver, no NVIDIA GPU")
    first = 1
    for (i = 1; i <= gpus; i++) {
        if (i < gpus && gpu[i] capability[i] "/" memory[i] == gpu[i + 1] capability[i + 1] "/" memory[i + 1]) continue
        text = capability[i]
        sub(/\./, "", text)
        text = gpu[i] (text != "" ? ", sm" text : "")
        if (memory[i] != "") text = text sprintf(", %.0f GiB", memory[i] / 1073741824)
        row("GPU " (i > first ? first - 1 " to " : "") (i - 1), text)
        first = i + 1
    }
    if (nvidia["libcuda"] != "") row("libcuda", nvidia["libcuda"])
    concerns(problems["GPU"])

    heading("Libraries")
    if (system_["os"] == "linux") {
        there = missing = ""
        for (i = 1; i <= libraries; i++) {
            stem = library[i]
            sub(/\.so.*/, "", stem)
            if (found[library[i]] != "") { there = there " " library[i]; some[stem] = 1 }
        }
        for (i = 1; i <= libraries; i++) {
            stem = library[i]
            sub(/\.so.*/, "", stem)
            if (stem == "libmpi" || stem == "libavcodec") {
                if (!(stem in some)) { missing = missing " " stem; some[stem] = 1 }
            } else if (found[library[i]] == "") missing = missing " " library[i]
        }
        row("there", there != "" ? there : "none of those that packages ask for")
        row("missing", missing != "" ? missing : "none")
    } else row("", "not looked at on this system")
    for (i = 1; i <= cudas; i++) row("CUDA", (cuda_version[i] != "" ? cuda_version[i] : "unknown") " in " cuda[i])
    for (i = 1; i <= cudnns; i++) row("cuDNN", cudnn_version[i] " in " cudnn[i])
    text = folders("ld.so.cache")
    if (how_many) row("by ldconfig", several(how_many) " in " text)
    text = folders("LD_LIBRARY_PATH")
    if (how_many)
        concerns("LD_LIBRARY_PATH puts " several(how_many) " before those of the wheels, in " text ": unset it\n")

    heading("Programs")
    there = missing = ""
    for (i = 1; i <= programs; i++) {
        if (place[program[i]] != "") there = there " " program[i]
        else missing = missing " " program[i]
    }
    row("there", there != "" ? there : "none")
    row("missing", missing != "" ? missing : "none")

    heading("Space")
    for (i = 1; i <= spaces; i++) {
        words = (noexec[i] + 0 ? ", noexec" : "") (read_only[i] + 0 ? ", read-only" : "")
        if (!writable[i] && !(read_only[i] + 0) && what[i] != "root") words = words ", not writable"
        text = room[i] ": " amount(free[i]) " free of " amount(total[i]) (filesystem[i] != "" ? ", " filesystem[i] : "")
        row(what[i], text words, words != "" && what[i] != "root" ? "!" : " ")
    }
    concerns(problems["Space"])
    print ""
    if (line != "") {
        print "Type this line after `--target` on the machine that has a network:\n\n    " line
    } else print "! no target names this machine: there is no line to type"
}
'

# -- the program -----------------------------------------------------------------------------------

find_libc
find_folders
facts=$(
    system
    record libc "$libc" "$libc_version"
    pythons | awk -F '\t' '
        $1 == "python" {
            split($4, v, ".")
            printf "%05d%05d%05d\t%s\t%s\n", 99999 - v[1], 99999 - v[2], 99999 - v[3], $3, $0
            next
        }
        { printf "0\t%05d\t%s\n", NR, $0 }' | sort -t "$tab" -k 1,1 -k 2,2 | cut -f 3-
    nvidia
    environment
    libraries
    toolkits
    cudnns
    shadows
    space
    [ "$os" != linux ] || selinux
)
facts=$facts$newline$(printf '%s\n' "$facts" | awk "$compare$judge")
facts=$facts$newline$(printf '%s\n' "$facts" | awk "$gather$narrow")
label=$(printf '%s\n' "$facts" | sed -n "s/^label$tab//p")
if [ -n "$label" ]; then
    digits=$(printf '%s' "$label" | cksum | awk '{ printf "%05.0f", $1 - int($1 / 100000) * 100000 }')
    facts=$facts$newline$(record line "$label-ck$digits")
fi

text() { # PROGRAM: what an awk program writes of the facts; bytes that no UTF-8 holds become question marks
    written=$(printf '%s\n' "$facts" | awk "$compare$gather$1")
    if printf '%s\n' "$written" | tr -d '\001-\177' | grep . >/dev/null &&
        ! printf '%s\n' "$written" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1; then
        written=$(printf '%s\n' "$written" | tr '\200-\377' '?')
    fi
    printf '%s\n' "$written"
}

if [ -n "$json" ]; then
    text "$write_json"
else
    text "$write_page"
fi
if [ -n "$output" ]; then
    partial=$output.$$.partial
    if [ -d "$output" ] || ! { text "$write_json" >"$partial"; } 2>/dev/null ||
        ! mv -f "$partial" "$output" 2>/dev/null; then
        rm -f "$partial" 2>/dev/null
        printf '%s\n' "error[output]: \`$output\` cannot be written" >&2
        exit 1
    fi
fi
exit 0
