<?php

declare(strict_types=1);

use Lyger\ClassLoader;

require __DIR__ . '/../autoload.php';

ClassLoader::register('Lyger\\Tests\\', __DIR__);

// Debian packages no PSR-15 interfaces; with Composer they are real.
if (!interface_exists(Psr\Http\Server\MiddlewareInterface::class)) {
    require __DIR__ . '/Support/psr15.php';
}
