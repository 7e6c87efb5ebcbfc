<?php

/**
 * The shop: what is built once, before the first request. Try it with
 *
 *     php database/create.php
 *     php rawr serve
 */

declare(strict_types=1);

use Lyger\Application;
use Lyger\ClassLoader;
use Lyger\Database\Db;
use Shop\SimilarProducts;

ClassLoader::register('Shop\\', __DIR__ . '/src');

$app = Application::create(__DIR__);

// postgres:// and mysql:// work as well.
$dsn = getenv('SHOP_DSN') ?: 'sqlite:' . __DIR__ . '/database/shop.sqlite';
$app->container()->singleton(Db::class, static fn (): Db => Db::connect($dsn));
$app->container()->singleton(SimilarProducts::class);

return $app->routes(__DIR__ . '/routes.php');
