<?php

// The same application in the solo shape: one process, the front on threads of its own.

declare(strict_types=1);

use Lyger\Console\AppLoader;
use Lyger\Core\Engine;

require __DIR__ . '/../../php/autoload.php';

$app = (new AppLoader(null))->load(__DIR__ . '/app');
Engine::getInstance()->startServer($app->handle(...), (int) $argv[1]);
