<?php

declare(strict_types=1);

namespace Lyger\Tests\Routing;

/** A controller with a state that must not outlive its request. */
final class Counter
{
    private int $count = 0;

    public function next(): string
    {
        return (string) ++$this->count;
    }

    public function __invoke(): string
    {
        return 'invoked';
    }

    public static function fixed(): string
    {
        return 'fixed';
    }
}
