<?php

/** An application that leaks on purpose, in one way for each of its routes, and one that doesn't. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;
use Lyger\Tests\Apps\Hoard;

require_once __DIR__ . '/Hoard.php';

function remember(string $what): int
{
    static $remembered = [];
    $remembered[] = $what;
    return count($remembered);
}

$app = Application::create(__DIR__);
$app->container()->singleton(Hoard::class);
$app->container()->singleton(Db::class, static fn (): Db => Db::connect('sqlite::memory:'));
$router = $app->router();

$router->get('/static-property', static fn (): array => [count(Hoard::$all[] = ['a', 'b'])]);
$router->get('/static-string', static fn (): array => [strlen(Hoard::$text .= str_repeat('x', 1_000))]);
$router->get('/static-variable', static fn (): array => [remember('something')]);
$router->get('/method-variable', static fn (): array => [Hoard::keep()]);
$router->get('/closure-variable', static function (): array {
    static $kept = [];
    $kept[] = str_repeat('x', 100);
    return [count($kept)];
});
$router->get('/service', static fn (Hoard $hoard): array => [$hoard->add()]);
$router->get('/collection', static fn (Hoard $hoard): array => [$hoard->attach()]);
$router->get('/global', static fn (): array => [count($GLOBALS['pile'][] = [1])]);
$router->get('/stream', static function (): array {
    return [count(Hoard::$streams[] = [fopen(__FILE__, 'r')])];
});
$router->get('/exit', static function (): never {
    Hoard::$all[] = ['exits'];
    exit('kept');
});

// Does what handlers do, and keeps what is bounded: a cache that fills in the warm-up, something that is made when it
// is first wanted, and the last ten requests.
$router->get('/calm/{n}', static function (int $n, Db $db): array {
    Hoard::$all = $n === 25 ? range(1, 1_000) : Hoard::$all;
    Hoard::$cache[$n % 5] ??= str_repeat('x', 1_000);
    Hoard::$recent = array_slice([...Hoard::$recent, str_repeat('y', random_int(1, 100))], -10);
    $cycle = new stdClass();
    $cycle->self = $cycle;
    return $db->query('SELECT ? AS n', [$n]);
});

return $app;
