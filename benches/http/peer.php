<?php

// The peers' side: the same work, and the same query through PDO and json_encode, as a page of php-fpm and as the router
// of `php -S`.

declare(strict_types=1);

require_once __DIR__ . '/work.php';

/** With its length: `php -S` closes after every answer, and wrk would take an end without a length for an error. */
function send(array $data): void
{
    $body = json_encode($data, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($body));
    echo $body;
}

$parts = explode('/', (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
if ($parts[1] === 'hello') {
    send(['hello' => $parts[2]]);
    return;
}
if ($parts[1] === 'burn' || $parts[1] === 'sleep') {
    $parts[1] === 'burn' ? burn((int) $parts[2]) : usleep((int) $parts[2]);
    send(['hello' => $parts[3]]);
    return;
}
// /array/... is the same here: PDO has no other way.
[$database, $rows, $from] = $parts[1] === 'two' ? [$parts[2], 0, $parts[3]] : array_slice($parts, -3);
// Persistent: connecting for every request would cost the peers more than anything else.
$pdo = new PDO(
    (string) getenv('LYGER_BENCH_PDO_' . strtr($database, '-', '_')),
    getenv('LYGER_BENCH_PDO_user') ?: null,
    getenv('LYGER_BENCH_PDO_password') ?: null,
    [PDO::ATTR_PERSISTENT => true],
);

/** @return list<array<string, mixed>> */
function fetch(PDO $pdo, string $sql, int ...$values): array
{
    $statement = $pdo->prepare($sql);
    foreach ($values as $index => $value) {
        $statement->bindValue($index + 1, $value, PDO::PARAM_INT);
    }
    $statement->execute();
    return $statement->fetchAll(PDO::FETCH_ASSOC);
}

const PRODUCTS_FROM = 'SELECT * FROM products WHERE id >= ? ORDER BY id LIMIT ?';
if ($parts[1] === 'two') {
    $first = fetch($pdo, 'SELECT * FROM products WHERE id = ?', (int) $from);
    send([...$first, ...fetch($pdo, PRODUCTS_FROM, (int) $from + 1, 1)]);
    return;
}
send(fetch($pdo, PRODUCTS_FROM, (int) $from, (int) $rows));
