<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Closure;
use Lyger\Cache\Condition;
use Lyger\Cache\Driver;
use Lyger\Cache\Expiry;
use Lyger\Cache\Sessions;
use Lyger\Exception\CacheFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\NotANumber;
use Lyger\Exception\Timeout;
use Lyger\Exception\WrongProcess;
use Redis;
use RedisException;
use SensitiveParameter;
use Throwable;

/**
 * A Redis by ext-redis, for pure PHP: with the names of rust/cache/remote, so that both may use the same server.
 *
 * What is decided by what is there is watched, and written in a transaction, which the server refuses after a change.
 *
 * @internal
 */
final class RedisCache implements Driver
{
    /** How often a transaction is tried that others have come before. */
    private const ATTEMPTS_MAX = 100;
    /** A lock is its last token, which is kept for so long after it: as in rust/cache/remote/lock.rs. */
    private const TOKEN_MS = 86_400_000;
    private const SCAN_KEYS = 500;
    /** What changes nothing, so that it may be asked again on another connection. */
    private const REPEATABLE = [
        'GET', 'MGET', 'EXISTS', 'PTTL', 'GETRANGE', 'SCAN', 'DBSIZE', 'TIME', 'PEXPIRETIME', 'WATCH', 'MULTI',
    ];

    private ?Redis $redis = null;
    private int $pid = 0;
    private bool $isAmid = false;

    private function __construct(private readonly RedisDsn $dsn)
    {
    }

    public static function open(#[SensitiveParameter] string $dsn): self
    {
        return new self(RedisDsn::parse($dsn));
    }

    public function find(string $key): ?string
    {
        return self::found($this->ask('GET', $this->name($key)));
    }

    public function put(string $key, string $value, int $ttlMs): void
    {
        $this->ask('SET', $this->name($key), $value, ...($ttlMs === 0 ? [] : ['PX', $ttlMs]));
    }

    public function set(string $key, string $value, Condition $condition, Expiry $expiry): bool
    {
        $options = [...self::words($condition), ...self::options($expiry)];
        return (bool) $this->ask('SET', $this->name($key), $value, ...$options);
    }

    public function swap(string $key, string $value, Condition $condition, Expiry $expiry): array
    {
        $options = [...self::words($condition), ...self::options($expiry)];
        $old = self::found($this->ask('SET', $this->name($key), $value, 'GET', ...$options));
        return [$condition->holds($old !== null), $old];
    }

    public function compareAndSet(string $key, string $expected, string $value): bool
    {
        $name = $this->name($key);
        return $this->decide([$name], function () use ($name, $expected, $value): ?array {
            $is = self::found($this->ask('GET', $name)) === $expected;
            return $is ? [['SET', $name, $value, 'KEEPTTL']] : null;
        }) !== null;
    }

    public function delete(string $key): bool
    {
        return $this->ask('DEL', $this->name($key)) === 1;
    }

    public function exists(string $key): bool
    {
        return $this->ask('EXISTS', $this->name($key)) === 1;
    }

    public function ttl(string $key): int
    {
        return (int) $this->ask('PTTL', $this->name($key));
    }

    public function expire(string $key, Expiry $expiry): bool
    {
        $name = $this->name($key);
        return match ($expiry->kind) {
            Expiry::NEVER => $this->ask('PERSIST', $name) === 1 || $this->exists($key),
            Expiry::AFTER => $this->ask('PEXPIRE', $name, $expiry->ms) === 1,
            Expiry::AT => $this->ask('PEXPIREAT', $name, $expiry->ms) === 1,
            Expiry::KEEP => $this->exists($key),
        };
    }

    public function increment(string $key, int $by): int
    {
        return (int) $this->ask('INCRBY', $this->name($key), $by);
    }

    public function incrementFloat(string $key, float $by): float
    {
        if (!is_finite($by)) {
            throw new NotANumber('increment would produce NaN or Infinity');
        }
        return (float) $this->ask('INCRBYFLOAT', $this->name($key), Counting::text($by));
    }

    public function append(string $key, string $bytes): int
    {
        return (int) $this->ask('APPEND', $this->name($key), $bytes);
    }

    public function range(string $key, int $first, int $last): string
    {
        return (string) $this->ask('GETRANGE', $this->name($key), $first, $last);
    }

    public function writeAt(string $key, int $offset, string $bytes): int
    {
        return (int) $this->ask('SETRANGE', $this->name($key), $offset, $bytes);
    }

    public function take(string $key): ?string
    {
        return self::found($this->ask('GETDEL', $this->name($key)));
    }

    public function touch(string $key, Expiry $expiry): ?string
    {
        $options = $expiry->kind === Expiry::NEVER ? ['PERSIST'] : self::options($expiry);
        if ($options === ['KEEPTTL']) {
            return $this->find($key);
        }
        if ($expiry->isPast()) {
            return $this->take($key); // GETEX takes no time that is over
        }
        return self::found($this->ask('GETEX', $this->name($key), ...$options));
    }

    public function getMany(array $keys): array
    {
        $names = array_map($this->name(...), $keys);
        return $names === [] ? [] : array_map(self::found(...), $this->ask('MGET', ...$names));
    }

    public function setMany(array $pairs, bool $ifMissing, Expiry $expiry): bool
    {
        if ($pairs === []) {
            return true;
        }
        $names = array_map(fn (array $pair): string => $this->name($pair[0]), $pairs);
        return $this->decide($names, function () use ($names, $pairs, $ifMissing, $expiry): ?array {
            if ($ifMissing && $this->ask('EXISTS', ...$names) !== 0) {
                return null;
            }
            $set = static fn (string $name, array $pair): array => ['SET', $name, $pair[1], ...self::options($expiry)];
            return array_map($set, $names, $pairs);
        }) !== null;
    }

    public function deleteMany(array $keys): int
    {
        return $keys === [] ? 0 : (int) $this->ask('DEL', ...array_map($this->name(...), $keys));
    }

    public function scan(int $cursor, int $count): array
    {
        [$next, $names] = $this->names($cursor, $count);
        $values = array_filter($names, fn (string $name): bool => !$this->dsn->names()->isBeside($name));
        return [$next, array_values(array_map($this->dsn->names()->key(...), $values))];
    }

    public function size(): int
    {
        if ($this->dsn->names()->pattern() === '*') {
            return (int) $this->ask('DBSIZE');
        }
        $count = 0;
        for ($cursor = 0, $first = true; $first || $cursor !== 0; $first = false) {
            [$cursor, $keys] = $this->scan($cursor, self::SCAN_KEYS);
            $count += count($keys);
        }
        return $count;
    }

    public function clear(): void
    {
        if ($this->dsn->names()->pattern() === '*') {
            // The database is the cache's own, with its locks and counters.
            $this->ask('FLUSHDB', 'ASYNC');
            return;
        }
        for ($cursor = 0, $first = true; $first || $cursor !== 0; $first = false) {
            [$cursor, $keys] = $this->scan($cursor, self::SCAN_KEYS);
            $this->deleteMany($keys);
        }
    }

    public function stats(): array
    {
        return ['keys' => $this->size()];
    }

    public function lock(string $name, int $ttlMs): ?int
    {
        return $this->takeLock($this->dsn->names()->beside('lock', $name), $ttlMs);
    }

    public function unlock(string $name, int $token): bool
    {
        $lock = $this->dsn->names()->beside('lock', $name);
        return $this->ifHeld($lock, $token, [self::givingBack($lock)]);
    }

    public function extendLock(string $name, int $token, int $ttlMs): bool
    {
        $lock = $this->dsn->names()->beside('lock', $name);
        return $this->ifHeld($lock, $token, [['PEXPIRE', $lock, $ttlMs + self::TOKEN_MS]]);
    }

    public function lockHolder(string $name): ?int
    {
        $lock = $this->dsn->names()->beside('lock', $name);
        // Only the time of one and the same token changes: where it is there before and after, the time is its own.
        do {
            [$token, $isHeld] = $this->lastToken($lock);
        } while ($isHeld && self::found($this->ask('GET', $lock)) !== (string) $token);
        return $isHeld ? $token : null;
    }

    public function countRate(string $name, int $windowMs): array
    {
        $counter = $this->dsn->names()->beside('rate', $name);
        [, $count, $leftMs] = $this->together([
            ['SET', $counter, '0', 'PX', $windowMs, 'NX'],
            ['INCR', $counter],
            ['PTTL', $counter],
        ]);
        // By this machine's clock, with which it is compared: the server's may be another.
        return [$count, Expiry::now() + $leftMs];
    }

    public function readRate(string $name): array
    {
        $counter = $this->dsn->names()->beside('rate', $name);
        [$count, $leftMs] = $this->together([['GET', $counter], ['PTTL', $counter]]);
        return $count === false ? [0, 0] : [(int) $count, Expiry::now() + $leftMs];
    }

    public function resetRate(string $name): void
    {
        $this->ask('DEL', $this->dsn->names()->beside('rate', $name));
    }

    public function takeOff(string $key, int $patienceMs): array
    {
        $value = $this->find($key);
        if ($value !== null) {
            return [$value, 0];
        }
        $landed = null;
        $look = function () use ($key, &$landed): bool {
            // Somebody may have landed between the two looks.
            $landed = $this->find($key);
            return $landed === null;
        };
        $token = $this->takeLock($this->dsn->names()->beside('flight', $key), $patienceMs, $look, [$this->name($key)]);
        return [$landed, (int) $token];
    }

    public function land(string $key, int $token, string $value, Expiry $expiry): bool
    {
        $flight = $this->dsn->names()->beside('flight', $key);
        // What somebody has put meanwhile may know more.
        $set = ['SET', $this->name($key), $value, ...self::options($expiry), 'NX'];
        return $this->ifHeld($flight, $token, [$set, self::givingBack($flight)]);
    }

    public function abandon(string $key, int $token): void
    {
        $flight = $this->dsn->names()->beside('flight', $key);
        $this->ifHeld($flight, $token, [self::givingBack($flight)]);
    }

    public function sessions(): Sessions
    {
        return new RedisSessions($this->dsn->names(), $this->ask(...), $this->decide(...));
    }

    /**
     * @param Closure(): bool|null $look whether it is still wanted, under watch
     * @param list<string> $watched
     */
    private function takeLock(string $lock, int $ttlMs, ?Closure $look = null, array $watched = []): ?int
    {
        $token = null;
        $this->decide([$lock, ...$watched], function () use ($lock, $ttlMs, $look, &$token): ?array {
            [$last, $isHeld] = $this->lastToken($lock);
            $token = null;
            if ($isHeld || $look !== null && !$look()) {
                return null;
            }
            // As there: the server's time, and more than the last one.
            [$seconds, $micros] = $this->ask('TIME');
            $token = max((int) $seconds * 1_000_000 + (int) $micros, $last + 1);
            return [['SET', $lock, $token, 'PX', $ttlMs + self::TOKEN_MS]];
        });
        return $token;
    }

    /** @return array{int, bool} the last one, and whether it still has the lock */
    private function lastToken(string $lock): array
    {
        $token = self::found($this->ask('GET', $lock));
        $leftMs = $this->ask('PTTL', $lock);
        return [(int) $token, $token !== null && ($leftMs === self::STAYS || $leftMs > self::TOKEN_MS)];
    }

    /** @return list<string|int> */
    private static function givingBack(string $lock): array
    {
        return ['PEXPIRE', $lock, self::TOKEN_MS];
    }

    /** @param list<list<string|int>> $then */
    private function ifHeld(string $lock, int $token, array $then): bool
    {
        $decide = fn (): ?array => $this->lastToken($lock) === [$token, true] ? $then : null;
        return $this->decide([$lock], $decide) !== null;
    }

    /**
     * Does what $decide says, if none of these names has changed since it looked.
     *
     * @param list<string> $names
     * @param Closure(): (list<list<string|int>>|null) $decide null for nothing
     * @return list<mixed>|null
     */
    private function decide(array $names, Closure $decide): ?array
    {
        for ($attempt = 0; $attempt < self::ATTEMPTS_MAX; $attempt++) {
            $isWanted = true;
            $done = $this->after(['WATCH', ...$names], function () use ($decide, &$isWanted): ?array {
                $commands = $decide();
                $isWanted = $commands !== null;
                $this->ask($isWanted ? 'MULTI' : 'UNWATCH');
                return $commands === null ? null : $this->carriedOut($commands);
            });
            if ($done !== null || !$isWanted) {
                return $done;
            }
        }
        throw CacheFailed::because('others kept changing the key, ' . self::ATTEMPTS_MAX . ' times in a row');
    }

    /**
     * @param list<list<string|int>> $commands
     * @return list<mixed>
     */
    private function together(array $commands): array
    {
        return $this->after(['MULTI'], fn (): ?array => $this->carriedOut($commands))
            ?? throw CacheFailed::because('it carries out no transaction');
    }

    /**
     * @param list<list<string|int>> $commands that follow a MULTI
     * @return list<mixed>|null null where a watched name has changed
     */
    private function carriedOut(array $commands): ?array
    {
        foreach ($commands as $command) {
            $this->ask(...$command);
        }
        $done = $this->ask('EXEC');
        // Nothing done is an empty list to ext-redis.
        return is_array($done) && count($done) === count($commands) ? $done : null;
    }

    /**
     * What is watched and queued is the connection's. So amid it there is no other one, and after a failure it is
     * closed: what is asked next would be queued behind the rest.
     *
     * @param non-empty-list<string> $begin
     * @param Closure(): ?array $work
     */
    private function after(array $begin, Closure $work): ?array
    {
        $this->ask(...$begin);
        $this->isAmid = true;
        $this->redis?->setOption(Redis::OPT_MAX_RETRIES, 0);
        try {
            return $work();
        } catch (Throwable $failure) {
            $this->redis = null;
            throw $failure;
        } finally {
            $this->isAmid = false;
            $this->redis?->setOption(Redis::OPT_MAX_RETRIES, RedisDsn::RETRIES);
        }
    }

    /** @return array{int, list<string>} */
    private function names(int $cursor, int $count): array
    {
        [$next, $names] = $this->ask('SCAN', $cursor, 'MATCH', $this->dsn->names()->pattern(), 'COUNT', max(1, $count));
        return [(int) $next, $names];
    }

    private function ask(string $command, string|int ...$arguments): mixed
    {
        $mayRepeat = in_array($command, self::REPEATABLE, true);
        for ($isFirst = true;; $isFirst = false) {
            $redis = $this->redis();
            $since = hrtime(true);
            try {
                $redis->clearLastError();
                $answer = RedisError::quietly(static fn () => $redis->rawCommand($command, ...$arguments));
                $error = $redis->getLastError();
                return $error === null ? $answer : throw RedisError::of($error, $this->dsn->server());
            } catch (RedisException $exception) {
                // It throws some of the server's errors, and returns others.
                if (RedisError::isServers($exception->getMessage())) {
                    throw RedisError::of($exception->getMessage(), $this->dsn->server());
                }
                $this->redis = null;
                $failure = RedisError::ofConnection($exception, $this->dsn, $since, $mayRepeat);
                if (!$mayRepeat || $this->isAmid || !$isFirst || $failure instanceof Timeout) {
                    throw $failure;
                }
            }
        }
    }

    private function redis(): Redis
    {
        if ($this->redis !== null && $this->pid !== getmypid()) {
            throw new WrongProcess('a connection to a cache belongs to the process that made it');
        }
        $this->pid = (int) getmypid();
        return $this->redis ??= $this->dsn->connect();
    }

    private function name(string $key): string
    {
        return $this->dsn->names()->name($key) ?? throw InvalidArgument::because(
            "a key can't begin with \\0lyger: those are the locks' and counters'",
        );
    }

    private static function found(mixed $answer): ?string
    {
        return is_string($answer) ? $answer : null;
    }

    /** @return list<string> */
    private static function words(Condition $condition): array
    {
        return match ($condition) {
            Condition::Always => [],
            Condition::Missing => ['NX'],
            Condition::Present => ['XX'],
        };
    }

    /** @return list<string|int> */
    private static function options(Expiry $expiry): array
    {
        return match ($expiry->kind) {
            Expiry::NEVER => [],
            // Redis takes no time of 0, but one long ago.
            Expiry::AFTER => $expiry->ms > 0 ? ['PX', $expiry->ms] : ['PXAT', 1],
            Expiry::AT => ['PXAT', max(1, $expiry->ms)],
            Expiry::KEEP => ['KEEPTTL'],
        };
    }
}
