<?php

declare(strict_types=1);

namespace Lyger\Async;

use Lyger\Core\Engine;

/**
 * The engine's operations that somebody waits for: statements under way.
 *
 * @internal
 */
final class Operations
{
    private const NS_PER_US = 1_000;
    private const NS_PER_MS = 1_000_000;
    /** How long a call may keep PHP from its own signal handlers. */
    private const WAIT_NS = 1_000_000_000;

    /** @var array<int, Wait> by the operation's id */
    private static array $waits = [];

    /** Returns when it has finished. */
    public static function await(int $operation): void
    {
        $scheduler = Scheduler::current();
        $wait = self::$waits[$operation] = new Wait($scheduler);
        try {
            $scheduler->awaitOperation($wait);
        } finally {
            unset(self::$waits[$operation]);
        }
    }

    /** Waits until one has finished, or for so long, or a second; not at all where time is over. */
    public static function collect(int $waitNs): void
    {
        $waitNs = min($waitNs, self::WAIT_NS);
        if (self::$waits !== []) {
            $engine = Engine::getInstance();
            foreach ($engine->finishedOperations((int) ceil(max(0, $waitNs) / self::NS_PER_MS)) as $operation) {
                (self::$waits[$operation] ?? null)?->end();
            }
        } elseif ($waitNs > 0) {
            usleep((int) ceil($waitNs / self::NS_PER_US));
        }
    }

    /** Those of this one are stopped, and nobody goes on with what they give. */
    public static function abandon(Scheduler $scheduler): void
    {
        foreach (self::$waits as $operation => $wait) {
            if ($wait->scheduler === $scheduler) {
                unset(self::$waits[$operation]);
                Engine::getInstance()->cancelOperation($operation);
            }
        }
    }

    /** The engine has let go of all of them: each is told so when it asks. */
    public static function release(): void
    {
        foreach (self::$waits as $wait) {
            $wait->end();
        }
    }
}
