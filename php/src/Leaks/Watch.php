<?php

declare(strict_types=1);

namespace Lyger\Leaks;

use Closure;
use Lyger\Http\Request;

/**
 * Looks at what a worker holds before its first request after each so many, and tells what grew: `rawr serve --leaks`.
 *
 * The first so many requests are the warm-up, in which caches fill. What is named afterwards has grown with every so
 * many requests since, so that what only varies is not.
 */
final class Watch
{
    /** Strings that are replaced by others, a last address or a token, differ by less. */
    private const VARIES_BYTES = 4_096;

    private int $answered = -1;
    private int $samples = 0;
    /** @var array<string, Size> at the end of the warm-up */
    private array $first = [];
    /** @var array<string, Size> */
    private array $last = [];
    private int $firstBytes = 0;
    /** @var array<string, true> what has grown each time */
    private array $suspects = [];
    private string $told = '';

    private function __construct(private readonly Closure $handler, private readonly int $every)
    {
    }

    /**
     * The handler, watched.
     *
     * @param Closure(Request): mixed $handler
     * @param int $every how many requests lie between two looks
     * @return Closure(Request): mixed
     */
    public static function over(Closure $handler, int $every): Closure
    {
        $watch = new self($handler, $every);
        register_shutdown_function($watch->sumUp(...));
        return $watch->handle(...);
    }

    private function handle(Request $request): mixed
    {
        // Before and not after: exit() comes to no end, and what belongs to a request is gone by the next one.
        if (++$this->answered > 0 && $this->answered % $this->every === 0) {
            $this->look();
        }
        return ($this->handler)($request);
    }

    private function look(): void
    {
        gc_collect_cycles();
        $bytes = memory_get_usage();
        $sizes = Census::take($this->handler);
        if (++$this->samples === 1) {
            // Two of their own, so that what this watch keeps is as much from here on.
            [$this->first, $this->last] = [$sizes, Census::take($this->handler)];
            unset($sizes);
            $this->firstBytes = memory_get_usage();
            $this->told = "the warm-up of {$this->every} requests is over, nothing was compared yet";
            return;
        }
        $grew = [];
        foreach ($sizes as $name => $size) {
            $before = $this->last[$name] ?? new Size();
            if ($size->elements > $before->elements || $size->bytes >= $before->bytes + self::VARIES_BYTES) {
                $grew[$name] = true;
            }
        }
        $this->suspects = $this->samples === 2 ? $grew : array_intersect_key($this->suspects, $grew);
        $this->last = $sizes;
        $this->told = Report::text($this->answered, $this->every, $this->growth(), $bytes, $bytes - $this->firstBytes);
        $this->say($this->told);
    }

    /** @return array<string, array{Size, Size}> at first and at last, by name */
    private function growth(): array
    {
        $growth = [];
        foreach (array_keys($this->suspects) as $name) {
            $growth[$name] = [$this->first[$name] ?? new Size(), $this->last[$name]];
        }
        return $growth;
    }

    /** The last words of a worker. */
    private function sumUp(): void
    {
        $answered = $this->answered + 1;
        $this->say("the end, after $answered requests; " . ($this->told === ''
            ? "the warm-up takes {$this->every}"
            : $this->told));
    }

    private function say(string $text): void
    {
        fwrite(STDERR, 'leaks: process ' . getmypid() . ": $text\n");
    }
}
