<?php

declare(strict_types=1);

namespace Lyger\Tests;

use ArrayObject;
use Fiber;
use Lyger\Async;
use Lyger\Config;
use Lyger\Container\Container;
use Lyger\Core\Engine;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidConfig;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Server\Baseline;
use Lyger\Server\Runner;
use Lyger\Server\Task;
use PHPUnit\Framework\TestCase;

/** Waiting, outside of a worker with several requests and within one's loop. What whole fleets do is in tests/chaos. */
final class AsyncTest extends TestCase
{
    /** @var array<string, Response> */
    private array $answers = [];

    /** @param callable(): mixed $handler */
    private function task(string $name, callable $handler, ?Baseline $baseline = null): Task
    {
        $runner = new Runner(static fn (): mixed => $handler(), false, false, $baseline);
        return new Task($runner, function () use ($name, $runner): void {
            $this->answers[$name] = $runner->run(Request::create('GET', '/'));
        });
    }

    public function test_without_other_requests_it_waits_in_place(): void
    {
        $before = hrtime(true);
        Async::suspend();
        Async::sleep(0.01);
        self::assertGreaterThanOrEqual(10_000_000, hrtime(true) - $before);
    }

    public function test_what_is_no_time_to_wait_is_refused(): void
    {
        foreach ([-0.001, NAN, INF, 1e10] as $seconds) {
            try {
                Async::sleep($seconds);
                self::fail("$seconds was taken");
            } catch (InvalidArgument) {
                $this->addToAssertionCount(1);
            }
        }
    }

    public function test_a_fiber_of_the_applications_own_waits_in_place(): void
    {
        $task = $this->task('a', static function (): string {
            $fiber = new Fiber(static function (): void {
                Async::sleep(0.001);
                Async::suspend();
            });
            $fiber->start();
            return $fiber->isTerminated() ? 'waited' : 'left';
        });
        $task->advance();
        self::assertTrue($task->hasEnded());
        self::assertSame('waited', $this->answers['a']->body());
    }

    public function test_a_destructor_may_wait_too(): void
    {
        $task = $this->task('a', static function (): void {
            echo 'before ';
            $waits = new class {
                public function __destruct()
                {
                    Async::sleep(0.001);
                    echo 'within ';
                }
            };
            unset($waits);
            echo 'after';
        });
        while (!$task->hasEnded()) {
            $task->advance();
        }
        self::assertSame('before within after', $this->answers['a']->body());
    }

    public function test_output_and_status_are_each_requests_own(): void
    {
        $handler = static fn (string $name, int $status) => static function () use ($name, $status): void {
            http_response_code($status);
            echo "$name 1 ";
            ob_start();
            echo "$name inner ";
            ob_start();
            echo 'thrown away';
            Async::suspend();
            ob_end_clean();
            echo ob_get_clean(), "$name 2 ";
            Async::sleep(0.001);
            echo http_response_code();
        };
        $level = ob_get_level();
        $tasks = [$this->task('a', $handler('a', 201)), $this->task('b', $handler('b', 202))];
        while (count($this->answers) < 2) {
            foreach ($tasks as $task) {
                if (!$task->hasEnded()) {
                    $task->advance();
                }
                self::assertSame($level, ob_get_level(), 'a buffer was left to the others');
                self::assertNull(Task::current());
            }
        }
        foreach (['a' => 201, 'b' => 202] as $name => $status) {
            self::assertSame("$name 1 $name inner $name 2 $status", $this->answers[$name]->body());
            self::assertSame($status, $this->answers[$name]->status());
        }
    }

    /** @dataProvider changes */
    public function test_a_handler_that_changed_what_all_share_is_not_left(callable $change): void
    {
        $task = $this->task('a', static function () use ($change): string {
            $change();
            Async::suspend();
            Async::sleep(0.001);
            return 'waited';
        }, Baseline::now());
        $task->advance();
        self::assertTrue($task->hasEnded(), 'others would have run');
        self::assertStringContainsString('waited', $this->answers['a']->body());
    }

    /** @return array<string, array{callable(): mixed}> */
    public static function changes(): array
    {
        return [
            'a superglobal' => [static fn () => $_GET = ['user' => '1']],
            '$_SERVER' => [static fn () => $_SERVER['X'] = '1'],
            'the error handler' => [static fn () => set_error_handler(static fn (): bool => true)],
            'the exception handler' => [static fn () => set_exception_handler(static fn () => null)],
            'the level of errors' => [static fn () => error_reporting(0)],
            'the time zone' => [static fn () => date_default_timezone_set('Asia/Tokyo')],
            'the locale' => [static fn () => setlocale(LC_ALL, setlocale(LC_ALL, '0') === 'C' ? 'C.UTF-8' : 'C')],
            'a setting' => [static fn () => ini_set('precision', '3')],
            'the umask' => [static fn () => umask(umask() ^ 0o7)],
            'the folder' => [static fn () => chdir('/')],
            'a buffer with a callback' => [static fn () => ob_start(static fn (string $text): string => $text)],
        ];
    }

    public function test_scoped_objects_are_each_requests_own_and_singletons_are_one(): void
    {
        $container = new Container();
        $container->scoped('scoped', static fn (): object => (object) []);
        $container->singleton('slow', static function (): object {
            Async::suspend();
            return (object) [];
        });
        $seen = new ArrayObject();
        $handler = static fn (string $name) => static function () use ($container, $name, $seen): string {
            $container->endRequest();
            $scoped = $container->get('scoped');
            $seen[$name] = [$scoped, $container->get('slow')];
            Async::suspend();
            $seen["$name again"] = [$container->get('scoped'), $container->get('slow')];
            $container->endRequest();
            return '';
        };
        $tasks = [$this->task('a', $handler('a')), $this->task('b', $handler('b'))];
        for ($turn = 0; $turn < 3; $turn++) {
            array_map(static fn (Task $task) => $task->advance(), $tasks);
        }
        self::assertNotSame($seen['a'][0], $seen['b'][0]);
        self::assertSame($seen['a'], $seen['a again']);
        self::assertSame($seen['b'], $seen['b again']);
        self::assertSame($seen['a'][1], $seen['b'][1]);
    }

    public function test_a_server_of_one_process_refuses_several_requests_at_once(): void
    {
        $this->expectException(InvalidConfig::class);
        $this->expectExceptionMessage('concurrency');
        Engine::getInstance()->serve(static fn () => null, Config::resolve(['concurrency' => 2, 'port' => 0]));
    }
}
