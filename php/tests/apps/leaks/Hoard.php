<?php

declare(strict_types=1);

namespace Lyger\Tests\Apps;

use SplObjectStorage;
use stdClass;

/** Keeps what it is given. */
final class Hoard
{
    /** @var list<mixed> */
    public static array $all = [];
    public static string $text = '';
    /** @var list<mixed> */
    public static array $streams = [];
    /** @var array<int, string> */
    public static array $cache = [];
    /** @var list<string> */
    public static array $recent = [];
    /** @var list<stdClass> */
    private array $objects = [];
    private SplObjectStorage $attached;

    public static function keep(): int
    {
        static $kept = '';
        return strlen($kept .= str_repeat('y', 1_000));
    }

    public function add(): int
    {
        return array_push($this->objects, new stdClass());
    }

    public function attach(): int
    {
        $this->attached ??= new SplObjectStorage();
        $this->attached[new stdClass()] = true;
        return count($this->attached);
    }
}
