<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\Answer;
use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;

/** What one request leaves behind, and what handlers get that ask for PHP's superglobals. */
final class StateTest extends TestCase
{
    /** @var array<string, ServerProcess> by shape */
    private static array $servers = [];
    private static string $folder;

    public static function setUpBeforeClass(): void
    {
        self::$folder = sys_get_temp_dir() . '/lyger-state-' . getmypid();
        mkdir(self::$folder);
    }

    public static function tearDownAfterClass(): void
    {
        array_map(static fn (ServerProcess $server) => $server->stop(), self::$servers);
        self::$servers = [];
        array_map(unlink(...), glob(self::$folder . '/*') ?: []);
        rmdir(self::$folder);
    }

    /** @dataProvider dirty */
    public function test_nothing_that_a_handler_changes_of_php_is_left_for_the_next(string $shape, string $path): void
    {
        $server = self::server($shape);
        $before = $server->ask('GET', '/state')->json();
        self::assertSame('Europe/Rome', $before['zone'], 'what the boot set is there');
        self::assertSame('Closure', $before['handlers'][0]);
        for ($times = 0; $times < 3; $times++) {
            $dirty = $server->ask('GET', $path);
            self::assertContains($dirty->status, [200, 202, 500], $dirty->body);
            self::assertSame($before, $server->ask('GET', '/state')->json());
        }
    }

    public function dirty(): iterable
    {
        foreach (['rawr', 'solo'] as $shape) {
            foreach (['return', 'exit', 'throw', 'greedy', 'quiet'] as $how) {
                yield "$how, $shape" => [$shape, "/dirty/$how"];
                yield "$how with superglobals, $shape" => [$shape, "/with/dirty/$how?user=foreign"];
            }
        }
    }

    public function test_who_asks_for_superglobals_may_change_any_setting_and_the_environment(): void
    {
        $before = self::server()->ask('GET', '/wide-state')->json();
        self::assertSame('widely dirty', self::server()->ask('GET', '/with/wide')->body);
        self::assertSame($before, self::server()->ask('GET', '/wide-state')->json());
    }

    public function test_what_a_handler_seeds_does_not_tell_the_next_ones_numbers(): void
    {
        mt_srand(1);
        $first = mt_rand();
        $second = mt_rand();
        self::assertSame([$first], self::server()->ask('GET', '/with/random')->json());
        self::assertNotSame([$second], self::server()->ask('GET', '/random')->json());
    }

    public function test_who_does_not_ask_sees_no_superglobals(): void
    {
        self::server()->ask('POST', '/with/dump?a=1', ['Cookie' => 'b=2'] + self::form(), 'c=3');
        $answer = self::server()->ask('POST', '/bare?d=4', ['Cookie' => 'e=5'] + self::form(), 'f=6')->json();
        foreach (['get', 'post', 'cookie', 'files', 'request'] as $name) {
            self::assertSame([], $answer[$name], $name);
        }
        self::assertArrayNotHasKey('REQUEST_URI', $answer['server']);
    }

    /** @dataProvider requests */
    public function test_superglobals_are_what_php_makes_of_a_request(
        string $method,
        string $target,
        array $headers,
        string $body,
    ): void {
        $oracle = self::$servers['oracle'] ??= ServerProcess::oracle(dirname(__DIR__) . '/apps/state/oracle.php');
        $ours = self::server()->ask($method, "/with/dump$target", $headers, $body);
        $theirs = $oracle->ask($method, "/with/dump$target", $headers, $body);
        self::assertSame(200, $theirs->status, $theirs->body);
        self::assertSame(self::comparable($theirs), self::comparable($ours));
    }

    public function requests(): iterable
    {
        yield 'a query' => ['GET', '?a=1&b[]=2&b[]=3&c[x][y]=4&d.e=5&f%20g=6&h&=i&j=%C3%BC+%2B', [], ''];
        yield 'a path' => ['GET', '/gr%C3%B6%C3%9Fe/x', [], ''];
        yield 'no query but its mark' => ['GET', '/', ['X-Some-Header' => 'a, b'], ''];
        yield 'cookies' => ['GET', '', [
            'Cookie' => 'a=1; b=x%20y+z;c = 3; d[e]=4; d[f]=5; a=2; novalue; g.h="quoted"; i=j=k',
        ], ''];
        yield 'forged cookies' => ['GET', '', ['Cookie' => '..Host-a=1; __Host-b=2; ._Secure-c=3; _.Host-d=4'], ''];
        yield 'credentials' => ['GET', '', ['Authorization' => 'Basic ' . base64_encode('me:my:secret')], ''];
        yield 'a form' => ['POST', '?a=1&b=2', self::form(), 'b=3&c[]=4&c[]=5&%C3%BC=%00'];
        yield 'a form by PUT' => ['PUT', '?a=1', self::form(), 'b=3'];
        yield 'JSON' => ['POST', '', ['Content-Type' => 'application/json'], '{"a":1}'];
        yield 'a form of a kind that nobody knows' => ['POST', '', ['Content-Type' => 'text/plain'], 'a=1'];
        $parts = [
            'plain' => ['name="a"', '', '1'],
            'brackets' => ['name="b[x][]"', '', '2'],
            'file' => ['name="file"; filename="a photo.jpg"', 'image/jpeg; charset=x', "\xff\xd8\r\n--x\r\n\0"],
            'path' => ['name="path"; filename="C:\\\\folder\\\\b.txt"', 'text/plain', 'b'],
            'unix path' => ['name="dots.and spaces"; filename="folder/c.txt"', 'text/plain', ''],
            'many' => ['name="many[]"; filename="1.txt"', 'text/plain', 'one'],
            'more' => ['name="many[]"; filename="2.txt"', 'text/plain', 'two'],
            'nested' => ['name="n[x][y]"; filename="3.txt"', 'text/plain', 'three'],
            'none' => ['name="none"; filename=""', 'application/octet-stream', ''],
            'untyped' => ['name="untyped"; filename="4"', '', 'four'],
            'unquoted' => ['name=unquoted', '', 'u'],
            'escaped' => ['name="escaped"; filename="a\\"b.txt"', 'text/plain', 'e'],
            'large' => ['name="large"; filename="large"', 'text/plain', str_repeat('x', 3_000_000)],
            'limit' => ['name="MAX_FILE_SIZE"', '', '3'],
            'above the limit' => ['name="above"; filename="above"', 'text/plain', 'four'],
        ];
        yield 'a form with files' => self::multipart($parts);
        foreach ($parts as $name => $part) {
            yield "a form with one part: $name" => self::multipart([$part]);
        }
        [$method, $target, $headers, $body] = self::multipart([['name="a"', '', '1'], ['name="b"', '', '2']]);
        $headers = ['Content-Type' => 'multipart/form-data; charset=utf-8; boundary="a b"'] + $headers;
        yield 'a quoted boundary' => [$method, $target, $headers, strtr($body, ['--boundary' => '--a b'])];
        yield 'a form with nothing in it' => [$method, $target, $headers, '--a b--'];
        yield 'a form without a boundary' => [$method, $target, ['Content-Type' => 'multipart/form-data'], $body];
    }

    /** @dataProvider endings */
    public function test_an_upload_is_gone_after_its_request_unless_it_was_moved(string $how): void
    {
        $server = self::server($how === 'fatal' ? 'fatal' : 'rawr');
        [, , $headers, $body] = self::multipart([['name="file"; filename="a"', 'text/plain', 'content']]);
        $before = glob(sys_get_temp_dir() . '/php*');
        $answer = $server->ask('POST', "/with/upload/$how", $headers, $body);
        if ($how !== 'fatal') {
            [$path, $isFile, $isUploaded] = json_decode($answer->body);
            self::assertSame([true, false], [$isFile, $isUploaded]);
            self::assertFileDoesNotExist($path);
        }
        self::assertSame($how === 'fatal' ? 500 : 200, $answer->status);
        self::assertSame($before, glob(sys_get_temp_dir() . '/php*'));
        if ($how === 'keep') {
            self::assertSame('content', file_get_contents(self::$folder . '/kept'));
        }
    }

    public function endings(): array
    {
        return [['return'], ['exit'], ['keep'], ['fatal']];
    }

    public function test_a_session_is_its_users_and_its_cookie_is_in_the_answer(): void
    {
        $server = self::server();
        $first = $server->ask('GET', '/with/count?user=anna');
        [$user, $count, $id] = $first->json();
        self::assertSame(['anna', 1], [$user, $count]);
        self::assertStringStartsWith("PHPSESSID=$id", (string) $first->header('set-cookie'));
        self::assertStringContainsString('no-store', (string) $first->header('cache-control'));
        $other = $server->ask('GET', '/with/count?user=bert')->json();
        self::assertSame(['bert', 1], [$other[0], $other[1]]);
        self::assertNotSame($id, $other[2]);
        $again = $server->ask('GET', '/with/count?user=carl', ['Cookie' => "PHPSESSID=$id"]);
        self::assertSame(['anna', 2, $id], $again->json());
        self::assertNull($again->header('set-cookie'), 'the client has it already');
        $without = $server->ask('GET', '/with/dump', ['Cookie' => "PHPSESSID=$id"]);
        self::assertNull($without->header('cache-control'), 'this handler has no session');
        self::assertSame('3', $server->ask('GET', '/with/count-and-exit', ['Cookie' => "PHPSESSID=$id"])->body);
        $exited = $server->ask('GET', '/with/count-and-exit');
        self::assertStringStartsWith('PHPSESSID=', (string) $exited->header('set-cookie'));
    }

    /** @dataProvider sessionEndings */
    public function test_a_sessions_lock_is_gone_before_its_answer_comes(string $how): void
    {
        self::server()->ask('GET', "/lock/$how");
        $lock = fopen(self::$folder . "/sess_$how", 'r');
        self::assertTrue(flock($lock, LOCK_EX | LOCK_NB));
        fclose($lock);
    }

    public function sessionEndings(): array
    {
        return [['returning'], ['throwing']];
    }

    private static function server(string $shape = 'rawr'): ServerProcess
    {
        if (isset(self::$servers[$shape]) && self::$servers[$shape]->isRunning()) {
            return self::$servers[$shape];
        }
        $environment = ['STATE_SESSIONS' => self::$folder, 'SOLO_APP' => 'state'];
        return self::$servers[$shape] = $shape === 'solo'
            ? ServerProcess::solo([], $environment)
            : ServerProcess::rawr(['--workers=1'], $environment, 'state');
    }

    /** @return array<string, string> */
    private static function form(): array
    {
        return ['Content-Type' => 'application/x-www-form-urlencoded'];
    }

    /** @param array<array{string, string, string}> $parts disposition, type, content */
    private static function multipart(array $parts): array
    {
        $body = '';
        foreach ($parts as [$disposition, $type, $content]) {
            $body .= "--boundary\r\nContent-Disposition: form-data; $disposition\r\n";
            $body .= ($type === '' ? '' : "Content-Type: $type\r\n") . "\r\n$content\r\n";
        }
        $headers = ['Content-Type' => 'multipart/form-data; boundary=boundary'];
        return ['POST', '?q=1', $headers, "$body--boundary--\r\n"];
    }

    /** @return array<string, mixed> */
    private static function comparable(Answer $answer): array
    {
        $seen = $answer->json();
        // `php -S` has CONTENT_TYPE twice, as a header too; FPM has it once.
        unset($seen['server']['HTTP_CONTENT_TYPE'], $seen['server']['HTTP_CONTENT_LENGTH']);
        return $seen;
    }
}
