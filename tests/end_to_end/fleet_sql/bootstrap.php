<?php

/**
 * What the tests of SQL in a fleet serve. The DSNs come from FLEET_POSTGRES and FLEET_MYSQL; with FLEET_BOOT the
 * application asks the database while it boots.
 */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;

require_once __DIR__ . '/cases.php';

$app = Application::create(__DIR__);
if (getenv('FLEET_BOOT')) {
    $GLOBALS['booted'] = Db::connect((string) getenv('FLEET_POSTGRES'))->query('SELECT 42 AS n');
}

return $app->routes(__DIR__ . '/routes.php');
