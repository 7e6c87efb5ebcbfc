<?php

declare(strict_types=1);

namespace Lyger\Tests;

use Fiber;
use Lyger\Async;
use Lyger\Async\Scheduler;
use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\Cancelled;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\NeverDone;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\Timeout;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Server\Runner;
use Lyger\Server\Task;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;
use RuntimeException;

use function Lyger\async;
use function Lyger\await;

/** async() and await(), in a script and in requests. What a fleet makes of them is in tests/end_to_end/fleet_fibers.rs. */
final class FibersTest extends SqlTestCase
{
    /** @var list<string> */
    private array $seen = [];

    protected function tearDown(): void
    {
        Scheduler::abandon();
        parent::tearDown();
    }

    public function test_work_begins_at_once_and_goes_on_while_somebody_waits(): void
    {
        $future = async(function (): string {
            $this->seen[] = 'begun';
            Async::sleep(0.001);
            $this->seen[] = 'gone on';
            return 'done';
        });
        $this->seen[] = 'returned';
        self::assertFalse($future->isDone());
        self::assertSame('done', $future->await());
        self::assertSame(['begun', 'returned', 'gone on'], $this->seen);
        self::assertTrue($future->isDone());
        self::assertSame('done', await($future), 'a second time');
    }

    public function test_several_give_their_values_by_key_and_in_order_whichever_ends_first(): void
    {
        $after = static fn (float $seconds) => static function () use ($seconds): float {
            Async::sleep($seconds);
            return $seconds;
        };
        $before = hrtime(true);
        $values = await(['b' => async($after(0.1)), 'a' => async($after(0.05)), 7 => async(static fn () => 0.0)]);
        self::assertSame(['b' => 0.1, 'a' => 0.05, 7 => 0.0], $values);
        self::assertLessThan(150_000_000, hrtime(true) - $before, 'one after the other');
        self::assertSame([], await([]));
    }

    public function test_the_first_failure_is_thrown_when_the_others_have_been_cancelled(): void
    {
        $long = async(function (): void {
            try {
                Async::sleep(60.0);
            } catch (Cancelled $cancelled) {
                $this->seen[] = 'cancelled';
                throw $cancelled;
            }
        });
        try {
            await([$long, async(static function (): void {
                Async::sleep(0.001);
                throw new RuntimeException('on purpose');
            })]);
            self::fail('nothing was thrown');
        } catch (RuntimeException $failure) {
            self::assertSame('on purpose', $failure->getMessage());
        }
        self::assertTrue($long->isDone());
        self::assertSame(['cancelled'], $this->seen);
        $this->expectException(Cancelled::class);
        $long->await();
    }

    public function test_what_takes_too_long_is_cancelled(): void
    {
        $future = async(static fn () => Async::sleep(60.0));
        try {
            await($future, 0.01);
            self::fail('it waited');
        } catch (Timeout $timeout) {
            self::assertStringContainsString('10 ms', $timeout->getMessage());
        }
        self::assertTrue($future->isDone());
        self::assertSame('in time', await(async(static fn () => 'in time'), 0.0));
    }

    public function test_who_is_cancelled_may_put_things_in_order(): void
    {
        $future = async(function (): void {
            try {
                Async::sleep(60.0);
            } finally {
                $this->seen[] = 'at once';
                Async::sleep(0.001);
                $this->seen[] = 'and later';
            }
        });
        $future->cancel();
        self::assertSame(['at once'], $this->seen);
        try {
            $future->await();
            self::fail('it was not cancelled');
        } catch (Cancelled) {
            self::assertSame(['at once', 'and later'], $this->seen);
        }
        $future->cancel();
    }

    public function test_work_that_waits_for_work_is_cancelled_with_it(): void
    {
        $inner = null;
        $outer = async(function () use (&$inner): void {
            $inner = async(static fn () => Async::sleep(60.0));
            await($inner);
        });
        $outer->cancel();
        self::assertTrue($outer->isDone() && $inner->isDone());
    }

    public function test_an_await_that_could_never_end_is_an_error(): void
    {
        $own = null;
        $own = async(static function () use (&$own): mixed {
            Async::suspend();
            return await($own);
        });
        $one = $other = null;
        $one = async(static function () use (&$other): mixed {
            Async::suspend();
            return await($other);
        });
        $other = async(static fn (): mixed => await($one));
        foreach ([$own, $one] as $future) {
            try {
                await($future);
                self::fail('it ended');
            } catch (NeverDone) {
                $this->addToAssertionCount(1);
            }
        }
        $one->cancel();
    }

    public function test_what_is_no_future_is_refused(): void
    {
        $this->expectException(InvalidArgument::class);
        await([async(static fn () => 1), 2]);
    }

    public function test_a_fiber_of_the_applications_own_awaits_in_place(): void
    {
        $fiber = new Fiber(static fn (): string => await(async(static function (): string {
            Async::sleep(0.001);
            return 'awaited';
        })));
        $fiber->start();
        self::assertTrue($fiber->isTerminated());
        self::assertSame('awaited', $fiber->getReturn());
    }

    public function test_what_a_request_has_begun_is_finished_before_its_answer_and_cancelled_when_it_fails(): void
    {
        $request = Request::create('GET', '/');
        $begin = function (): void {
            async(function (): void {
                Async::sleep(0.01);
                $this->seen[] = 'finished';
                echo 'echoed';
            });
        };
        $answer = (new Runner($begin, false, false))->run($request);
        self::assertSame(['finished'], $this->seen);
        self::assertSame('echoed', $answer->body());

        $log = (string) ini_set('error_log', '/dev/null');
        try {
            $answer = (new Runner(static function () use ($begin): void {
                $begin();
                throw new RuntimeException('on purpose');
            }, false, false))->run($request);
        } finally {
            ini_set('error_log', $log);
        }
        self::assertSame(500, $answer->status());
        self::assertSame(['finished'], $this->seen);
    }

    public function test_requests_side_by_side_have_each_their_own(): void
    {
        $answers = [];
        $task = static function (string $name) use (&$answers): Task {
            $runner = new Runner(static function () use ($name): Response {
                $parts = await(array_map(static fn (int $n) => async(static function () use ($name, $n): string {
                    Async::sleep(0.001 * $n);
                    echo "$n ";
                    return $name . $n;
                }), [3, 1, 2]));
                return Response::text(implode(',', $parts));
            }, false, false);
            return new Task($runner, static function () use ($runner, $name, &$answers): void {
                $answers[$name] = $runner->run(Request::create('GET', '/'));
            });
        };
        $tasks = [$task('a'), $task('b')];
        while (count($answers) < 2) {
            foreach ($tasks as $one) {
                if (!$one->hasEnded()) {
                    $one->advance();
                }
            }
        }
        self::assertSame('1 2 3 a3,a1,a2', $answers['a']->body());
        self::assertSame('1 2 3 b3,b1,b2', $answers['b']->body());
    }

    /** @dataProvider databases */
    public function test_statements_in_fibers_give_what_they_give_elsewhere(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 10, 20, 30);
        $got = await([
            'query' => async(static fn () => $db->query("SELECT n FROM $table WHERE n > ? ORDER BY n", [10])),
            'value' => async(static fn () => $db->value("SELECT sum(id) FROM $table")),
            'json' => async(static fn () => $db->json("SELECT n FROM $table WHERE id = 1")),
            'stream' => async(static fn () => iterator_to_array($db->stream("SELECT n FROM $table ORDER BY n"))),
            'result' => async(static fn () => count($db->result("SELECT n FROM $table"))),
            'affected' => async(static fn () => $db->execute("UPDATE $table SET n = n WHERE id = 1")->affected),
        ]);
        self::assertSame([['n' => 20], ['n' => 30]], $got['query']);
        self::assertEquals(6, $got['value']);
        self::assertSame(['[{"n":10}]', 3, 1], [$got['json'], $got['result'], $got['affected']]);
        self::assertSame([['n' => 10], ['n' => 20], ['n' => 30]], $got['stream']);
        $this->expectException(QueryFailed::class);
        await(async(static fn () => $db->query('SELECT nobody FROM nowhere')));
    }

    /** @dataProvider servers */
    public function test_a_fibers_transaction_is_its_own_and_ends_with_it(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $left = async(static function () use ($db, $table): array {
            $db->begin();
            $db->execute("INSERT INTO $table VALUES (2, 2)");
            Async::sleep(0.02);
            return $db->column("SELECT n FROM $table ORDER BY n");
        });
        self::assertFalse($db->inTransaction());
        self::assertSame([1], $db->column("SELECT n FROM $table"));
        self::assertSame([1, 2], await($left));
        self::assertSame([1], $db->column("SELECT n FROM $table"), 'nobody committed it');
        $insert = static fn () => $db->execute("INSERT INTO $table VALUES (3, 3)");
        await(async(static fn () => $db->transaction($insert)));
        self::assertSame([1, 3], $db->column("SELECT n FROM $table ORDER BY n"));
    }

    /** @dataProvider servers */
    public function test_statements_of_several_fibers_run_at_once(string $dsn): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: PHP\'s drivers block');
        }
        $db = Db::connect($dsn);
        $sql = $db->dialect() === 'mysql' ? 'SELECT SLEEP(0.5)' : 'SELECT pg_sleep(0.5)';
        $before = hrtime(true);
        await(array_map(static fn () => async(static fn () => $db->query($sql)), range(1, 10)));
        self::assertLessThan(4_000_000_000, hrtime(true) - $before, 'they took turns');
    }

    /** @dataProvider servers */
    public function test_a_transaction_whose_statement_was_stopped_is_lost_and_its_client_can_go_on(string $dsn): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: PHP\'s drivers block');
        }
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $sql = $db->dialect() === 'mysql' ? 'SELECT SLEEP(30)' : 'SELECT pg_sleep(30)';
        $future = async(static function () use ($db, $table, $sql): array {
            try {
                $db->transaction(static function () use ($db, $table, $sql): void {
                    $db->execute("INSERT INTO $table VALUES (2, 2)");
                    $db->query($sql);
                });
            } catch (Cancelled) {
                return [$db->inTransaction(), $db->column("SELECT n FROM $table")];
            }
            return [];
        });
        try {
            await($future, 0.3);
            self::fail('it ended');
        } catch (Timeout) {
            self::assertSame([false, [1]], $future->await());
        }
    }

    /** @return array<string, array{string}> */
    public static function servers(): array
    {
        return array_diff_key(Databases::all(), ['sqlite' => 0]);
    }
}
