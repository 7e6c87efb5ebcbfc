<?php

declare(strict_types=1);

namespace Lyger\Tests\Console;

use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;

/** rawr serve --leaks */
final class LeaksTest extends TestCase
{
    private const EVERY = 10;

    private ?ServerProcess $server = null;

    protected function tearDown(): void
    {
        $this->server?->stop();
    }

    /** @dataProvider leaks */
    public function test_what_leaks_is_named_with_how_much_it_grew(string $path, string $name, string $growth): void
    {
        $said = $this->said($path, 41);
        // After the warm-up each of three looks, and the sum at the end, name it.
        self::assertSame(4, preg_match_all("~^  \\Q$name\\E.*$~m", $said, $rows), $said);
        self::assertStringContainsString("($growth", end($rows[0]), $said);
    }

    public function leaks(): array
    {
        $hoard = 'Lyger\Tests\Apps\Hoard';
        return [
            ['/static-property', "$hoard::\$all ", '+90)'],
            ['/static-string', "$hoard::\$text ", '+29 kB)'],
            ['/static-variable', 'remember() static $remembered ', '+30)'],
            ['/method-variable', "$hoard::keep() static \$kept ", '+29 kB)'],
            ['/closure-variable', 'the closure at ', '+30)'],
            ['/service', "{$hoard}->objects ", '+30)'],
            ['/service', 'objects of stdClass ', '+30)'],
            ['/collection', "{$hoard}->attached ", '+30)'],
            ['/global', "\$GLOBALS['pile'] ", '+60)'],
            ['/stream', 'resources of type stream (such as /', '+30)'],
            ['/stream', 'open descriptors (such as /', '+30)'],
            ['/exit', "$hoard::\$all ", '+60)'],
        ];
    }

    public function test_nothing_is_named_where_nothing_leaks(): void
    {
        $said = $this->said('/calm/%d', 71);
        self::assertSame(7, substr_count($said, 'nothing has grown with every 10 requests'), $said);
        self::assertStringNotContainsString('grown with every 10 requests  ', $said);
        self::assertStringContainsString('the end, after 71 requests; after 70 requests memory is', $said);
    }

    public function test_an_end_within_the_warm_up_says_so(): void
    {
        self::assertStringContainsString('the end, after 3 requests; the warm-up takes 10', $this->said('/calm/1', 3));
    }

    public function test_a_wrong_number_is_refused(): void
    {
        $rawr = PHP_BINARY . ' ' . dirname(__DIR__, 2) . '/bin/rawr serve --port=0';
        foreach (['0', '-1', 'many', '99999999999'] as $number) {
            exec("$rawr --leaks=$number 2>&1", $lines, $code);
            self::assertSame(2, $code);
            self::assertStringContainsString('--leaks: a number of requests from 1', end($lines));
        }
    }

    /** What the server wrote to standard error from its start to its end, with so many requests between. */
    private function said(string $path, int $requests): string
    {
        $flags = ['--workers=1', '--leaks=' . self::EVERY];
        $this->server = ServerProcess::rawr($flags, [], 'leaks');
        for ($number = 0; $number < $requests; $number++) {
            self::assertSame(200, $this->server->ask('GET', sprintf($path, $number))->status);
        }
        $this->server->signal(SIGTERM);
        self::assertSame(0, $this->server->wait(), $this->server->errors());
        return $this->server->errors();
    }
}
