# What the examples share. Each examples/*/run takes
#
#   run [--tiny | --full] [--data PATH] [--out DIR]
#
# and sources this file, which reads them and sets:
#   size      tiny (seconds: the tests), smoke (minutes; without a flag) or full (what the README says)
#   data      PATH, or empty
#   out       DIR, or the example's out/: everything it makes lies there
#   tidemark  the command
# The working directory becomes the repository's root. Run by bash, under `set -euo pipefail`.
set -euo pipefail
export LC_ALL=C

usage() {
  echo "usage: $0 [--tiny | --full] [--data PATH] [--out DIR]" >&2
  exit 2
}
size=smoke data='' out="$(cd "$(dirname "$0")" && pwd)/out"
while [ $# -gt 0 ]; do
  case $1 in
    --tiny | --full) size=${1#--}; shift ;;
    --data | --out)
      [ $# -ge 2 ] || usage
      printf -v "${1#--}" %s "$(realpath -m -- "$2")"
      shift 2 ;;
    *) usage ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tidemark=${TIDEMARK:-$PWD/build/release/bin/tidemark}
[ -x "$tidemark" ] || { echo "$0: $tidemark is missing: run scripts/build, or set TIDEMARK" >&2; exit 2; }
mkdir -p "$out"
: >"$out/table.txt"

say() { printf '\n== %s\n' "$*"; }

# pick TINY SMOKE FULL: the one for the size.
pick() {
  case $size in
    tiny) echo "$1" ;;
    smoke) echo "$2" ;;
    full) echo "$3" ;;
  esac
}

# number FILE KEY: the last number under that key in a JSON document that the command printed.
number() { grep -o "\"$2\": [0-9.e+-]*" "$1" | tail -n 1 | sed "s/.*: //"; }
# parameters PRESET: how many it has.
parameters() { "$tidemark" models --json | sed -n "/\"name\": \"$1\"/,/}/p" | grep -o '"parameters": [0-9]*' | sed 's/.*: //'; }
# losses FILE: those of a JSON report of `tidemark train`, one a line.
losses() { sed -n '/"losses"/,/]/p' "$1" | tr -d ' ,' | grep -E '^-?[0-9]'; }
last_loss() { losses "$1" | tail -n 1; }

# ratio A B
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
# milliseconds SECONDS
milliseconds() { awk -v s="$1" 'BEGIN { printf "%.0f", 1000 * s }'; }

# row FORMAT VALUE...: a line of the table.
row() {
  # shellcheck disable=SC2059
  printf "$1\n" "${@:2}" >>"$out/table.txt"
}

# make_plan NAME OPTION...: NAME.plan.json, and its summary as NAME.summary.json.
make_plan() {
  "$tidemark" plan "${@:2}" --out "$1.plan.json" --json >"$1.summary.json" ||
    { echo "$0: no plan fits: $1.summary.json says why" >&2; exit 1; }
}

# smallest FILE OPTION...: the fewest bytes that a plan with these options fits in; FILE gets the summary.
# (A budget of one byte does not fit, which is exit status 1.)
smallest() {
  "$tidemark" plan "${@:2}" --budget 1 --json >"$1" || [ $? -eq 1 ]
  number "$1" smallest_feasible_bytes
}

# picture PNG FILE...: a trace, a plan, or both on one timeline.
picture() { "$tidemark" view "${@:2}" --screenshot "$1"; }

# same_losses A B: whether two reports' losses are the same to the last bit, as far as the shorter goes.
same_losses() {
  local n
  n=$(cat <(losses "$1" | wc -l) <(losses "$2" | wc -l) | sort -n | head -n 1)
  cmp <(losses "$1" | head -n "$n") <(losses "$2" | head -n "$n") ||
    { echo "$0: $1 and $2 differ: a plan must not change the losses" >&2; exit 1; }
}

# finish: the table, and where the pictures are.
finish() {
  say "Result"
  cat "$out/table.txt"
  echo
  find "$out" -name '*.png' | sort | sed 's/^/picture  /'
}
