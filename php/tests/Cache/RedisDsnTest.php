<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\Fallback\RedisDsn;
use Lyger\Exception\InvalidDsn;
use PHPUnit\Framework\TestCase;

/** What pure PHP reads a DSN as; InteropTest has the engine read the same ones. */
final class RedisDsnTest extends TestCase
{
    /** By DSN what its error says; null where it is none. */
    public const DSNS = [
        'redis://h' => null,
        'redis://h/3' => null,
        'redis://h:7000/4294967295' => null,
        'redis://ada:p%40ss@h?prefix=shop%3A&timeout_ms=50&connections_max=2&connect_timeout_ms=3600000' => null,
        'redis://:pw@h' => null,
        'redis://:@h' => null,
        'redis://:p@w@h' => null,
        'redis://[::1]' => null,
        'redis://[::1]:+7000' => null,
        'redis://h/?&prefix={a}b' => null,
        'redis://h?prefix=a+b%2B:' => null,
        'redis+unix:///run/redis.sock?db=2' => null,
        'redis://:pw@/run/redis.sock?db=+2' => null,
        'rediss://h?insecure=yes' => null,
        'rediss://h?insecure=no&ca=/etc/ca.pem' => null,
        'secret' => 'it begins with one of',
        'http://secret@h' => 'its scheme',
        'redis://' => 'a host is missing',
        'redis:///2' => 'a host is missing',
        'rediss:///run/secret' => 'a host is missing',
        'redis://a,b' => 'one host',
        'redis://a,,b' => 'a host is missing',
        'redis://u:secret/x@h:1' => 'port',
        'redis://h:0' => 'port',
        'redis://h:65536' => 'port',
        'redis://h:' => 'port',
        'redis://:se?cret@h' => '`@` behind',
        'redis://:123?secret@h' => '`@` behind',
        'redis://:secret#@h' => '`#`',
        "redis://:secret\n@h" => '`#`',
        'redis://:secret%4@h' => 'percent',
        'redis://:secret%ff@h' => 'percent',
        'redis://secret@h' => 'no password',
        'redis://secret:@h' => 'no password',
        'redis://h/secret' => 'database',
        'redis://h/4294967296' => 'database',
        'redis://h/-1' => 'database',
        'redis://h/2/' => 'database',
        'redis://h?secret1=2' => 'no option',
        'redis://h?Timeout=2' => 'stands what is no option',
        'redis://h?timeout=2' => 'no option `timeout`',
        'redis://h?=2' => 'no option ``',
        'redis://h?timeout_ms' => 'from 1 to',
        'redis://h?timeout_ms=0' => 'from 1 to',
        'redis://h?timeout_ms=3600001' => 'from 1 to',
        'redis://h?timeout_ms=1.5' => 'from 1 to',
        'redis://h?connect_timeout_ms=1s' => 'from 1 to',
        'redis://h?connections_max=secret' => 'from 1 to',
        'redis://h?connections_max=10001' => 'from 1 to',
        'redis://h?prefix=' => 'no value',
        'redis://h?prefix={a' => 'hash tag',
        'redis://h?prefix={}a' => 'hash tag',
        'redis://h?prefix=}a{b' => 'hash tag',
        'redis://h?prefix=a%00' => 'NUL',
        'redis://h?prefix=%zz' => 'percent',
        'redis://h?ca=/x' => 'rediss://',
        'redis://h?insecure=yes' => 'rediss://',
        'redis://h?db=2' => 'in the path',
        'rediss://h?db=2' => 'in the path',
        'redis://h?sentinel_user=x' => 'redis-sentinel',
        'rediss://h?insecure=secret' => 'yes or no',
        'rediss://h?ca=' => 'no value',
        'redis+unix://h/x' => 'no host',
        'redis+unix://' => 'path is missing',
        'redis+unix:///s?db=x' => 'database',
        'redis://[secret]' => 'no IPv6',
        'redis://[::1' => 'no `]`',
        'redis://[::1]secret' => 'no port',
    ];

    protected function setUp(): void
    {
        if (!extension_loaded('redis')) {
            self::markTestSkipped('runs where ext-redis is loaded');
        }
    }

    public function test_what_is_wrong_is_said_and_no_password_with_it(): void
    {
        foreach (self::DSNS as $dsn => $reason) {
            try {
                RedisDsn::parse($dsn);
                self::assertNull($reason, $dsn);
            } catch (InvalidDsn $exception) {
                $message = $exception->getMessage();
                self::assertNotNull($reason, "$dsn: $message");
                self::assertStringStartsWith("the cache's DSN is wrong: ", $message, $dsn);
                self::assertStringContainsString($reason, $message, $dsn);
                self::assertStringNotContainsString('secret', $message, $dsn);
                self::assertStringNotContainsString('cret@', $message, $dsn);
            }
        }
    }

    public function test_what_is_encoded_in_a_prefix_is_read_as_the_engine_reads_it(): void
    {
        $names = RedisDsn::parse('redis://h?prefix=a+b%2B:%5b')->names();
        self::assertSame('a b+:[key', $names->name('key'));
        self::assertSame('a b+:\\[*', $names->pattern());
    }

    public function test_clusters_and_sentinels_need_the_engine(): void
    {
        $this->expectException(InvalidDsn::class);
        $this->expectExceptionMessage('redis-cluster:// needs the native engine');
        RedisDsn::parse('redis-cluster://a,b');
    }
}
