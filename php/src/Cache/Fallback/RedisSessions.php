<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Closure;
use Lyger\Cache\Sessions;
use SensitiveParameter;

/**
 * Sessions on a Redis by ext-redis: as rust/cache/remote/session.rs has them, so that both may use the same server.
 *
 * @internal
 */
final class RedisSessions implements Sessions
{
    /** PHP and JSON have numbers up to here exactly. */
    private const TOKEN_MAX = (1 << 53) - 1;

    /**
     * @param Closure(string, string|int...): mixed $ask
     * @param Closure(list<string>, Closure(): (list<list<string|int>>|null)): (list<mixed>|null) $decide
     */
    public function __construct(
        private readonly RedisNames $names,
        private readonly Closure $ask,
        private readonly Closure $decide,
    ) {
    }

    public function open(#[SensitiveParameter] string $id, int $ttlMs): ?int
    {
        $token = random_int(1, self::TOKEN_MAX);
        $set = ['SET', $this->opened($id), (string) $token, 'PX', max(1, $ttlMs), 'NX'];
        return ($this->ask)(...$set) ? $token : null;
    }

    public function close(#[SensitiveParameter] string $id, int $token): bool
    {
        return $this->ifOpen($id, $token, ['DEL', $this->opened($id)]);
    }

    public function read(#[SensitiveParameter] string $id): ?string
    {
        $data = ($this->ask)('GET', $this->session($id));
        return is_string($data) ? $data : null;
    }

    public function write(
        #[SensitiveParameter] string $id,
        int $token,
        #[SensitiveParameter] string $data,
        int $ttlMs,
    ): bool {
        $set = ['SET', $this->session($id), $data, 'PX', max(1, $ttlMs)];
        return $token === 0 ? (bool) ($this->ask)(...$set) : $this->ifOpen($id, $token, $set);
    }

    public function touch(#[SensitiveParameter] string $id, int $ttlMs): bool
    {
        return ($this->ask)('PEXPIRE', $this->session($id), max(1, $ttlMs)) === 1;
    }

    public function destroy(#[SensitiveParameter] string $id): bool
    {
        // In this order: what is written by the token that is gone comes to nothing.
        ($this->ask)('DEL', $this->opened($id));
        return ($this->ask)('DEL', $this->session($id)) === 1;
    }

    /** @param list<string|int> $then */
    private function ifOpen(string $id, int $token, array $then): bool
    {
        $opened = $this->opened($id);
        $decide = fn (): ?array => ($this->ask)('GET', $opened) === (string) $token ? [$then] : null;
        return ($this->decide)([$opened], $decide) !== null;
    }

    private function session(string $id): string
    {
        return $this->names->beside('session', $id);
    }

    private function opened(string $id): string
    {
        return $this->names->beside('opened', $id);
    }
}
