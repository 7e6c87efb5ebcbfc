<?php

declare(strict_types=1);

namespace Lyger;

/**
 * PSR-4 in ten lines, for a checkout or an application without Composer.
 *
 *     ClassLoader::register('Shop\\', __DIR__ . '/src');
 */
final class ClassLoader
{
    public static function register(string $namespace, string $folder): void
    {
        spl_autoload_register(static function (string $class) use ($namespace, $folder): void {
            if (!str_starts_with($class, $namespace)) {
                return;
            }
            $file = $folder . '/' . strtr(substr($class, strlen($namespace)), '\\', '/') . '.php';
            if (is_file($file)) {
                require $file;
            }
        });
    }
}
