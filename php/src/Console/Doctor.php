<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Core\Engine;
use Lyger\Core\Library;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\LygerException;

/** Looks at this installation: what the engine is, and what keeps it from being native. */
final class Doctor
{
    private bool $isMisconfigured = false;
    private ?Engine $engine = null;

    /** @return list<Check> */
    public function checks(): array
    {
        return [
            new Check('php', PHP_VERSION_ID >= 80100, PHP_VERSION . ' ' . PHP_SAPI, 'Lyger needs PHP 8.1 or later'),
            $this->ffi(),
            $this->opcache(),
            $this->library(),
            $this->engine(),
            $this->abi(),
            ...$this->parts(),
            new Check(
                'pcntl',
                extension_loaded('pcntl'),
                extension_loaded('pcntl') ? 'loaded' : 'missing',
                'without ext-pcntl a server in pure PHP dies of SIGTERM instead of draining',
            ),
        ];
    }

    /** Whether the environment asks for what cannot be; known after checks(). */
    public function isMisconfigured(): bool
    {
        return $this->isMisconfigured;
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
            $on ? 'on' : 'off on the command line; the workers of rawr serve have it',
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

    private function engine(): Check
    {
        try {
            $this->engine = Engine::getInstance();
        } catch (InvalidConfig $exception) {
            $this->isMisconfigured = true;
            return new Check('engine', false, $exception->getMessage(), 'correct the variable, or unset it');
        } catch (LygerException $exception) {
            return new Check('engine', false, $exception->getMessage(), 'LYGER_ENGINE=auto falls back to pure PHP');
        }
        $isNative = $this->engine->isNative();
        return new Check(
            'engine',
            $isNative,
            $isNative ? 'native, version ' . $this->info('version') : "pure PHP: {$this->engine->fallbackReason()}",
            'everything works, but slower, one request at a time',
        );
    }

    private function abi(): Check
    {
        $package = Library::ABI_VERSION;
        $library = (new Library())->abiVersion();
        return new Check(
            'abi',
            $library === null || $library === $package,
            ($library === null ? 'no library' : "the library speaks $library") . ", this package $package",
            'install the library of this package\'s version',
        );
    }

    /** @return list<Check> */
    private function parts(): array
    {
        return $this->engine === null ? [] : [
            new Check('kernels', true, $this->info('kernels')),
            new Check('cpu', true, $this->info('cpu')),
            ...$this->databases($this->engine->isNative()),
        ];
    }

    private function info(string $name): string
    {
        $info = json_decode((string) $this->engine?->systemInfo(), true);
        return is_array($info) ? (string) ($info[$name] ?? '') : '';
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
