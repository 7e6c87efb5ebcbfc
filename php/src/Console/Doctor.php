<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Core\Engine;
use Lyger\Core\Library;
use Lyger\Exception\LygerException;

/** Looks at this installation: what the engine is, and what keeps it from being native. */
final class Doctor
{
    /** @return list<Check> */
    public function checks(): array
    {
        return [
            new Check('php', PHP_VERSION_ID >= 80100, PHP_VERSION . ' ' . PHP_SAPI, 'Lyger needs PHP 8.1 or later'),
            $this->ffi(),
            $this->opcache(),
            $this->library(),
            ...$this->engine(),
            new Check(
                'pcntl',
                extension_loaded('pcntl'),
                extension_loaded('pcntl') ? 'loaded' : 'missing',
                'without ext-pcntl a server in pure PHP dies of SIGTERM instead of draining',
            ),
        ];
    }

    private function ffi(): Check
    {
        if (!extension_loaded('ffi')) {
            return new Check('ffi', false, 'ext-ffi is not loaded', 'install it (Debian: it is part of php-common) '
                . 'and enable it: extension=ffi');
        }
        $enable = (string) ini_get('ffi.enable');
        $preload = (string) ini_get('ffi.preload');
        return new Check(
            'ffi',
            true,
            "loaded, ffi.enable=$enable" . ($preload === '' ? '' : ", ffi.preload=$preload")
                . ($preload === '' ? ' (php-fpm needs ffi.preload and opcache.preload: rawr help doctor)' : ''),
        );
    }

    private function opcache(): Check
    {
        $on = filter_var(ini_get('opcache.enable_cli'), FILTER_VALIDATE_BOOL);
        return new Check(
            'opcache',
            true,
            $on ? 'on' : 'off on the command line (quicker: php -d opcache.enable_cli=1 rawr serve)',
        );
    }

    private function library(): Check
    {
        $hint = 'build it (make build), or name it: LYGER_LIBRARY=/path/to/liblyger.so';
        try {
            return new Check('library', true, (new Library())->path());
        } catch (LygerException $exception) {
            return new Check('library', false, $exception->getMessage(), $hint);
        }
    }

    /** @return list<Check> */
    private function engine(): array
    {
        try {
            $engine = Engine::getInstance();
            $info = json_decode($engine->systemInfo(), true);
        } catch (LygerException $exception) {
            return [new Check('engine', false, $exception->getMessage(), 'LYGER_ENGINE=auto falls back to pure PHP')];
        }
        $reason = $engine->fallbackReason();
        return [
            new Check(
                'engine',
                $engine->isNative(),
                $engine->isNative() ? "native, version {$info['version']}" : "pure PHP: $reason",
                'everything works, but slower, one request at a time',
            ),
            new Check('abi', true, "{$info['abi']}, this package speaks " . Library::ABI_VERSION),
            new Check('kernels', true, (string) $info['kernels']),
            new Check('cpu', true, (string) $info['cpu']),
            ...$this->databases($engine->isNative()),
        ];
    }

    /** @return list<Check> */
    private function databases(bool $isNative): array
    {
        $checks = [];
        foreach (['sqlite' => 'pdo_sqlite', 'postgres' => 'pdo_pgsql', 'mysql' => 'mysqli'] as $name => $extension) {
            $loaded = extension_loaded($extension);
            $checks[] = $isNative
                ? new Check($name, true, 'in the engine')
                : new Check($name, $loaded, $loaded ? "ext-$extension" : 'no driver', "install ext-$extension");
        }
        return $checks;
    }
}
