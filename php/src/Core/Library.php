<?php

declare(strict_types=1);

namespace Lyger\Core;

use FFI;
use Lyger\Exception\AbiMismatch;
use Lyger\Exception\EngineMissing;
use Throwable;

/**
 * Finds the native library and loads it.
 *
 * The first of these that exists: what LYGER_LIBRARY names (and then nothing else); the installed library of this
 * system and architecture, under either of its names; a generic name; the build of the checkout around this package.
 */
final class Library
{
    /** The version of the C boundary that this package is written for. */
    public const ABI_VERSION = 1;
    public const HEADER = __DIR__ . '/lyger.ffi.h';

    private const VERSION_ONLY = 'uint32_t lyger_abi_version(void);';

    private readonly string $root;

    public function __construct(
        ?string $root = null,
        private readonly string $os = PHP_OS_FAMILY,
        private readonly ?string $machine = null,
    ) {
        $this->root = $root ?? dirname(__DIR__, 2);
    }

    /** @throws EngineMissing when there is none */
    public function path(): string
    {
        $named = getenv('LYGER_LIBRARY');
        if ($named !== false && $named !== '') {
            return is_file($named)
                ? (realpath($named) ?: $named)
                : throw new EngineMissing("LYGER_LIBRARY names $named, which does not exist");
        }
        foreach ($this->candidates() as $candidate) {
            if (is_file($candidate)) {
                return $candidate;
            }
        }
        $platform = "{$this->os} {$this->architecture()}";
        throw new EngineMissing("there is no library for $platform in {$this->root}/libraries");
    }

    /** @return list<string> every path that is looked at, in order */
    public function candidates(): array
    {
        $extension = match ($this->os) {
            'Darwin' => 'dylib',
            'Windows' => 'dll',
            default => 'so',
        };
        $folder = "{$this->root}/libraries";
        $candidates = [];
        foreach ($this->platformNames() as $name) {
            $candidates[] = "$folder/libs/$name.$extension";
        }
        foreach ($this->architectureNames() as $name) {
            $candidates[] = "$folder/lyger_{$this->os}_$name.$extension";
        }
        $candidates[] = "$folder/lyger.$extension";
        if ($extension === 'dylib') {
            $candidates[] = "$folder/lyger.so";
        }
        $checkout = dirname($this->root);
        if (is_file("$checkout/Cargo.toml")) {
            $target = getenv('CARGO_TARGET_DIR') ?: "$checkout/target";
            $name = $extension === 'dll' ? 'lyger.dll' : "liblyger.$extension";
            array_push($candidates, "$target/release/$name", "$target/debug/$name");
        }
        return $candidates;
    }

    /** x86_64, arm64, or what the system calls itself. */
    public function architecture(): string
    {
        $machine = strtolower($this->machine ?? php_uname('m'));
        return match ($machine) {
            'x86_64', 'amd64', 'x64' => 'x86_64',
            'aarch64', 'arm64' => 'arm64',
            default => $machine,
        };
    }

    /**
     * Loads the library, and asks for its version before anything else.
     *
     * @throws EngineMissing when PHP cannot load it
     * @throws AbiMismatch when it belongs to another version of this package
     */
    public function load(): FFI
    {
        if (!extension_loaded('ffi')) {
            throw new EngineMissing('ext-ffi is not loaded');
        }
        $preloaded = $this->preloaded();
        if ($preloaded !== null) {
            return self::checked($preloaded, 'the library of ffi.preload');
        }
        $path = $this->path();
        $header = is_file(self::HEADER) ? (string) file_get_contents(self::HEADER) : '';
        if ($header === '') {
            throw new EngineMissing(self::HEADER . ' cannot be read');
        }
        try {
            return self::checked(FFI::cdef($header, $path), $path);
        } catch (FFI\Exception $exception) {
            // An older library lacks functions: say that, and not which one was missed first.
            try {
                self::checked(FFI::cdef(self::VERSION_ONLY, $path), $path);
            } catch (FFI\Exception) {
            }
            throw new EngineMissing("$path cannot be loaded: {$exception->getMessage()}", null, null, $exception);
        }
    }

    /** The version that the library speaks; null when there is none that PHP can load. */
    public function abiVersion(): ?int
    {
        try {
            $ffi = $this->preloaded() ?? FFI::cdef(self::VERSION_ONLY, $this->path());
            return $ffi->lyger_abi_version();
        } catch (Throwable) { // also where FFI is no class
            return null;
        }
    }

    /** The text for a file that ffi.preload names, so that php-fpm may use the engine. */
    public function preloadHeader(): string
    {
        $path = addcslashes($this->path(), '"\\');
        return "#define FFI_SCOPE \"LYGER\"\n#define FFI_LIB \"$path\"\n" . file_get_contents(self::HEADER);
    }

    private function preloaded(): ?FFI
    {
        if ((string) ini_get('ffi.preload') === '') {
            return null;
        }
        try {
            return FFI::scope('LYGER');
        } catch (FFI\Exception) {
            return null; // ffi.preload may serve something else
        }
    }

    private static function checked(FFI $ffi, string $path): FFI
    {
        $version = $ffi->lyger_abi_version();
        return $version === self::ABI_VERSION ? $ffi : throw AbiMismatch::between($version, self::ABI_VERSION, $path);
    }

    /** @return list<string> */
    private function platformNames(): array
    {
        $arm = $this->architecture() === 'arm64';
        $intel = $this->architecture() === 'x86_64';
        return match ($this->os) {
            'Darwin' => $arm ? ['Mac/lyger-MacOS-ARM64'] : ['Mac/lyger-MacOS-Intel'],
            'Windows' => $arm ? ['Win/lyger-Windows-arm64'] : ['Win/lyger-Windows-x64'],
            default => match (true) {
                $intel => ['Linux/lyger-Linux-x64'],
                $arm => ['Linux/lyger-Linux-arm64'],
                default => ["Linux/lyger-Linux-{$this->architecture()}"],
            },
        };
    }

    /** @return list<string> */
    private function architectureNames(): array
    {
        $name = $this->architecture();
        return $name === 'arm64' ? ['arm64', 'aarch64'] : [$name];
    }
}
