<?php

declare(strict_types=1);

/** The table that every server reads: ids, text with quotes and UTF-8, floats, booleans, dates. */
function fillProducts(PDO $pdo, int $count): void
{
    $postgres = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME) === 'pgsql';
    $pdo->exec('DROP TABLE IF EXISTS products');
    $pdo->exec(sprintf(
        'CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price %s NOT NULL, description TEXT, '
            . 'active BOOLEAN NOT NULL, created_at TIMESTAMP NOT NULL)',
        $postgres ? 'DOUBLE PRECISION' : 'REAL',
    ));
    $pdo->beginTransaction();
    $insert = $pdo->prepare('INSERT INTO products VALUES (?, ?, ?, ?, ?, ?)');
    for ($id = 1; $id <= $count; $id++) {
        $insert->execute([
            $id,
            "Product $id",
            $id * 0.37,
            "The \"best\" of its kind, no. $id:\nmade in Köln, für alle – " . str_repeat('lorem ipsum ', $id % 8),
            $id % 3 === 0 ? 0 : 1,
            date('Y-m-d H:i:s', 1_700_000_000 + $id * 60),
        ]);
    }
    $pdo->commit();
}
