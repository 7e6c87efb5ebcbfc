<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;
use Lyger\Config\Rule;
use Lyger\Core\Engine;

/** How an application is served, and which settings that can't honour. */
enum Shape
{
    /** A master, a front and workers. */
    case Fleet;
    /** The native front and PHP in one process. */
    case Solo;
    /** Pure PHP, one process. */
    case Php;

    private const ONE_PROCESS = [
        'workers' => 'but one process serves: more need the native engine on Linux',
        'concurrency' => 'but one process serves, one request at a time: more need the native engine on Linux',
        'requests_per_worker_max' => 'but one process serves, which nobody would replace',
        'memory_per_worker_bytes_max' => 'but one process serves, which nobody would replace',
        'watch' => 'but one process serves, which cannot load code anew',
    ];

    private const PURE_PHP = [
        'front' => 'but pure PHP serves with a front of its own',
        'queue_max' => 'but pure PHP has no queue: who waits, waits in the system\'s backlog',
        'queue_timeout_ms' => 'but in pure PHP nothing looks after who waits while a handler runs',
        'half_close_timeout_ms' => 'but in pure PHP nothing looks after who waits while a handler runs',
        'request_timeout_ms' => 'but in pure PHP nothing ends a handler',
        'vector.threads' => 'but pure PHP has one thread',
        'resp.listen' => 'but pure PHP has no server for Redis clients',
        'idle_timeout_ms' => 'but pure PHP closes a connection after each answer',
    ];

    /** Values that ask for nothing. */
    private const NONE = [
        'workers' => 1,
        'concurrency' => 1,
        'vector.threads' => 1,
        'requests_per_worker_max' => 0,
        'memory_per_worker_bytes_max' => 0,
        'watch' => false,
        'resp.listen' => '',
    ];

    /** That of `rawr serve` here. */
    public static function of(Engine $engine): self
    {
        return match (true) {
            !$engine->isNative() => self::Php,
            Fleet::isPossible() => self::Fleet,
            default => self::Solo,
        };
    }

    /** @return array<string, string> by key what to tell whoever has set it */
    public function unhonoured(Config $config): array
    {
        $reasons = match ($this) {
            self::Fleet => [],
            self::Solo => self::ONE_PROCESS,
            self::Php => self::ONE_PROCESS + self::PURE_PHP,
        };
        if ($config->text('resp.listen') === '') {
            $ofRedis = preg_grep('/^resp\.(?!listen$)/', array_keys(Config::KEYS));
            $reasons += array_fill_keys($ofRedis, 'but without resp.listen no Redis clients are served');
        }
        if ($config->text('session.store') !== 'cache') {
            $ofSessions = preg_grep('/^session\.(?!store$)/', array_keys(Config::KEYS));
            $reasons += array_fill_keys($ofSessions, 'but without session.store = cache sessions are php.ini\'s');
        }
        $told = [];
        foreach ($reasons as $key => $reason) {
            $setting = $config->settings()[$key];
            if ($setting->isAsked() && $setting->value !== (self::NONE[$key] ?? null)) {
                $place = $setting->place === '' ? '' : "{$setting->place}: ";
                $value = Rule::of($key)->isSecret() ? 'set' : $setting->withoutSecret()->text();
                $told[$key] = "$place$key is $value, $reason";
            }
        }
        return $told;
    }
}
