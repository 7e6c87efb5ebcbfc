<?php

declare(strict_types=1);

namespace Lyger\Leaks;

/** How large something is: elements of its arrays and collections, and about how many bytes all of it takes. */
final class Size
{
    public int $elements = 0;
    public int $bytes = 0;
    /** What one of the things is, where they have names: a file. */
    public string $example = '';
}
