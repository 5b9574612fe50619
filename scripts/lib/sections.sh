# Sourced by scripts/test and scripts/check: runs commands as named sections, counts their tests, prints one summary.
# A section counts the tests its runner reports (cargo, pytest, vitest); a command that reports none counts as one.

logs=var/test
mkdir -p "$logs"
table='' total_passed=0 total_failed=0

# sum REGEX FILE: the sum of the numbers in what the regex matches.
sum() { grep -oE "$1" "$2" | grep -oE '[0-9]+' | awk '{n += $0} END {print n + 0}'; }

section() {
  local name=$1 began=$SECONDS code passed=0 failed=0 log=$logs/$1.log verdict
  shift
  printf '\n=== %s: %s\n' "$name" "$*"
  "$@" 2>&1 | sed -uE $'s/\e\\[[0-9;]*m//g' | tee "$log" | tail -n 60
  code=${PIPESTATUS[0]}
  case $name in
    cargo-test | clippy | engine) passed=$(sum '[0-9]+ passed;' "$log") failed=$(sum '[0-9]+ failed;' "$log") ;;
    web-test) passed=$(grep -E '^ *Tests ' "$log" >"$log.t"; sum '[0-9]+ passed' "$log.t") failed=$(sum '[0-9]+ failed' "$log.t") ;;
    pytest | e2e | soak) tail -n 1 "$log" >"$log.t"; passed=$(sum '[0-9]+ passed' "$log.t") failed=$(sum '[0-9]+ (failed|error)' "$log.t") ;;
    fuzz) [ "$code" -eq 0 ] && passed=$(grep -c '^fuzz: ' "$log") ;;
  esac
  rm -f "$log.t"
  if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ "$code" -eq 0 ] && [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then passed=1; fi
  verdict=ok; [ "$failed" -gt 0 ] && verdict=FAILED
  table+=$(printf '%-12s %-7s %5d passed %4d failed %6d s' "$name" "$verdict" "$passed" "$failed" $((SECONDS - began)))$'\n'
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
}

stop_if_failed() { if [ "$total_failed" -gt 0 ]; then summary; fi; }

summary() {
  printf '\n=== summary (%d s)\n%s\n' "$SECONDS" "$table"
  printf '%d passed, %d failed\n' "$total_passed" "$total_failed"
  [ "$total_failed" -eq 0 ]
  exit
}
