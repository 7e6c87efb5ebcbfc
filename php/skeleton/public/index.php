<?php

/** The front controller for php-fpm and `php -S 127.0.0.1:8000 public/index.php`. */

declare(strict_types=1);

$composer = dirname(__DIR__) . '/vendor/autoload.php';
require is_file($composer) ? $composer : dirname(__DIR__, 2) . '/autoload.php';

(require dirname(__DIR__) . '/bootstrap.php')->run();
