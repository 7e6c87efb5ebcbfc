<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Async\Strand;
use Lyger\Core\Engine;
use Lyger\Exception\LygerException;
use Lyger\Server\Runner;
use Lyger\Server\Task;
use SensitiveParameter;

/**
 * Who asks the databases: one request of a server, or the whole process where there is none; and of either each work
 * that async() has begun. What its statements leave on a connection (a transaction, a setting, a temporary table) is
 * its own until it ends, and then gone.
 *
 * What always holds: Runner ends it after each request, a shutdown function ends that of a script or of php-fpm, and
 * a Strand ends its own.
 */
final class Client
{
    private static ?self $ofProcess = null;
    /** A forked child must not end what its parent goes on with. */
    private static int $pid = 0;

    /** @var array<string, Transaction> by DSN */
    private array $transactions = [];

    private function __construct()
    {
    }

    public static function current(): self
    {
        self::$ofProcess ??= self::first();
        $who = Strand::current() ?? Task::current();
        return $who === null ? self::$ofProcess : $who->client ??= new self();
    }

    /** The current one's transactions are rolled back and what else it has left is gone. Throws nothing. */
    public static function end(): void
    {
        $who = Strand::current() ?? Task::current();
        $client = $who === null ? self::$ofProcess : $who->client;
        if ($client === null) {
            return;
        }
        if ($who === null) {
            self::$ofProcess = null;
        } else {
            $who->client = null;
        }
        try {
            foreach ($client->transactions as $transaction) {
                $transaction->end();
            }
            Engine::getInstance()->endClient();
        } catch (LygerException $exception) {
            error_log(Runner::oneLine("what a request has left on its connections was not taken back: $exception"));
        }
    }

    /** Where this client's transaction on one database stands. */
    public function transaction(#[SensitiveParameter] string $dsn): Transaction
    {
        return $this->transactions[$dsn] ??= new Transaction($dsn);
    }

    private static function first(): self
    {
        $pid = (int) getmypid();
        if (self::$pid !== $pid) {
            self::$pid = $pid;
            register_shutdown_function(static function () use ($pid): void {
                // Once more behind those that others have registered, which may use the database too.
                register_shutdown_function(static fn () => getmypid() === $pid ? self::end() : null);
            });
        }
        return new self();
    }
}
