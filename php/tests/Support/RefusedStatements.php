<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

/** tests/support/statements.tsv, to which both engines are held. */
final class RefusedStatements
{
    /** Nobody listens there: what isn't refused can't do anything. */
    private const DSNS = [
        'postgres' => 'postgres://nobody@127.0.0.1:1/nothing',
        'mysql' => 'mysql://nobody@127.0.0.1:1/nothing',
        'sqlite' => 'sqlite::memory:',
    ];

    /** @return array<string, array{string, string, string}> DSN, statement and what would stay, as a data provider */
    public static function all(): array
    {
        $cases = [];
        foreach (file(dirname(__DIR__, 3) . '/tests/support/statements.tsv', FILE_IGNORE_NEW_LINES) ?: [] as $line) {
            if (str_starts_with($line, '#')) {
                continue;
            }
            [$names, $what, $sql] = explode("\t", $line);
            $bytes = ['{VT}' => "\v", '{CR}' => "\r", '{LF}' => "\n", '{SOH}' => "\x01", '{BOM}' => "\u{feff}"];
            $sql = strtr($sql, $bytes);
            foreach ($names === 'all' ? array_keys(self::DSNS) : explode(',', $names) as $name) {
                $cases["$name: $sql"] = [self::DSNS[$name], $sql, $what];
            }
        }
        return $cases;
    }
}
