<?php

declare(strict_types=1);

namespace Lyger\Console;

use Closure;
use Lyger\Application;
use Lyger\Server\Lifeline;
use Throwable;

/** Finds an application's folder and boots it. */
final class AppLoader
{
    /** Of what an application prints while it loads, so much is worth repeating. */
    private const PRINTED_BYTES_MAX = 16_384;

    /** @param string|null $home the folder of the `rawr` that was called, where that is an application's */
    public function __construct(private readonly ?string $home)
    {
    }

    /** --app, else the application whose rawr was called, else the working directory's, else the example. */
    public function folder(?string $given): string
    {
        if ($given !== null) {
            return $given;
        }
        $working = (string) getcwd();
        return $this->home ?? (is_file("$working/bootstrap.php") ? $working : dirname(__DIR__, 2) . '/skeleton');
    }

    /**
     * @param Closure(string): void|null $failed is told why it fails, with what the application had printed, also when
     *     PHP ends over it
     * @throws BootFailed
     */
    public function load(string $folder, ?Closure $failed = null): Application
    {
        $file = rtrim($folder, '/') . '/bootstrap.php';
        $printed = '';
        $tell = static function (string $why) use (&$printed, $failed): void {
            if ($failed !== null) {
                $failed(ltrim("$printed\n$why"));
            }
        };
        $level = ob_get_level();
        if ($failed !== null) {
            // Seen as it passes.
            ob_start(static function (string $bytes) use (&$printed): string {
                $printed .= strlen($printed) < self::PRINTED_BYTES_MAX ? $bytes : '';
                return $bytes;
            }, 1);
        }
        $booted = false;
        // Some errors (a class declared twice) and exit() cannot be caught: they end the process, but as a failed boot.
        register_shutdown_function(static function () use (&$booted, $file, $tell): void {
            if (!$booted) {
                $error = error_get_last();
                if ((($error['type'] ?? 0) & Lifeline::FATAL) === 0) {
                    $why = "$file has called exit() instead of returning an application";
                    fwrite(STDERR, "$why\n");
                    $tell($why);
                } else {
                    $tell("$file fails: {$error['message']} ({$error['file']}:{$error['line']})");
                }
                exit(ExitCode::BOOT_FAILED);
            }
        });
        try {
            return $this->boot($folder, $file);
        } catch (BootFailed $why) {
            $tell($why->getMessage());
            throw $why;
        } finally {
            $booted = true;
            while (ob_get_level() > $level) {
                ob_end_flush();
            }
        }
    }

    private function boot(string $folder, string $file): Application
    {
        if (!is_file($file)) {
            throw BootFailed::missing($folder);
        }
        try {
            $app = (static fn (): mixed => require $file)();
            if (!$app instanceof Application) {
                throw BootFailed::noApplication($file);
            }
            $app->router()->compile();
            return $app;
        } catch (BootFailed $failed) {
            throw $failed;
        } catch (Throwable $cause) {
            throw BootFailed::because($file, $cause);
        }
    }
}
