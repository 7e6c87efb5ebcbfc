<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Core\Engine;
use Lyger\Tests\Support\Answer;
use Lyger\Tests\Support\RedisServer;
use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;

/** PHP's sessions in the cache, by `session.store`. */
final class SessionStoreTest extends TestCase
{
    private ?ServerProcess $server = null;
    private string $id = '';

    protected function tearDown(): void
    {
        $this->server?->stop();
    }

    private function serve(string ...$flags): ServerProcess
    {
        $workers = self::isFleet() ? ['--workers=2'] : [];
        $flags = ['--session-store=cache', '--cache-bytes-max=1048576', ...$workers, ...$flags];
        return $this->server = ServerProcess::rawr($flags, [], 'sessions');
    }

    private static function isFleet(): bool
    {
        return Engine::getInstance()->isNative() && PHP_OS_FAMILY === 'Linux';
    }

    private static function onlyInAFleet(): void
    {
        self::isFleet() || self::markTestSkipped('runs in the half with the library, on Linux');
    }

    /** @return array<string, string> */
    private function cookie(): array
    {
        return $this->id === '' ? [] : ['Cookie' => "PHPSESSID={$this->id}"];
    }

    /** As the visitor, whose browser keeps the cookie. */
    private function ask(string $target): Answer
    {
        $answer = $this->server->ask('GET', $target, $this->cookie());
        $this->keepCookie($answer);
        return $answer;
    }

    private function keepCookie(Answer $answer): void
    {
        if (preg_match('/^PHPSESSID=([^;]+)/', (string) $answer->header('set-cookie'), $match) === 1) {
            $this->id = $match[1];
        }
    }

    private function visit(): int
    {
        return $this->ask('/count')->json()['session']['count'];
    }

    /** Waits until so many requests have come that far. */
    private function await(string $what, int $times = 1): void
    {
        while ($this->server->ask('GET', "/get/$what")->json()[0] < $times) {
            usleep(2_000);
        }
    }

    public function test_all_workers_know_a_visitor_and_a_full_cache_and_clear_forget_nobody(): void
    {
        $this->serve();
        $pids = [];
        for ($count = 1; $count <= 10; $count++) {
            // Every other time a worker is busy with somebody else, so that another one answers.
            $busy = $count % 2 === 0 && self::isFleet() ? $this->server->begin('GET', "/hold/release$count") : null;
            $busy === null || $this->await('holds', intdiv($count, 2));
            $said = $this->ask('/count')->json();
            self::assertSame([$count, $this->id], [$said['session']['count'], $said['id']]);
            $pids[$said['pid']] = true;
            if ($busy !== null) {
                $this->server->ask('GET', "/put/release$count");
                self::assertSame(1, $this->server->finish($busy)->json()['session']['count'], 'somebody else');
            }
        }
        self::assertCount(self::isFleet() ? 2 : 1, $pids);
        self::assertGreaterThan(0, $this->ask('/press')->json()[0]);
        self::assertSame($count, $this->visit());
        $this->ask('/put-binary');
        self::assertSame([bin2hex(implode(array_map(chr(...), range(0, 255))))], $this->ask('/get-binary')->json());
        $this->id = '';
        self::assertSame(1, $this->visit(), 'another visitor');
    }

    public function test_two_requests_of_one_session_run_one_after_the_other(): void
    {
        self::onlyInAFleet();
        $this->serve('--workers=3');
        self::assertSame(1, $this->visit());
        $holding = $this->server->begin('GET', '/hold/release', $this->cookie());
        $this->await('holds');
        $waiting = $this->server->begin('GET', '/count', $this->cookie());
        $this->await('asked', 2);
        // Where nothing waited it would be through by now, and have counted the same.
        usleep(200_000);
        $this->server->ask('GET', '/put/release');
        self::assertSame(2, $this->server->finish($holding)->json()['session']['count']);
        $second = $this->server->finish($waiting)->json()['session'];
        self::assertSame(['count' => 3, 'held' => 'release'], $second);
    }

    public function test_many_requests_of_one_session_count_one_after_the_other_in_workers_with_several(): void
    {
        self::onlyInAFleet();
        $this->serve('--concurrency=4');
        self::assertSame(1, $this->visit());
        $asked = array_map(fn () => $this->server->begin('GET', '/sleepy', $this->cookie()), range(1, 16));
        $answers = array_map(fn (mixed $socket): array => $this->server->finish($socket)->json(), $asked);
        $counts = array_map(static fn (array $said): int => $said['session']['count'], $answers);
        sort($counts);
        self::assertSame(range(2, 17), $counts);
    }

    public function test_without_locks_nobody_waits(): void
    {
        self::onlyInAFleet();
        $this->serve('--no-session-lock');
        self::assertSame(1, $this->visit());
        $holding = $this->server->begin('GET', '/hold/release', $this->cookie());
        while ($this->visit() < 2) {
        }
        $this->server->ask('GET', '/put/release');
        self::assertSame(200, $this->server->finish($holding)->status);
    }

    public function test_who_had_a_session_for_too_long_writes_nothing_over_it(): void
    {
        self::onlyInAFleet();
        $this->serve('--workers=3', '--session-lock-ttl-ms=1000');
        self::assertSame(1, $this->visit());
        $holding = $this->server->begin('GET', '/hold/release', $this->cookie());
        $this->await('holds');
        self::assertSame(2, $this->visit(), 'it has waited until the time was over');
        $this->server->ask('GET', '/put/release');
        self::assertSame(200, $this->server->finish($holding)->status);
        self::assertSame(['count' => 2], $this->ask('/read')->json());
        $this->server->awaitError('the session is not written: another request has ended it');
    }

    public function test_who_waits_for_too_long_gets_an_error_and_the_worker_goes_on(): void
    {
        self::onlyInAFleet();
        $this->serve('--session-lock-wait-ms=50');
        self::assertSame(1, $this->visit());
        $holding = $this->server->begin('GET', '/hold/release', $this->cookie());
        $this->await('holds');
        $answer = $this->ask('/count');
        self::assertSame([503, '1'], [$answer->status, $answer->header('retry-after')]);
        $this->server->awaitError('another request of the same session has had it open for longer than 50 ms');
        $this->server->ask('GET', '/put/release');
        $this->server->finish($holding);
        self::assertSame(3, $this->visit());
    }

    public function test_a_killed_worker_leaves_its_visitors_session_as_it_was_and_free(): void
    {
        self::onlyInAFleet();
        $this->serve('--session-lock-ttl-ms=3600000', '--session-lock-wait-ms=20000');
        self::assertSame(1, $this->visit());
        // A GET that was killed is run once more, so both workers die of it.
        self::assertSame(502, $this->ask('/die')->status);
        self::assertSame(2, $this->visit());
    }

    public function test_what_a_handler_throws_or_dies_of_ends_its_session(): void
    {
        $this->serve('--session-lock-ttl-ms=3600000', '--session-lock-wait-ms=2000');
        self::assertSame(1, $this->visit());
        self::assertSame(500, $this->ask('/throw')->status);
        self::assertSame(3, $this->visit());
        if (self::isFleet()) {
            self::assertSame(500, $this->ask('/fatal')->status);
            self::assertSame(5, $this->visit(), 'PHP writes it as it ends');
        }
    }

    public function test_a_visitor_who_goes_away_leaves_the_session_free(): void
    {
        self::onlyInAFleet();
        $this->serve('--session-lock-ttl-ms=3600000');
        self::assertSame(1, $this->visit());
        $gone = $this->server->begin('GET', '/hold/release', $this->cookie());
        $this->await('holds');
        fclose($gone);
        $this->server->ask('GET', '/put/release');
        self::assertSame(3, $this->visit());
    }

    public function test_each_request_has_a_handler_of_its_own(): void
    {
        $this->serve('--workers=1');
        self::assertSame(1, $this->visit());
        self::assertSame([['count' => 1000]], $this->ask('/own-handler')->json());
        self::assertSame(2, $this->visit());
        self::assertSame([['count' => 2], true], $this->ask('/look')->json());
        self::assertSame(3, $this->visit());
    }

    public function test_logging_out_and_in(): void
    {
        $this->serve();
        self::assertSame(1, $this->visit());
        [$old, $new] = $this->ask('/regenerate')->json();
        self::assertNotSame($old, $new);
        self::assertSame([$new, 2], [$this->id, $this->visit()]);
        $this->id = $old;
        self::assertSame([], $this->ask('/read')->json(), 'the old one is gone');
        $this->id = $new;
        self::assertSame([true], $this->ask('/destroy')->json());
        self::assertSame([], $this->ask('/read')->json());
    }

    public function test_what_is_only_read_stays_as_well(): void
    {
        $this->serve('--session-ttl-s=4');
        self::assertSame(1, $this->visit());
        foreach ([1, 2] as $_) {
            sleep(2);
            self::assertSame(['count' => 1], $this->ask('/read')->json());
        }
        sleep(2);
        self::assertSame(2, $this->visit());
    }

    public function test_one_too_many_and_one_too_long_are_refused_and_said(): void
    {
        $this->serve('--workers=1', '--session-lock-ttl-ms=3600000', '--session-lock-wait-ms=2000');
        self::assertSame(1, $this->visit());
        $this->ask('/large/70000');
        $this->server->awaitError('the session is not written: ');
        $this->server->awaitError('such as a session, has at most 61440');
        self::assertSame(2, $this->visit(), 'what was there stays');
        $this->ask('/large-and-strict');
        $this->server->awaitError('the session could not be ended: ErrorException: the session is not written: ');
        self::assertSame(3, $this->visit(), 'and is free');
        [$text, $isLocked, $isAllowed] = $this->ask('/fill')->json();
        self::assertStringContainsString('no more sessions have room', $text);
        self::assertTrue($isLocked && $isAllowed);
        self::assertSame(4, $this->visit(), 'what is there goes on');
    }

    public function test_where_no_more_have_room_a_visitor_who_is_there_gets_a_new_id(): void
    {
        $this->serve('--workers=1');
        self::assertSame(1, $this->visit());
        self::assertGreaterThan(100, $this->ask('/fill-wholly')->json()[0]);
        for ($count = 2; $count <= 6; $count++) {
            [$old, $new] = $this->ask('/regenerate')->json();
            self::assertNotSame($old, $new);
            self::assertSame([$count, $new], [$this->visit(), $this->id]);
        }
    }

    public function test_over_a_redis(): void
    {
        if (!RedisServer::isThere() || !Engine::getInstance()->isNative() && !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server is installed, and without the library ext-redis');
        }
        $redis = new RedisServer();
        $this->serve("--cache-dsn={$redis->dsn('prefix=shop.')}");
        for ($count = 1; $count <= 10; $count++) {
            self::assertSame($count, $this->visit());
        }
        $this->server->stop();
        // Elsewhere, as another machine.
        $this->serve("--cache-dsn={$redis->dsn('prefix=shop.')}");
        self::assertSame(11, $this->visit());
    }

    public function test_a_handler_that_a_request_has_set_is_nobody_elses_whether_it_had_a_session_or_not(): void
    {
        $this->serve('--workers=1');
        self::assertSame(1, $this->visit());
        foreach (['/own-handler-unused', '/own-module-unused'] as $other) {
            self::assertSame(200, $this->server->ask('GET', $other)->status);
        }
        self::assertSame(2, $this->visit());
        self::assertSame(200, $this->server->ask('GET', '/own-handler-unused')->status);
        self::assertSame(3, $this->visit());
    }

    public function test_a_handler_that_a_request_has_set_and_waits_with_is_nobody_elses(): void
    {
        self::onlyInAFleet();
        $this->serve('--workers=1', '--concurrency=8');
        self::assertSame(1, $this->visit());
        $waits = $this->server->begin('GET', '/plain/own-handler');
        usleep(100_000);
        self::assertSame(2, $this->visit(), 'who comes meanwhile waits for it');
        $this->server->finish($waits);
        self::assertSame(3, $this->visit());
    }

    public function test_what_a_request_without_a_session_sets_of_sessions_is_nobody_elses(): void
    {
        $this->serve('--workers=1');
        self::assertSame(1, $this->visit());
        $this->server->ask('GET', '/plain/settings');
        $answer = $this->ask('/count');
        self::assertSame(['count' => 2], $answer->json()['session']);
        self::assertNull($answer->header('set-cookie'));
        self::assertStringContainsString('no-store', (string) $answer->header('cache-control'));
        sleep(2);
        self::assertSame(3, $this->visit());
    }

    public function test_a_middleware_may_name_the_session(): void
    {
        $this->serve('--workers=1');
        for ($count = 1; $count <= 3; $count++) {
            $headers = $count === 1 ? [] : ['Cookie' => "OTHER={$this->id}"];
            $answer = $this->server->ask('GET', '/named/count', $headers);
            self::assertSame(['count' => $count], $answer->json()['session']);
            $this->id = $answer->json()['id'];
            $this->server->ask('GET', '/plain/settings');
        }
        self::assertStringStartsNotWith('OTHER=', (string) $this->server->ask('GET', '/count')->header('set-cookie'));
    }

    public function test_what_a_session_had_is_shown_to_nobody_else(): void
    {
        $ways = ['/count', '/unset', '/alias', '/destroy', '/tidy', '/unserializable', '/unserializable-own'];
        foreach (['cache', 'php'] as $store) {
            $this->serve('--workers=1', "--session-store=$store");
            foreach ($ways as $before) {
                $this->id = '';
                $this->ask($before);
                self::assertSame([false, false], $this->server->ask('GET', '/plain/encode')->json(), "$store $before");
                $stranger = $this->server->ask('GET', '/plain/stranger')->json();
                self::assertSame(['', true, []], $stranger, "$store $before");
                self::assertSame(1, $this->server->ask('GET', '/count')->json()['session']['count'], "$store $before");
            }
            $this->server->stop();
        }
    }

    public function test_nor_is_a_handler_where_sessions_are_phps_files(): void
    {
        $this->serve('--workers=1', '--session-store=php');
        $this->server->ask('GET', '/own-handler-unused');
        for ($count = 1; $count <= 3; $count++) {
            self::assertSame($count, $this->visit());
            $this->server->ask('GET', '/plain/own-handler');
        }
    }

    public function test_a_session_that_php_starts_by_itself_is_refused(): void
    {
        $rawr = [dirname(__DIR__, 2) . '/bin/rawr', 'serve', '--port=0', '--app=' . dirname(__DIR__) . '/apps/trouble'];
        $this->expectExceptionMessage('session.auto_start in php.ini: is on');
        $this->server = ServerProcess::script(['-d', 'session.auto_start=1', ...$rawr]);
    }

    public function test_who_has_written_to_phps_own_output_before_a_session_leaves_nobody_without_one(): void
    {
        $this->serve('--workers=1');
        $this->server->ask('GET', '/plain/flush');
        $answer = $this->ask('/count');
        if (self::isFleet()) {
            self::assertSame(1, $answer->json()['session']['count']);
            self::assertSame(2, $this->visit());
        } else {
            self::assertSame([503, '1'], [$answer->status, $answer->header('retry-after')]);
        }
    }

    public function test_who_has_written_to_phps_own_output_leaves_nobody_a_session(): void
    {
        $this->leavesNobodyASession('--workers=1');
    }

    public function test_nor_does_he_in_a_worker_with_several_requests(): void
    {
        self::onlyInAFleet();
        $this->leavesNobodyASession('--workers=1', '--concurrency=4');
    }

    private function leavesNobodyASession(string ...$flags): void
    {
        $this->serve(...$flags);
        $this->ask('/flush');
        self::assertNotSame('', $this->id);
        for ($n = 0; $n < 20; $n++) {
            $answer = $this->server->ask('GET', '/whose');
            if (!self::isFleet()) {
                self::assertSame([503, '1'], [$answer->status, $answer->header('retry-after')]);
                continue;
            }
            [$before, $isStarted, $id] = $answer->json();
            self::assertSame(['', true], [$before, $isStarted]);
            self::assertNotSame($this->id, $id);
        }
        if (self::isFleet()) {
            self::assertSame(2, $this->visit(), 'what was written before is there, in another worker');
        }
    }

    public function test_the_client_is_told_of_a_new_id_though_the_session_could_not_be_written(): void
    {
        $this->serve();
        self::assertSame(1, $this->visit());
        $before = $this->id;
        [$id] = $this->ask('/regenerate-and-fail')->json();
        self::assertSame($id, $this->id);
        self::assertNotSame($before, $id);
    }

    public function test_a_cookie_that_is_no_id_begins_a_new_session(): void
    {
        $this->serve();
        foreach (['../x', 'a.b', str_repeat('a', 257)] as $this->id) {
            self::assertSame(1, $this->visit());
            self::assertSame(2, $this->visit());
        }
    }
}
