<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use Illuminate\Database\QueryException;
use Illuminate\Support\Facades\DB;
use Lyger\Database\Client;
use Lyger\Database\Db as Database;
use Lyger\Exception\TransactionFailed;
use RuntimeException;

/** Transactions of Eloquent's connection: they are Db's, savepoints and all. */
final class TransactionTest extends EloquentTestCase
{
    /** @dataProvider databases */
    public function test_a_transaction_is_committed_or_leaves_nothing(string $dsn): void
    {
        $this->library($dsn);
        self::assertSame('done', DB::transaction(function (): string {
            $this->author('Ada');
            self::assertSame(1, DB::transactionLevel());
            return 'done';
        }));
        try {
            DB::transaction(function (): void {
                $this->author('Grace');
                throw new RuntimeException('no');
            });
            self::fail('thrown in it');
        } catch (RuntimeException $exception) {
            self::assertSame('no', $exception->getMessage());
        }
        DB::beginTransaction();
        $this->author('Alan');
        DB::rollBack();
        DB::beginTransaction();
        $this->author('Edsger');
        DB::commit();
        self::assertSame(0, DB::transactionLevel());
        self::assertSame(['Ada', 'Edsger'], DB::table('authors')->orderBy('id')->pluck('name')->all());
    }

    /** @dataProvider databases */
    public function test_a_transaction_within_another_is_undone_alone(string $dsn): void
    {
        $this->library($dsn);
        DB::transaction(function (): void {
            $this->author('outer');
            try {
                DB::transaction(function (): void {
                    $this->author('inner');
                    self::assertSame(2, DB::transactionLevel());
                    DB::transaction(fn () => $this->author('innermost'));
                    throw new RuntimeException('no');
                });
            } catch (RuntimeException) {
            }
            DB::transaction(fn () => $this->author('second'));
        });
        self::assertSame(['outer', 'second'], DB::table('authors')->orderBy('id')->pluck('name')->all());
        DB::beginTransaction();
        DB::beginTransaction();
        $this->author('lost');
        DB::beginTransaction();
        DB::rollBack(1);
        self::assertSame(1, DB::transactionLevel());
        DB::rollBack(5);
        self::assertSame(1, DB::transactionLevel(), 'a level that is not there is left alone');
        DB::commit();
        self::assertSame(2, DB::table('authors')->count());
    }

    /** @dataProvider databases */
    public function test_a_unique_violation_within_a_savepoint_leaves_the_rest(string $dsn): void
    {
        $this->library($dsn);
        $author = $this->author('Ada', 1);
        DB::transaction(static function () use ($author): void {
            $author->books()->create(['title' => 'before']);
            try {
                DB::transaction(static fn () => $author->books()->create(['title' => 'Book 1']));
                self::fail('the title is there');
            } catch (QueryException) {
            }
            $author->books()->create(['title' => 'after']);
        });
        self::assertSame(['Book 1', 'before', 'after'], DB::table('books')->orderBy('id')->pluck('title')->all());
    }

    /** @dataProvider databases */
    public function test_eloquent_and_db_count_one_transaction_and_each_client_its_own(string $dsn): void
    {
        $this->library($dsn);
        $db = Database::connect($dsn);
        $db->begin();
        self::assertSame(1, DB::transactionLevel());
        $this->author('Ada');
        $db->rollback();
        self::assertSame([0, 0], [DB::transactionLevel(), DB::table('authors')->count()]);
        DB::beginTransaction();
        $this->author('Ada');
        self::assertTrue($db->inTransaction());
        Client::end(); // what the end of a request does
        self::assertSame([0, 0], [DB::transactionLevel(), DB::table('authors')->count()]);
    }

    /** @dataProvider databases */
    public function test_events_tell_of_each_step(string $dsn): void
    {
        $connection = $this->library($dsn);
        $events = [];
        $connection->getEventDispatcher()->listen('Illuminate\Database\Events\Transaction*', static function (
            string $name,
        ) use (&$events): void {
            $events[] = substr((string) strrchr($name, '\\'), strlen('\\Transaction'));
        });
        DB::transaction(static fn () => null);
        DB::beginTransaction();
        DB::rollBack();
        // Since Laravel 10 there is one before the commit, too.
        $events = array_values(array_diff($events, ['Committing']));
        self::assertSame(['Beginning', 'Committed', 'Beginning', 'RolledBack'], $events);
    }

    /** @dataProvider databases */
    public function test_a_statement_that_ends_the_transaction_is_noticed(string $dsn): void
    {
        $this->library($dsn);
        try {
            DB::transaction(static fn () => DB::statement('COMMIT'));
            self::fail('it was committed behind the back');
        } catch (\PDOException $exception) {
            self::assertInstanceOf(TransactionFailed::class, $exception->getPrevious());
        }
        self::assertSame(0, DB::transactionLevel());
    }

    /** SQLite has one writer at a time, so no deadlock. */
    public function servers(): array
    {
        return array_diff_key($this->databases(), ['sqlite' => true]);
    }

    /** @dataProvider servers */
    public function test_of_two_in_a_deadlock_one_is_run_again(string $dsn): void
    {
        $this->library($dsn);
        $this->author('one');
        $this->author('two');
        $script = __DIR__ . '/deadlock.php';
        $command = [PHP_BINARY, $script, $dsn, DB::getTablePrefix()];
        $other = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
        $runs = 0;
        DB::transaction(static function () use (&$runs, $pipes): void {
            $runs++;
            DB::table('authors')->where('id', 1)->increment('balance');
            if ($runs === 1) {
                self::assertSame("has the second\n", fgets($pipes[1]));
                fwrite($pipes[0], "go on\n");
            }
            DB::table('authors')->where('id', 2)->increment('balance');
        }, 5);
        $runs += (int) fgets($pipes[1]);
        self::assertSame(0, proc_close($other));
        self::assertSame([2.0, 2.0], DB::table('authors')->orderBy('id')->pluck('balance')
            ->map(static fn (mixed $balance): float => (float) $balance)->all());
        self::assertGreaterThan(2, $runs, 'one of the two was run again');
    }
}
