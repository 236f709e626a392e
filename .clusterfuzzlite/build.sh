#!/bin/bash -eu
# Builds every fuzz target into $OUT, each with its options, its dictionary and the inputs that are kept.
cd "$SRC/raddle"

for source in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    flags=()
    case $target in
        # A choice of the simulator is no magic number.
        *_tape) flags+=(--no-trace-compares) ;;
    esac
    cargo fuzz build -O --debug-assertions "${flags[@]}" "$target"
    cp "fuzz/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
    zip -q -j -r "$OUT/${target}_seed_corpus.zip" "fuzz/seeds/$target"
    cp "fuzz/options/$target.options" "$OUT/"
done
# The options name them.
cp fuzz/*.dict "$OUT/"
