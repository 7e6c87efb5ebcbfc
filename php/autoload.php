<?php

/**
 * Loads Lyger's classes and its libraries.
 *
 * Composer's autoloader is preferred: the application's when Lyger lies in its vendor folder, else Lyger's own. Where
 * neither exists, the libraries that Debian packages under /usr/share/php serve (FastRoute, Symfony, Nyholm, PSR), so
 * that a checkout runs with nothing but apt. Eloquent and Doctrine, which few use, are loaded when first asked for.
 * Debian has no PSR-15 package: PSR-15 middleware then needs Composer.
 */

declare(strict_types=1);

use Lyger\Application;
use Lyger\ClassLoader;

(static function (): void {
    foreach ([dirname(__DIR__, 3) . '/vendor/autoload.php', __DIR__ . '/vendor/autoload.php'] as $composer) {
        if (is_file($composer)) {
            require_once $composer;
            break;
        }
    }
    // Application, because preload.php doesn't load it: its classes come without anybody who loads the others.
    if (!class_exists(Application::class)) {
        if (!class_exists(ClassLoader::class)) {
            require_once __DIR__ . '/src/ClassLoader.php';
        }
        ClassLoader::register('Lyger\\', __DIR__ . '/src');
    }
    require_once __DIR__ . '/src/functions.php';
    $debian = [
        'FastRoute\\RouteCollector' => 'FastRoute/autoload.php',
        'Psr\\Cache\\CacheItemInterface' => 'Psr/Cache/autoload.php',
        'Psr\\SimpleCache\\CacheInterface' => 'Psr/SimpleCache/autoload.php',
        'Psr\\Container\\ContainerInterface' => 'Psr/Container/autoload.php',
        'Nyholm\\Psr7\\Response' => 'Nyholm/Psr7/autoload.php',
        'Symfony\\Component\\Console\\Application' => 'Symfony/Component/Console/autoload.php',
    ];
    foreach ($debian as $class => $file) {
        if (!class_exists($class) && !interface_exists($class) && is_file("/usr/share/php/$file")) {
            require_once "/usr/share/php/$file";
        }
    }
    $rarely = [
        'Illuminate\\' => 'Illuminate/Database/autoload.php',
        'Doctrine\\DBAL\\' => 'Doctrine/DBAL/autoload.php',
        'Doctrine\\ORM\\' => 'Doctrine/ORM/autoload.php',
    ];
    spl_autoload_register(static function (string $class) use (&$rarely): void {
        foreach ($rarely as $prefix => $file) {
            if (str_starts_with($class, $prefix)) {
                unset($rarely[$prefix]);
                // It registers a loader of its own, which is asked for this class next.
                is_file("/usr/share/php/$file") && require_once "/usr/share/php/$file";
                return;
            }
        }
    });
})();
