<?php

/**
 * For opcache.preload in php-fpm: the classes that call the native library.
 *
 * With ffi.enable=preload, which is PHP's default, only preloaded code may use FFI. So three settings belong together:
 *
 *     ffi.enable = preload
 *     ffi.preload = /etc/php/lyger.h        ; php rawr doctor --preload > /etc/php/lyger.h
 *     opcache.preload = .../php/preload.php  ; and opcache.preload_user, where FPM starts as root
 *
 * Nothing else is preloaded: a class in here stays as it is until FPM restarts, whatever happens to its file.
 */

declare(strict_types=1);

require_once __DIR__ . '/autoload.php';

foreach (['Core', 'Core/Native'] as $folder) {
    foreach (glob(__DIR__ . "/src/$folder/*.php") ?: [] as $file) {
        // Through the autoloader, so that the classes which one needs come with it.
        class_exists('Lyger\\' . strtr($folder, '/', '\\') . '\\' . basename($file, '.php'));
    }
}
