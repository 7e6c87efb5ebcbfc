<?php

// The peers' side: the same query through PDO and json_encode, as a page of php-fpm and as the router of `php -S`.

declare(strict_types=1);

[, $database, $rows, $from] = explode('/', (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
// Persistent: connecting for every request would cost the peers more than anything else.
$pdo = new PDO(
    (string) getenv("LYGER_BENCH_PDO_$database"),
    getenv('LYGER_BENCH_USER') ?: null,
    getenv('LYGER_BENCH_PASSWORD') ?: null,
    [PDO::ATTR_PERSISTENT => true],
);
$statement = $pdo->prepare('SELECT * FROM products WHERE id >= ? ORDER BY id LIMIT ?');
$statement->bindValue(1, (int) $from, PDO::PARAM_INT);
$statement->bindValue(2, (int) $rows, PDO::PARAM_INT);
$statement->execute();
header('Content-Type: application/json');
echo json_encode($statement->fetchAll(PDO::FETCH_ASSOC), JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
