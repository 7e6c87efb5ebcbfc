<?php

declare(strict_types=1);

namespace Lyger\Server;

use Locale;

// What PHP knows when it compiles costs less with each request.
use function chdir;
use function date_default_timezone_get;
use function date_default_timezone_set;
use function error_clear_last;
use function error_reporting;
use function fileinode;
use function ini_get;
use function libxml_clear_errors;
use function libxml_use_internal_errors;
use function mb_internal_encoding;
use function restore_error_handler;
use function restore_exception_handler;
use function set_error_handler;
use function set_exception_handler;
use function setlocale;
use function umask;

/**
 * PHP's own state as the application's boot left it, put back after each request: what FPM does by starting anew.
 *
 * A handler that touched none of it costs the comparisons only, below a microsecond. So the settings that are looked at
 * are those whose change does harm. All of them, the environment and the seed of mt_rand() are put back after a
 * request that had a session or the superglobals filled (Lyger\Middleware\Superglobals): such code expects it.
 *
 * What PHP lets nobody put back is not here: constants, classes, static properties, registered shutdown functions.
 */
final class Baseline
{
    /** What a handler commonly changes and another would suffer from. */
    private const SETTINGS = [
        'memory_limit', 'max_execution_time', 'display_errors', 'include_path', 'precision', 'serialize_precision',
    ];
    /** Handlers can be set upon each other; nobody sets so many, and restoring must end. */
    private const STACKED_MAX = 64;

    /** @var array<string, string> by name */
    private readonly array $settings;
    private readonly string $locale;
    private readonly string $language;
    private readonly string $zone;
    private readonly string $folder;
    private readonly int|false $inode;
    private readonly int $mask;
    private readonly int $level;
    private readonly string $encoding;
    private readonly bool $xmlErrors;
    private readonly mixed $errorHandler;
    private readonly mixed $exceptionHandler;
    /** @var array<string, mixed> */
    private readonly array $server;
    /** @var array<string, mixed> */
    private readonly array $env;
    /** @var array<string, string> */
    private readonly array $environment;
    /** @var array<string, string|null> */
    private readonly array $allSettings;
    private readonly bool $hasMb;
    private readonly bool $hasIntl;
    private readonly bool $hasXml;

    private function __construct()
    {
        $this->hasMb = extension_loaded('mbstring');
        $this->hasIntl = extension_loaded('intl');
        $this->hasXml = extension_loaded('libxml');
        $settings = [];
        foreach (self::SETTINGS as $name) {
            $settings[$name] = (string) ini_get($name);
        }
        $this->settings = $settings;
        $this->allSettings = ini_get_all(null, false) ?: [];
        $this->locale = (string) setlocale(LC_ALL, '0');
        $this->language = $this->hasIntl ? Locale::getDefault() : '';
        $this->zone = date_default_timezone_get();
        $this->folder = (string) getcwd();
        $this->inode = fileinode('.');
        $this->mask = umask();
        $this->level = error_reporting();
        $this->encoding = $this->hasMb ? (string) mb_internal_encoding() : '';
        $this->xmlErrors = $this->hasXml && libxml_use_internal_errors();
        $this->errorHandler = self::errorHandler();
        $this->exceptionHandler = self::exceptionHandler();
        [$this->server, $this->env, $this->environment] = [$_SERVER, $_ENV, getenv()];
    }

    /** As it is now. */
    public static function now(): self
    {
        return new self();
    }

    /**
     * Puts back what has changed since now().
     *
     * @param bool $all also what is too much to look at after each request
     */
    public function restore(bool $all = false): void
    {
        if (self::errorHandler() !== $this->errorHandler) {
            $this->restoreErrorHandler();
        }
        if (self::exceptionHandler() !== $this->exceptionHandler) {
            $this->restoreExceptionHandler();
        }
        if (
            $_GET !== [] || $_POST !== [] || $_COOKIE !== [] || $_FILES !== [] || $_REQUEST !== []
            || $_SERVER !== $this->server || $_ENV !== $this->env
        ) {
            $this->emptySuperglobals();
            $all = true;
        }
        if ($all) {
            $this->restoreAll();
        }
        foreach ($this->settings as $name => $value) {
            if (ini_get($name) !== $value) {
                self::set($name, $value);
            }
        }
        if (error_reporting() !== $this->level) {
            error_reporting($this->level);
        }
        if (date_default_timezone_get() !== $this->zone) {
            date_default_timezone_set($this->zone);
        }
        if (setlocale(LC_ALL, '0') !== $this->locale) {
            setlocale(LC_ALL, $this->locale);
        }
        if ($this->hasIntl && Locale::getDefault() !== $this->language) {
            Locale::setDefault($this->language);
        }
        if ($this->hasMb && mb_internal_encoding() !== $this->encoding) {
            mb_internal_encoding($this->encoding);
        }
        if ($this->hasXml) {
            libxml_use_internal_errors($this->xmlErrors);
            if ($this->xmlErrors) {
                libxml_clear_errors();
            }
        }
        if (umask() !== $this->mask) {
            umask($this->mask);
        }
        // PHP remembers this until chdir() or until another file is asked about: mostly it costs no call of the system.
        if (fileinode('.') !== $this->inode) {
            chdir($this->folder);
        }
        error_clear_last();
    }

    /** Whether restore() would find something to put back: what others would see that run now. */
    public function isChanged(): bool
    {
        foreach ($this->settings as $name => $value) {
            if (ini_get($name) !== $value) {
                return true;
            }
        }
        return Session::isOpen() || Session::isChanged()
            || $_GET !== [] || $_POST !== [] || $_COOKIE !== [] || $_FILES !== [] || $_REQUEST !== []
            || $_SERVER !== $this->server || $_ENV !== $this->env
            || self::errorHandler() !== $this->errorHandler
            || self::exceptionHandler() !== $this->exceptionHandler
            || error_reporting() !== $this->level
            || date_default_timezone_get() !== $this->zone
            || setlocale(LC_ALL, '0') !== $this->locale
            || ($this->hasIntl && Locale::getDefault() !== $this->language)
            || ($this->hasMb && mb_internal_encoding() !== $this->encoding)
            || ($this->hasXml && libxml_use_internal_errors() !== $this->xmlErrors)
            || umask() !== $this->mask
            || fileinode('.') !== $this->inode;
    }

    private static function errorHandler(): mixed
    {
        $handler = set_error_handler(null);
        restore_error_handler();
        return $handler;
    }

    private static function exceptionHandler(): mixed
    {
        $handler = set_exception_handler(null);
        restore_exception_handler();
        return $handler;
    }

    private function restoreErrorHandler(): void
    {
        for ($depth = 0; $depth < self::STACKED_MAX; $depth++) {
            restore_error_handler();
            if (self::errorHandler() === $this->errorHandler) {
                return;
            }
        }
        // The handler took away more than it had set.
        set_error_handler($this->errorHandler);
    }

    private function restoreExceptionHandler(): void
    {
        for ($depth = 0; $depth < self::STACKED_MAX; $depth++) {
            restore_exception_handler();
            if (self::exceptionHandler() === $this->exceptionHandler) {
                return;
            }
        }
        set_exception_handler($this->exceptionHandler);
    }

    private function emptySuperglobals(): void
    {
        $_GET = $_POST = $_COOKIE = $_FILES = $_REQUEST = [];
        $_SERVER = $this->server;
        $_ENV = $this->env;
    }

    private function restoreAll(): void
    {
        // The same numbers for everybody who comes after mt_srand(1): FPM seeds anew for each request as well.
        mt_srand();
        foreach (array_diff_assoc(ini_get_all(null, false) ?: [], $this->allSettings) as $name => $_) {
            self::set($name, (string) $this->allSettings[$name]);
        }
        $environment = getenv();
        if ($environment !== $this->environment) {
            foreach (array_diff_key($environment, $this->environment) as $name => $_) {
                putenv((string) $name);
            }
            foreach ($this->environment as $name => $value) {
                putenv("$name=$value");
            }
        }
    }

    private static function set(string $name, string $value): void
    {
        // Some settings refuse to be set to what they were from the start.
        ini_restore($name);
        if (ini_get($name) !== $value) {
            @ini_set($name, $value);
        }
    }
}
