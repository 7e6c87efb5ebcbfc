<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\SessionHandler;
use Lyger\Cache\Sessions;
use Lyger\Cache\Store;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\SessionBusy;
use Lyger\Tests\Support\Children;
use PHPUnit\Framework\TestCase;

class SessionsTest extends TestCase
{
    private const HOUR_MS = 3_600_000;

    protected Store $cache;

    protected function open(): Store
    {
        return Store::default();
    }

    protected function setUp(): void
    {
        $this->cache = $this->open();
    }

    private static function id(): string
    {
        return bin2hex(random_bytes(16));
    }

    private function sessions(): Sessions
    {
        return $this->cache->sessions();
    }

    /** @param list<mixed> $arguments */
    private function warned(string $text, SessionHandler $handler, string $method, array $arguments): void
    {
        $warnings = [];
        set_error_handler(static function (int $level, string $message) use (&$warnings): bool {
            $warnings[] = [$level, $message];
            return true;
        });
        try {
            self::assertFalse($handler->$method(...$arguments));
        } finally {
            restore_error_handler();
        }
        self::assertCount(1, $warnings);
        self::assertSame(E_USER_WARNING, $warnings[0][0]);
        self::assertStringContainsString($text, $warnings[0][1]);
    }

    public function test_a_session_is_one_requests_at_a_time(): void
    {
        [$sessions, $id] = [$this->sessions(), self::id()];
        $token = $sessions->open($id, 60_000);
        self::assertIsInt($token);
        self::assertLessThan(2 ** 53, $token);
        self::assertNull($sessions->open($id, 60_000));
        self::assertFalse($sessions->write($id, $token + 1, 'foreign', self::HOUR_MS));
        self::assertFalse($sessions->close($id, $token + 1));
        self::assertNull($sessions->read($id));
        self::assertTrue($sessions->write($id, $token, '', self::HOUR_MS));
        self::assertSame('', $sessions->read($id), 'an empty one is there');
        self::assertTrue($sessions->close($id, $token));
        self::assertFalse($sessions->close($id, $token));
        self::assertFalse($sessions->write($id, $token, 'late', self::HOUR_MS));
        self::assertNotNull($sessions->open($id, 60_000));
    }

    public function test_any_bytes_are_an_id_and_its_data(): void
    {
        $sessions = $this->sessions();
        $data = implode(array_map(chr(...), range(0, 255)));
        $ids = ["\0\xff\r\n" . self::id(), '{' . self::id(), '}' . self::id(), (string) random_int(0, PHP_INT_MAX)];
        foreach ($ids as $id) {
            self::assertTrue($sessions->write($id, 0, $data, self::HOUR_MS));
            self::assertSame($data, $sessions->read($id));
            self::assertTrue($sessions->destroy($id));
            self::assertFalse($sessions->destroy($id) || $sessions->touch($id, 60_000));
            self::assertNull($sessions->read($id));
        }
    }

    public function test_sessions_are_neither_keys_nor_locks_and_stay_when_all_keys_go(): void
    {
        [$sessions, $id] = [$this->sessions(), self::id()];
        $sessions->write($id, 0, 'data', self::HOUR_MS);
        $token = $sessions->open($id, 60_000);
        self::assertNull($this->cache->get($id));
        self::assertNotNull($this->cache->lock($id, 60));
        $this->cache->clear();
        self::assertSame('data', $sessions->read($id));
        self::assertTrue($sessions->write($id, (int) $token, 'more', self::HOUR_MS));
        self::assertSame([], iterator_to_array($this->cache->scan(), false));
    }

    public function test_a_session_ends_when_it_was_unused_for_its_time(): void
    {
        [$sessions, $id, $other] = [$this->sessions(), self::id(), self::id()];
        $sessions->write($id, 0, 'data', 300);
        $sessions->write($other, 0, 'data', 300);
        self::assertTrue($sessions->touch($other, self::HOUR_MS));
        usleep(350_000);
        self::assertNull($sessions->read($id));
        self::assertFalse($sessions->touch($id, 300));
        self::assertSame('data', $sessions->read($other));
    }

    public function test_who_has_lost_a_session_writes_nothing_over_it(): void
    {
        $id = self::id();
        $late = new SessionHandler($this->cache, hold: 0.05);
        self::assertSame('', $late->read($id));
        usleep(60_000);
        $next = new SessionHandler($this->cache);
        self::assertSame('', $next->read($id));
        self::assertTrue($next->write($id, 'next'));
        $this->warned('was open for longer than 50 ms', $late, 'write', [$id, 'late']);
        self::assertTrue($late->close() && $next->write($id, 'still next') && $next->close());
        self::assertSame('still next', (new SessionHandler($this->cache))->read($id));
        $this->warned('by who has read it', $next, 'write', [$id, 'closed']);
    }

    public function test_who_waits_in_vain_is_told_and_who_waits_for_nobody_is_not(): void
    {
        $id = self::id();
        $first = new SessionHandler($this->cache);
        $first->read($id);
        self::assertSame('', $first->read($id), 'session_reset() reads again');
        $second = new SessionHandler($this->cache, wait: 0.02);
        try {
            $second->read($id);
            self::fail('two have it');
        } catch (SessionBusy $busy) {
            self::assertStringContainsString('another request of the same session', $busy->getMessage());
            self::assertStringNotContainsString($id, $busy->getMessage(), 'an id is a secret');
        }
        $any = new SessionHandler($this->cache, locks: false);
        self::assertSame('', $any->read($id));
        self::assertTrue($any->write($id, 'any') && $first->write($id, 'last'));
        unset($first);
        self::assertSame('last', $second->read($id), 'it ends with its object');
    }

    public function test_what_was_not_changed_stays_for_as_long_as_what_was(): void
    {
        $id = self::id();
        $handler = new SessionHandler($this->cache, ttl: 0.3);
        $handler->read($id);
        $handler->write($id, 'data');
        $longer = new SessionHandler($this->cache, ttl: 60, locks: false);
        self::assertTrue($longer->updateTimestamp($id, 'data'));
        usleep(350_000);
        self::assertTrue($handler->validateId($id));
        $short = new SessionHandler($this->cache, ttl: 0.2, locks: false);
        self::assertTrue($short->updateTimestamp($id, 'data'));
        usleep(250_000);
        self::assertFalse($handler->validateId($id));
        // One whose time was over meanwhile is written anew by who has it open, and by nobody else.
        self::assertTrue($handler->updateTimestamp($id, 'data') && $handler->validateId($id));
        $handler->close();
        $handler->destroy($id);
        $this->warned('by who has read it', $handler, 'updateTimestamp', [$id, 'data']);
        self::assertFalse($handler->validateId($id));
    }

    public function test_what_was_ended_is_brought_back_by_nobody_who_had_read_it(): void
    {
        foreach ([true, false] as $locks) {
            $id = self::id();
            $handler = new SessionHandler($this->cache, locks: $locks);
            $handler->read($id);
            $handler->write($id, 'user=7');
            $handler->close();
            self::assertSame('user=7', $handler->read($id));
            $logout = new SessionHandler($this->cache, locks: false);
            self::assertTrue($logout->destroy($id));
            self::assertTrue($handler->updateTimestamp($id, 'user=7'), 'it has nothing to write');
            self::assertFalse($handler->validateId($id));
            if ($locks) {
                $this->warned('another request has ended it', $handler, 'write', [$id, 'user=7, seen=1']);
                self::assertFalse($handler->validateId($id));
            }
            $handler->close();
            // It may begin anew.
            $next = new SessionHandler($this->cache);
            self::assertSame('', $next->read($id));
            self::assertTrue($next->updateTimestamp($id, '') && $next->validateId($id));
        }
    }

    public function test_an_id_has_the_characters_that_php_gives_it(): void
    {
        $handler = new SessionHandler($this->cache);
        foreach (['', '../x', "a\n", 'ü', str_repeat('a', 257)] as $id) {
            self::assertFalse($handler->validateId($id));
            $this->warned('1 to 256 of the characters', $handler, 'read', [$id]);
        }
        self::assertSame('', $handler->read(str_repeat('A-z,9', 51) . 'a'));
        self::assertSame(0, $handler->gc(1));
    }

    public function test_a_session_is_for_some_time(): void
    {
        foreach ([['ttl' => 0], ['ttl' => -1], ['hold' => 0.0]] as $wrong) {
            try {
                new SessionHandler($this->cache, ...$wrong);
                self::fail('taken');
            } catch (InvalidArgument $refused) {
                self::assertStringContainsString('for some time', $refused->getMessage());
            }
        }
    }

    public function test_php_has_its_sessions_there(): void
    {
        // In a process of its own: this one has said something already.
        [$said] = Children::run([$this->php() . <<<'PHP'
            ini_set('session.use_cookies', '0');
            ini_set('session.use_strict_mode', '1');
            ini_set('session.gc_maxlifetime', '100');
            ini_set('session.gc_probability', '1');
            ini_set('session.gc_divisor', '1');
            session_set_save_handler(new Lyger\Cache\SessionHandler($cache), true);
            session_id('chosenbyavisitor');
            session_start();
            $first = session_id();
            $_SESSION['user'] = "\0\xff";
            session_write_close();
            session_start();
            $again = [session_id() === $first, bin2hex($_SESSION['user'])];
            session_regenerate_id(true);
            $second = session_id();
            session_write_close();
            $isGone = $cache->sessions()->read($first) === null;
            session_id($second);
            session_start(['read_and_close' => true]);
            $again[] = bin2hex($_SESSION['user']);
            $isFree = $cache->sessions()->open($second, 1) !== null;
            usleep(2_000);
            session_start();
            session_destroy();
            $isDestroyed = $cache->sessions()->read($second) === null;
            $isRefused = $first !== 'chosenbyavisitor';
            echo json_encode(compact('again', 'isGone', 'isFree', 'isDestroyed', 'isRefused'));
            PHP]);
        self::assertSame([
            'again' => [true, '00ff', '00ff'],
            'isGone' => true,
            'isFree' => true,
            'isDestroyed' => true,
            'isRefused' => true,
        ], json_decode($said, true), $said);
    }

    protected function php(): string
    {
        return '$cache = Lyger\Cache\Store::default();';
    }
}
