<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Application;
use Lyger\Server\Lifeline;
use Throwable;

/** Finds an application's folder and boots it. */
final class AppLoader
{
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

    /** @throws BootFailed */
    public function load(string $folder): Application
    {
        $file = rtrim($folder, '/') . '/bootstrap.php';
        if (!is_file($file)) {
            throw BootFailed::missing($folder);
        }
        $booted = false;
        // Some errors (a class declared twice) and exit() cannot be caught: they end the process, but as a failed boot.
        register_shutdown_function(static function () use (&$booted, $file): void {
            if (!$booted) {
                if (((error_get_last()['type'] ?? 0) & Lifeline::FATAL) === 0) {
                    fwrite(STDERR, "$file has called exit() instead of returning an application\n");
                }
                exit(ExitCode::BOOT_FAILED);
            }
        });
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
        } finally {
            $booted = true;
        }
    }
}
