<?php

/** An application whose handlers leave things behind on the database of SQL_DSN, or ask it for vectors. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Vector\Index;

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
$index = Index::of(2);
$index->add([1, 2, 3], [[0, 1], [1, 0], [1, 1]]);
$router->get('/similar/{table}/{shape}', static function (string $table, string $shape) use ($db, $index): Response {
    $sql = "SELECT t.n, m.score FROM matches m JOIN $table t ON t.id = m.id WHERE t.n <> :n ORDER BY m.place";
    $answer = $index->search([1, 0])->respond($db, $sql, ['n' => 7]);
    return match ($shape) {
        'paged' => $answer->paged(2, 2),
        'keyed' => $answer->keyedBy('n'),
        default => $answer->{$shape}(),
    };
});
$router->get('/vectors/{table}', static function (string $table) use ($db): array {
    $index = Index::of(1);
    $db->begin();
    $db->execute("INSERT INTO $table VALUES (9, '[5]')");
    $own = $index->addFrom($db, "SELECT id, v FROM $table");
    $db->rollback();
    return ['own' => $own, 'vector' => $index->vector(9), 'left' => Index::of(1)->addFrom($db, "SELECT * FROM $table")];
});
$router->get('/temporary-vectors', static function () use ($db): array {
    $db->execute('CREATE TEMPORARY TABLE own_vectors (id INT PRIMARY KEY, v TEXT)'); // refused where it is still there
    $db->execute("INSERT INTO own_vectors VALUES (9, '[5]')");
    $index = Index::of(1);
    return ['rows' => $index->addFrom($db, 'SELECT id, v FROM own_vectors'), 'vector' => $index->vector(9)];
});
$router->get('/state', static fn (): Response => Response::json(['open' => $db->inTransaction()]));

return $app;
