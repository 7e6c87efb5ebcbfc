<?php

/** An application whose handlers do what handlers should not, for tests of the server. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;
use Lyger\Tests\Apps\RequestScope;

require_once __DIR__ . '/RequestScope.php';

$app = Application::create(__DIR__);
$app->container()->scoped(RequestScope::class);
$app->container()->singleton(Db::class, static fn (): Db => Db::connect(getenv('TROUBLE_DSN') ?: 'sqlite::memory:'));

return $app->routes(__DIR__ . '/routes.php');
