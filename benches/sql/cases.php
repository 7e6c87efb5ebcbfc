<?php

declare(strict_types=1);

/** As the benches over HTTP do it, and as Lyger writes text. */
const JSON_FLAGS = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

/**
 * The cases of the benchmark: the first of its works is Lyger's. Marks are ratios, by metric and placement; that of memory
 * is bytes. Before a case is given, all its works have given the same rows.
 *
 * @param array<string, Place> $places
 * @return Generator<string, array{place: Place, works: array<string, Closure(int): void>, marks: array<string, mixed>}>
 */
function cases(array $places): Generator
{
    $boundary = new Boundary();
    $pgsql = pg_connect($places['PostgreSQL']->words());
    pg_prepare($pgsql, 'one', numbered(Place::ONE));
    pg_prepare($pgsql, 'many', numbered(Place::MANY));
    pg_prepare($pgsql, 'all', Place::ALL);
    $query = static fn (string $name, array $params): array => pg_fetch_all(pg_execute($pgsql, $name, $params));

    foreach ($places as $name => $place) {
        $isPostgres = $name === 'PostgreSQL';
        $one = static fn (int $time): array => [1 + $time * 7919 % Place::PRODUCTS];
        $mark = $name === 'SQLite' ? 1.1 : 0.95;
        $works = [
            'C ABI' => static fn (int $time): string => $boundary->json($place->dsn, Place::ONE, $one($time)[0]),
            'PDO' => static fn (int $time): array => $place->fetchAll(Place::ONE, $one($time)),
        ];
        if ($isPostgres) {
            $works['ext-pgsql'] = static fn (int $time): array => $query('one', $one($time));
        }
        yield "one row, C ABI, $name" => checked($place, $works, ['wall' => ['S' => $mark, 'X' => $mark]]);

        $works = ['Db::row()' => static fn (int $time): array => [$place->db->row(Place::ONE, $one($time))]]
            + array_slice($works, 1);
        yield "one row, PHP array, $name" => checked($place, $works, ['wall' => ['S' => 0.95, 'X' => 0.95]]);

        $many = static fn (int $time): array => [1 + $time * 7919 % (Place::PRODUCTS - Place::MANY_ROWS), Place::MANY_ROWS];
        $works = [
            'Db::json()' => static fn (int $time): string => $place->db->json(Place::MANY, $many($time)),
            'PDO, json_encode' => static fn (int $time): string
                => json_encode($place->fetchAll(Place::MANY, $many($time)), JSON_FLAGS),
        ];
        if ($isPostgres) {
            $works['ext-pgsql, json'] = static fn (int $time): string => json_encode($query('many', $many($time)), JSON_FLAGS);
        }
        yield "1,000 rows to JSON, $name" => checked($place, $works, match ($name) {
            'PostgreSQL' => ['wall' => ['S' => 1.2, 'X' => 1.6], 'cpu' => ['S' => 2.2, 'X' => 2.2]],
            'MariaDB' => ['wall' => ['S' => 1.2, 'X' => 1.4]],
            default => ['wall' => ['X' => 3.5]],
        });

        $works = [
            'Db::query()' => static fn (int $time): array => $place->db->query(Place::MANY, $many($time)),
            'PDO' => static fn (int $time): array => $place->fetchAll(Place::MANY, $many($time)),
        ];
        if ($isPostgres) {
            $works['ext-pgsql'] = static fn (int $time): array => $query('many', $many($time));
        }
        yield "1,000 rows to arrays, $name" => checked($place, $works, ['wall' => ['S' => 0.9, 'X' => 0.9]]);

        $works = [
            'Db::column()' => static fn (int $time): array => $place->db->column(Place::MANY_IDS, $many($time)),
            'PDO' => static fn (int $time): array
                => $place->executed(Place::MANY_IDS, $many($time))->fetchAll(PDO::FETCH_COLUMN),
        ];
        yield "1,000 ids by column(), $name" => checked($place, $works, ['wall' => ['S' => 0.9, 'X' => 0.9]]);
    }

    $place = $places['PostgreSQL'];
    $boundary->jsonInside($place->dsn, Place::ALL, static function (FFI\CData $json) use ($place): void {
        same('100,000 rows', plain(json_decode(FFI::string($json), true)), plain($place->fetchAll(Place::ALL, [])));
    });
    yield '100,000 rows to JSON, PostgreSQL' => [
        'place' => $place,
        'works' => [
            'C ABI' => static fn () => $boundary->jsonInside($place->dsn, Place::ALL),
            'PDO, json_encode' => static fn () => json_encode($place->fetchAll(Place::ALL, []), JSON_FLAGS),
            'ext-pgsql, json' => static fn () => json_encode($query('all', []), JSON_FLAGS),
        ],
        'marks' => ['wall' => ['S' => 2.5, 'X' => 2.5], 'memory' => 1024.0 * 1024.0],
    ];
}

/**
 * A case, if all its works give the same rows. Nobody is measured on another answer.
 *
 * @param array<string, Closure(int): mixed> $works
 */
function checked(Place $place, array $works, array $marks): array
{
    foreach ([0, 3] as $time) {
        $answers = array_map(static fn (Closure $work): array => plain($work($time)), $works);
        foreach ($answers as $name => $answer) {
            same("$name, $place->name", $answer, reset($answers));
        }
    }
    return ['place' => $place, 'works' => $works, 'marks' => $marks];
}

function same(string $name, array $answer, array $expected): void
{
    if ($answer !== $expected || $answer === []) {
        throw new RuntimeException("$name gives other rows: " . json_encode([$answer[0] ?? null, $expected[0] ?? null]));
    }
}

/**
 * Rows, or JSON of them, without the documented differences: PDO has floats and ext-pgsql everything as strings, booleans
 * as 1 or t, and dates without Lyger's T.
 *
 * @return list<mixed>
 */
function plain(string|array $rows): array
{
    $rows = is_string($rows) ? json_decode($rows, true, 512, JSON_THROW_ON_ERROR) : $rows;
    return array_map(static fn (mixed $row): mixed => !is_array($row) ? (int) $row : [
        'id' => (int) $row['id'],
        'price' => (float) $row['price'],
        'active' => in_array($row['active'], [true, 1, '1', 't'], true),
        'created_at' => strtr(rtrim((string) $row['created_at'], 'Z'), 'T', ' '),
    ] + $row, $rows);
}

/** With PostgreSQL's own placeholders. */
function numbered(string $sql): string
{
    $number = 0;
    return preg_replace_callback('/\?/', static function () use (&$number): string {
        return '$' . ++$number;
    }, $sql);
}
