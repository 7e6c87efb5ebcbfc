<?php

declare(strict_types=1);

namespace Lyger\Cache;

use DateInterval;
use Generator;
use Lyger\Core\Engine;
use Lyger\Exception\CacheValueUnreadable;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidCacheKey;
use Lyger\Exception\LygerException;
use Lyger\Exception\Timeout;
use Psr\SimpleCache\CacheInterface;
use SensitiveParameter;

/**
 * A cache: PSR-16, and what else one is for. All workers of `rawr serve` share the default one, and a `redis://` DSN
 * stands for one that several machines share.
 *
 *     $cache = Store::default();
 *     $page = $cache->remember('front-page', 60, fn () => render());
 *
 * Keys are PSR-16's: not '' and without {}()/\@: ; anyKeys() takes any bytes. Names of locks and rates are any bytes,
 * and none of them is a key's. Times to live are seconds, also parts of them, or a DateInterval; null is for ever, and
 * what is not positive removes. docs/cache.md says how values look to Redis's clients.
 */
final class Store implements CacheInterface
{
    /** What PSR-16 and PSR-6 reserve. */
    private const RESERVED = '{}()/\\@:';
    private const KEY_BYTES_MAX = 65_536;
    /** Of a key that is refused, this much is shown. */
    private const SHOWN_BYTES_MAX = 80;
    /** How many keys scan() asks for at once. */
    private const SCAN_KEYS = 500;
    /** Whoever waits in remember() does so for this many who make the value, one after the other. */
    private const MAKERS_MAX = 2;

    private Codec $codec;
    private bool $anyKeys = false;

    private function __construct(private readonly Driver $driver)
    {
        $this->codec = new Codec(Codec::CLASSES, extension_loaded('igbinary'));
    }

    /** The one that the setting cache.dsn names; if it names none, the process's own, which a fleet's workers share. */
    public static function default(): self
    {
        return new self(Engine::getInstance()->cache(null));
    }

    /** @param string $dsn redis://..., as docs/cache.md has them, or '' for the process's own */
    public static function open(#[SensitiveParameter] string $dsn): self
    {
        return new self(Engine::getInstance()->cache($dsn));
    }

    /**
     * The same with objects of these classes, and with cases of these enums, in its values. True is any class: only
     * where nobody else writes into the cache, since whoever does then runs code here.
     *
     * @param list<class-string>|bool $classes in place of Codec::CLASSES
     */
    public function withAllowedClasses(array|bool $classes): self
    {
        return $this->withCodec(new Codec($classes, extension_loaded('igbinary')));
    }

    /** The same that writes with serialize(), which every PHP reads, also where igbinary is loaded. */
    public function withoutIgbinary(): self
    {
        return $this->withCodec($this->codec->withoutIgbinary());
    }

    /** The same that takes any bytes as a key, such as user:7, which PSR-16 forbids. */
    public function anyKeys(): self
    {
        $store = clone $this;
        $store->anyKeys = true;
        return $store;
    }

    public function get($key, $default = null): mixed
    {
        $bytes = $this->driver->find($this->key($key));
        if ($bytes === null) {
            return $default;
        }
        // Text, as the codec has it: without a call more.
        return ($bytes[0] ?? '') > '9' ? $bytes : $this->decoded($key, $bytes, $default);
    }

    public function set($key, $value, $ttl = null): bool
    {
        $key = $this->key($key);
        $ttlMs = $ttl === null ? 0 : Expiry::ms($ttl);
        if ($ttl !== null && $ttlMs === 0) {
            $this->driver->delete($key);
            return true;
        }
        $this->driver->put($key, $this->codec->encode($value), $ttlMs);
        return true;
    }

    public function delete($key): bool
    {
        $this->driver->delete($this->key($key));
        return true;
    }

    public function clear(): bool
    {
        $this->driver->clear();
        return true;
    }

    public function has($key): bool
    {
        return $this->driver->exists($this->key($key));
    }

    /** All of the same moment. */
    public function getMultiple($keys, $default = null): iterable
    {
        $keys = $this->keys($keys);
        $values = [];
        foreach ($this->driver->getMany($keys) as $at => $bytes) {
            $values[$keys[$at]] = $bytes === null ? $default : $this->decoded($keys[$at], $bytes, $default);
        }
        return $values;
    }

    /** Nobody sees a part of them; those before one that finds no room stay, and it is thrown for. */
    public function setMultiple($values, $ttl = null): bool
    {
        return $this->putMultiple($values, $ttl, false);
    }

    /** As setMultiple(), if none of the keys is there; whether that was so. */
    public function addMultiple(iterable $values, null|int|float|DateInterval $ttl = null): bool
    {
        return $this->putMultiple($values, $ttl, true);
    }

    public function deleteMultiple($keys): bool
    {
        $this->driver->deleteMany($this->keys($keys));
        return true;
    }

    /** Puts a value if the key isn't there; whether that was so. */
    public function add(string $key, mixed $value, null|int|float|DateInterval $ttl = null): bool
    {
        $bytes = $this->codec->encode($value);
        return $this->driver->set($this->key($key), $bytes, Condition::Missing, Expiry::ofTtl($ttl));
    }

    /** Puts a value if the key is there; whether that was so. */
    public function replace(string $key, mixed $value, null|int|float|DateInterval $ttl = null): bool
    {
        $bytes = $this->codec->encode($value);
        return $this->driver->set($this->key($key), $bytes, Condition::Present, Expiry::ofTtl($ttl));
    }

    /** Puts a value that goes when the one before would have. */
    public function update(string $key, mixed $value): void
    {
        $this->driver->set($this->key($key), $this->codec->encode($value), Condition::Always, Expiry::keep());
    }

    /** Puts a value, and gives the one before. */
    public function swap(
        string $key,
        mixed $value,
        null|int|float|DateInterval $ttl = null,
        mixed $default = null,
    ): mixed {
        $bytes = $this->codec->encode($value);
        [, $old] = $this->driver->swap($this->key($key), $bytes, Condition::Always, Expiry::ofTtl($ttl));
        return $old === null ? $default : $this->codec->decode($old);
    }

    /** Gives a value, and forgets it. */
    public function pull(string $key, mixed $default = null): mixed
    {
        $bytes = $this->driver->take($this->key($key));
        return $bytes === null ? $default : $this->codec->decode($bytes);
    }

    /** Gives a value, and has it stay for so long from now on. */
    public function touch(string $key, null|int|float|DateInterval $ttl, mixed $default = null): mixed
    {
        $bytes = $this->driver->touch($this->key($key), Expiry::ofTtl($ttl));
        return $bytes === null ? $default : $this->codec->decode($bytes);
    }

    /** Puts a value in place of $expected and of nothing else; whether it was there, byte for byte. The expiry stays. */
    public function compareAndSet(string $key, mixed $expected, mixed $value): bool
    {
        return $this->driver->compareAndSet(
            $this->key($key),
            $this->codec->encode($expected),
            $this->codec->encode($value),
        );
    }

    /** Has a value stay for so long from now on; whether there is one. */
    public function expire(string $key, null|int|float|DateInterval $ttl): bool
    {
        return $this->driver->expire($this->key($key), Expiry::ofTtl($ttl));
    }

    /** Has a value stay until it is evicted; whether there is one. */
    public function persist(string $key): bool
    {
        return $this->driver->expire($this->key($key), Expiry::never());
    }

    /** How many seconds a value stays: INF without an expiry, null where there is none. */
    public function ttl(string $key): ?float
    {
        $ms = $this->driver->ttl($this->key($key));
        return match ($ms) {
            Driver::MISSING => null,
            Driver::STAYS => INF,
            default => $ms / 1_000,
        };
    }

    /** Adds to an integer, which is 0 where there is none, and gives the sum. The expiry stays. */
    public function increment(string $key, int $by = 1): int
    {
        return $this->driver->increment($this->key($key), $by);
    }

    public function decrement(string $key, int $by = 1): int
    {
        $by !== PHP_INT_MIN
            || throw InvalidArgument::because('nothing is taken off by the smallest integer, which has no opposite');
        return $this->driver->increment($this->key($key), -$by);
    }

    /** Adds to a number, which is 0 where there is none, and gives the sum. The expiry stays. */
    public function incrementFloat(string $key, float $by): float
    {
        return $this->driver->incrementFloat($this->key($key), $by);
    }

    /** Adds bytes at a string's end, and says how long it is then. */
    public function append(string $key, string $bytes): int
    {
        return $this->driver->append($this->key($key), $bytes);
    }

    /** Bytes of a string, up to $last and with it; negative numbers count from the end. */
    public function getRange(string $key, int $first, int $last): string
    {
        return $this->driver->range($this->key($key), $first, $last);
    }

    /** Writes bytes into a string, with zeros in a gap, and says how long it is then. */
    public function setRange(string $key, int $offset, string $bytes): int
    {
        $offset >= 0 || throw InvalidArgument::because("an offset is at least 0, and not $offset", (string) $offset);
        return $this->driver->writeAt($this->key($key), $offset, $bytes);
    }

    /**
     * A value, which is made where there is none: by one process, while all others that ask for it wait.
     *
     * An exception of $make is the caller's, and lets another make it, as exit() does. So does the maker's death, in a
     * fleet at once and elsewhere after $patience. What is there and can't be read is made anew.
     *
     * @template T
     * @param callable(): T $make
     * @param float $patience seconds that whoever makes it has it alone; others wait for two such makers
     * @return T
     * @throws Timeout where it is still being made then
     */
    public function remember(
        string $key,
        null|int|float|DateInterval $ttl,
        callable $make,
        float $patience = 10.0,
    ): mixed {
        $key = $this->key($key);
        $bytes = $this->driver->find($key);
        if ($bytes !== null) {
            $found = $this->decoded($key, $bytes, $this->codec);
            if ($found !== $this->codec) {
                return $found;
            }
            // Nobody who makes it would land where something is.
            $this->driver->delete($key);
        }
        $patienceMs = Expiry::ms($patience);
        $patienceMs > 0 || throw InvalidArgument::because('nobody makes anything without patience', (string) $patience);
        $waiting = new Waiting(self::MAKERS_MAX * $patienceMs);
        do {
            [$bytes, $token] = $this->driver->takeOff($key, $patienceMs);
            if ($bytes !== null) {
                return $this->codec->decode($bytes);
            }
            if ($token !== 0) {
                $making = new Making($this->driver, $key, $token);
                $value = $make();
                $making->land($this->codec->encode($value), Expiry::ofTtl($ttl));
                return $value;
            }
        } while ($waiting->pause());
        throw Timeout::after('what somebody else makes for the cache', self::MAKERS_MAX * $patienceMs);
    }

    /**
     * Takes a lock for some time, which ends sooner by release() or with the object. Null where somebody else has it.
     * **Outside of a fleet, and without a Redis as cache.dsn, locks hold within one process only.**
     *
     * @param float $wait seconds to wait until it is free
     */
    public function lock(string $name, int|float|DateInterval $ttl, float $wait = 0.0): ?Lock
    {
        $ttlMs = Expiry::ms($ttl);
        $ttlMs > 0 || throw InvalidArgument::because('a lock is for some time');
        [$name, $waiting] = [Name::of($name), new Waiting(Expiry::ms($wait))];
        do {
            $token = $this->driver->lock($name, $ttlMs);
            if ($token !== null) {
                return new Lock($this->driver, $name, $token, $ttlMs);
            }
        } while ($waiting->pause());
        return null;
    }

    /** The token of who has a lock. */
    public function lockHolder(string $name): ?int
    {
        return $this->driver->lockHolder(Name::of($name));
    }

    /**
     * Counts one more time of something that may happen $max times within $window seconds, which begin with the first.
     *
     *     $limit = $cache->rateLimit("login:$address", 5, 60);
     *     if (!$limit->isAllowed()) { return Response::text('', 429)->withHeader('Retry-After', ...); }
     */
    public function rateLimit(string $name, int $max, int|float|DateInterval $window): RateLimit
    {
        $windowMs = Expiry::ms($window);
        $windowMs > 0 || throw InvalidArgument::because('a rate is of some time');
        return new RateLimit($max, ...$this->driver->countRate(Name::of($name), $windowMs));
    }

    /** What rateLimit() said last, without counting. */
    public function readRate(string $name, int $max): RateLimit
    {
        return new RateLimit($max, ...$this->driver->readRate(Name::of($name)));
    }

    public function resetRate(string $name): void
    {
        $this->driver->resetRate(Name::of($name));
    }

    /** @internal SessionHandler is what a program uses. */
    public function sessions(): Sessions
    {
        return $this->driver->sessions();
    }

    /**
     * The keys, while others come and go: each that is there throughout is given, perhaps twice.
     *
     * @return Generator<int, string>
     */
    public function scan(string $prefix = ''): Generator
    {
        $cursor = 0;
        do {
            [$cursor, $keys] = $this->driver->scan($cursor, self::SCAN_KEYS);
            foreach ($keys as $key) {
                if (str_starts_with($key, $prefix)) {
                    yield $key;
                }
            }
        } while ($cursor !== 0);
    }

    /** How many keys there are, with those that have expired and that nobody has met since. */
    public function size(): int
    {
        return $this->driver->size();
    }

    /** @return array<string, int> keys, bytes, bytes_max, hits, misses, evictions, ... */
    public function stats(): array
    {
        return $this->driver->stats();
    }

    /** @internal The bytes under a key that is checked, for LocalCache. */
    public function find(string $key): ?string
    {
        return $this->driver->find($key);
    }

    /**
     * @internal
     * @param list<string> $keys that are checked
     * @return list<?string>
     */
    public function findMultiple(array $keys): array
    {
        return $keys === [] ? [] : $this->driver->getMany($keys);
    }

    /** @internal */
    public function codec(): Codec
    {
        return $this->codec;
    }

    /**
     * @internal
     * @throws InvalidCacheKey
     */
    public function key(mixed $key): string
    {
        if (
            \is_string($key)
            && ($this->anyKeys || $key !== '' && \strpbrk($key, self::RESERVED) === false)
            && \strlen($key) <= self::KEY_BYTES_MAX
        ) {
            return $key;
        }
        if (!\is_string($key)) {
            throw InvalidCacheKey::because('a key is a string, and not ' . get_debug_type($key));
        }
        $shown = substr($key, 0, self::SHOWN_BYTES_MAX);
        throw match (true) {
            strlen($key) > self::KEY_BYTES_MAX => InvalidCacheKey::because(
                'a key has at most ' . self::KEY_BYTES_MAX . ' bytes, and not ' . strlen($key),
                $shown,
            ),
            $key === '' => InvalidCacheKey::because('a key has at least one character', $shown),
            default => InvalidCacheKey::because(
                "PSR-16 reserves the characters {}()/\\@: of the key $shown; Store::anyKeys() takes it",
                $shown,
            ),
        };
    }

    /** @return list<string> each once */
    private function keys(mixed $keys): array
    {
        is_iterable($keys) || throw InvalidCacheKey::because('keys are iterable, and not ' . get_debug_type($keys));
        $checked = [];
        foreach ($keys as $key) {
            $checked[] = $this->key($key);
        }
        return array_values(array_unique($checked, SORT_STRING));
    }

    private function putMultiple(mixed $values, null|int|float|DateInterval $ttl, bool $ifMissing): bool
    {
        is_iterable($values)
            || throw InvalidCacheKey::because('values are iterable, and not ' . get_debug_type($values));
        $pairs = [];
        foreach ($values as $key => $value) {
            // An array makes integers of keys that are written as one.
            $pairs[] = [$this->key(is_int($key) ? (string) $key : $key), $this->codec->encode($value)];
        }
        return $this->driver->setMany($pairs, $ifMissing, Expiry::ofTtl($ttl));
    }

    /**
     * A value for who has found its bytes; $otherwise where they can't be read, as PSR-16 has it.
     *
     * @internal
     */
    public function decoded(string $key, string $bytes, mixed $otherwise): mixed
    {
        try {
            return $this->codec->decode($bytes);
        } catch (CacheValueUnreadable $unreadable) {
            Unreadable::tell($key, $unreadable);
            return $otherwise;
        }
    }

    private function withCodec(Codec $codec): self
    {
        $store = clone $this;
        $store->codec = $codec;
        return $store;
    }
}
