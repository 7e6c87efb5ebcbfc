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
[$database, $rows, $from] = array_slice($parts, -3);
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
send($statement->fetchAll(PDO::FETCH_ASSOC));
