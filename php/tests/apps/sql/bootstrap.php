<?php

/** An application whose handlers leave transactions, settings and temporary tables behind, on the database of SQL_DSN. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;

$app = Application::create(__DIR__);
$db = Db::connect((string) getenv('SQL_DSN'));
$router = $app->router();

$router->get('/leave/{table}/{how}', static function (string $table, string $how) use ($db): mixed {
    $db->begin();
    $db->execute("UPDATE $table SET n = n + 100");
    return match ($how) {
        'throw' => throw new RuntimeException('amid a transaction'),
        'exit' => exit('gone'),
        'respond' => $db->respond("SELECT n FROM $table"),
        'stream' => (static function () use ($db, $table): array {
            $db->stream("SELECT n FROM $table")->current();
            return ['n' => $db->value("SELECT n FROM $table")];
        })(),
        default => ['n' => $db->value("SELECT n FROM $table")],
    };
});
$router->get('/temporary/{table}', static function (string $table) use ($db): array {
    $db->execute("CREATE TEMPORARY TABLE $table (n INT)");
    $db->execute("INSERT INTO $table VALUES (7)");
    return ['n' => $db->value("SELECT n FROM $table")];
});
$router->get('/commit/{table}', static function (string $table) use ($db): SqlResponse {
    $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = n + 1"));
    return $db->respond("SELECT n FROM $table");
});
$router->get('/state', static fn (): Response => Response::json(['open' => $db->inTransaction()]));

return $app;
