<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Exception\ServerFailed;

/**
 * Where a fleet's master is asked for its status and told to reload: a Unix socket whose name holds the application's
 * folder, as a hash, and the address that the server listens on.
 *
 *     $XDG_RUNTIME_DIR/lyger/3f2a9c0d51e7b846-127.0.0.1-8000.sock
 *     /tmp/lyger-1000/3f2a9c0d51e7b846-127.0.0.1-8000.sock       where XDG_RUNTIME_DIR is none of this user's
 *
 * What always holds: the folder is this user's and closed to others, or it isn't used.
 */
final class ControlSocket
{
    /** A reload waits for the one before it, and each is given up after a minute at the latest. */
    private const ANSWER_SECONDS_MAX = 180;
    private const CONNECT_SECONDS_MAX = 5.0;
    /** A master that is not stopped answers this at once, at the latest when its front has not. */
    private const STATUS_SECONDS_MAX = 10;

    /**
     * Makes the folder.
     *
     * @return string the path for a server of this application, with `{port}` in place of its port
     * @throws ServerFailed when there is no folder that is safe
     */
    public static function path(string $app, string $host): string
    {
        $folder = self::folders()[0];
        if (!is_dir($folder) && !@mkdir($folder, 0700) && !is_dir($folder)) {
            throw new ServerFailed("$folder cannot be made");
        }
        if (!self::isSafe($folder)) {
            throw new ServerFailed("$folder is not a folder that only this user can enter");
        }
        return "$folder/" . self::hash($app) . "-$host-{port}.sock";
    }

    /**
     * Connections to the servers that run.
     *
     * @param string|null $app of this application only
     * @return list<resource>
     */
    public static function connect(?string $app, ?string $host = null, ?int $port = null): array
    {
        $servers = [];
        foreach (array_filter(self::folders(), self::isSafe(...)) as $folder) {
            foreach (scandir($folder) ?: [] as $name) {
                $isWanted = preg_match('/^([0-9a-f]{16})-(.+)-(\d+)\.sock$/D', $name, $match) === 1
                    && ($app === null || $match[1] === self::hash($app))
                    && ($host === null || $match[2] === $host)
                    && ($port === null || (int) $match[3] === $port);
                if (!$isWanted) {
                    continue;
                }
                // Of one that was killed nothing but the name is left.
                $socket = @stream_socket_client("unix://$folder/$name", $code, $error, self::CONNECT_SECONDS_MAX);
                if ($socket !== false) {
                    $servers[] = $socket;
                }
            }
        }
        return $servers;
    }

    /**
     * Asks a server, once.
     *
     * @param resource $server
     * @return array<string, mixed>
     * @throws ServerFailed when it ends, or is too busy to answer
     */
    public static function ask(mixed $server, string $question): array
    {
        stream_set_timeout($server, $question === 'status' ? self::STATUS_SECONDS_MAX : self::ANSWER_SECONDS_MAX);
        @fwrite($server, "$question\n"); // who has gone doesn't answer
        $answer = json_decode((string) @stream_get_contents($server), true);
        fclose($server);
        return is_array($answer) ? $answer : throw new ServerFailed('the server has ended, or answers nobody');
    }

    private static function hash(string $app): string
    {
        return substr(hash('sha256', self::absolute($app)), 0, 16);
    }

    /** The folder as it was named. Symbolic links stay: where one names the release that serves, it names the server too. */
    public static function absolute(string $folder): string
    {
        $parts = [];
        foreach (explode('/', str_starts_with($folder, '/') ? $folder : getcwd() . "/$folder") as $part) {
            if ($part === '..') {
                array_pop($parts);
            } elseif ($part !== '' && $part !== '.') {
                $parts[] = $part;
            }
        }
        return '/' . implode('/', $parts);
    }

    /** @return list<string> the one to use first */
    private static function folders(): array
    {
        $user = self::user();
        $folders = [sys_get_temp_dir() . "/lyger-$user"];
        $own = getenv('XDG_RUNTIME_DIR');
        if (is_string($own) && str_starts_with($own, '/') && @fileowner($own) === $user) {
            array_unshift($folders, rtrim($own, '/') . '/lyger');
        }
        return $folders;
    }

    private static function isSafe(string $folder): bool
    {
        clearstatcache(true, $folder);
        $found = @lstat($folder);
        // A folder, and not a link to one: 0040000, and nothing for others.
        return $found !== false && $found['uid'] === self::user() && ($found['mode'] & 0170077) === 0040000;
    }

    private static function user(): int
    {
        $user = function_exists('posix_geteuid') ? posix_geteuid() : @fileowner('/proc/self');
        return $user !== false ? $user : throw new ServerFailed('neither ext-posix nor /proc says which user this is');
    }
}
