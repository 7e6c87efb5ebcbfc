# Adds up what the test runners say: prints "passed failed skipped". Known are cargo, PHPUnit, `zig build test` and lines
# of our own scripts (ok - ..., not ok - ..., ok - ... # SKIP why).
/^test result: / {
    for (i = 1; i <= NF; i++) {
        if ($i ~ /^passed/) p += $(i - 1)
        if ($i ~ /^failed/) f += $(i - 1)
        if ($i ~ /^ignored/) s += $(i - 1)
    }
}
/^OK \([0-9]+ tests?,/ { sub(/^OK \(/, ""); p += $1 }
/^Tests: [0-9]+, / {
    bad = 0; skipped = 0; total = $2 + 0
    for (i = 3; i < NF; i++) {
        if ($i ~ /^(Errors|Failures|Risky|Warnings):/) bad += $(i + 1)
        if ($i ~ /^(Skipped|Incomplete):/) skipped += $(i + 1)
    }
    p += total - bad - skipped; f += bad; s += skipped
}
/^Build Summary: / {
    passed = 0; total = 0; skipped = 0
    for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^tests/) { split($i, n, "/"); passed = n[1]; total = n[2] }
        if ($(i + 1) ~ /^skipped/) { number = $i; sub(/^\(/, "", number); skipped = number }
    }
    p += passed; s += skipped; f += total - passed - skipped
}
/^ok - .*# SKIP/ { s++; next }
/^ok - / { p++ }
/^not ok - / { f++ }
END { print p + 0, f + 0, s + 0 }
