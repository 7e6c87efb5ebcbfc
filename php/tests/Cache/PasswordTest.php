<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Closure;
use Lyger\Cache\Fallback\RedisCache;
use Lyger\Cache\Store;
use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Exception\LygerException;
use Lyger\Tests\Support\RedisServer;
use PHPUnit\Framework\TestCase;
use Throwable;

/** The password of a DSN, which nothing shows that somebody may print. */
final class PasswordTest extends TestCase
{
    private const SECRET = 'correct-horse';

    private RedisServer $server;
    private string|false $ignoresArgs = false;

    protected function setUp(): void
    {
        if (!RedisServer::isThere() || !Engine::getInstance()->isNative() && !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server is installed, and without the library ext-redis');
        }
        $this->server = new RedisServer();
        $this->ignoresArgs = ini_set('zend.exception_ignore_args', '0');
    }

    protected function tearDown(): void
    {
        if ($this->ignoresArgs !== false) {
            ini_set('zend.exception_ignore_args', $this->ignoresArgs);
        }
        unset($this->server);
    }

    public function test_stores_and_the_engine_show_no_password(): void
    {
        exec('redis-cli -s ' . escapeshellarg($this->server->socket) . ' config set requirepass ' . self::SECRET);
        $dsn = 'redis://:' . self::SECRET . "@{$this->server->socket}";
        $store = Store::open($dsn);
        $store->set('key', 'value');
        self::assertSame('value', $store->get('key'));
        $config = Config::resolve(['cache.dsn' => $dsn]);
        self::assertSame($dsn, $config->text('cache.dsn'));
        $shown = [self::shown($store), self::shown(Engine::getInstance()), self::shown($config)];
        $shown[] = var_export($store, true);
        $shown[] = var_export($config, true);
        if (extension_loaded('redis')) {
            $driver = RedisCache::open($dsn);
            self::assertSame('value', $driver->find('key'));
            $shown[] = self::shown($driver) . var_export($driver, true) . print_r((array) $driver, true);
        }
        foreach ($shown as $text) {
            self::assertStringContainsString('Lyger', $text);
            self::assertStringNotContainsString(self::SECRET, $text);
        }
    }

    public function test_exceptions_show_no_password(): void
    {
        $socket = $this->server->socket;
        $secret = self::SECRET;
        $dsns = [
            "redis://eve:$secret@$socket", "redis://:$secret@$socket", "redis://:$secret@/nowhere/socket",
            "redis://:$secret@127.0.0.1:1", "redis://:$secret@h/$secret", "redis://u:$secret@h:$secret",
            "redis://$secret@h", "redis://h?timeout_ms=$secret", "redis://h?prefix=%zz$secret",
            "redis+unix://$secret/x", "redis://[$secret]", "redis://h?{$secret}x=1", "redis-cluster://:$secret@h/1",
        ];
        $ways = [static fn (string $dsn) => Store::open($dsn)->get('key')];
        if (extension_loaded('redis')) {
            $ways[] = static fn (string $dsn) => RedisCache::open($dsn)->find('key');
        }
        foreach ($ways as $way) {
            foreach ($dsns as $dsn) {
                self::assertHidden(self::failure($way, $dsn), $dsn);
            }
        }
    }

    private static function assertHidden(Throwable $failure, string $dsn): void
    {
        for ($at = $failure; $at !== null; $at = $at->getPrevious()) {
            self::assertStringNotContainsString(self::SECRET, $at->getMessage(), $dsn);
            foreach ($at->getTrace() as $frame) {
                // The test's own have it, as a program's would.
                if (!str_starts_with($frame['class'] ?? '', 'Lyger\\Tests')) {
                    $arguments = print_r(array_map(self::plain(...), $frame['args'] ?? []), true);
                    self::assertStringNotContainsString(self::SECRET, $arguments, "$dsn: {$frame['function']}()");
                }
                if (str_starts_with($frame['class'] ?? '', 'PHPUnit')) {
                    break;
                }
            }
        }
    }

    /** PHPUnit's own objects hold everything. */
    private static function plain(mixed $argument): mixed
    {
        return is_object($argument) ? $argument::class : $argument;
    }

    private static function shown(mixed $value): string
    {
        ob_start();
        var_dump($value);
        return ob_get_clean() . print_r($value, true);
    }

    private static function failure(Closure $way, string $dsn): LygerException
    {
        try {
            $way($dsn);
        } catch (LygerException $failure) {
            return $failure;
        }
        self::fail('it was done');
    }
}
