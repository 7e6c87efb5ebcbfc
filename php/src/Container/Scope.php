<?php

declare(strict_types=1);

namespace Lyger\Container;

/** What a container has built for one request. */
final class Scope
{
    /** @var array<string, mixed> */
    public array $values = [];
    /** @var array<string, true> what is being built now, outermost first */
    public array $building = [];
}
