<?php

declare(strict_types=1);

namespace Lyger\Config;

use SensitiveParameter;
use WeakMap;

/**
 * A text that var_dump(), print_r(), var_export(), json_encode() and a cast to an array don't show: it isn't in the
 * object.
 *
 * @internal
 */
final class Secret
{
    /** @var WeakMap<self, string>|null */
    private static ?WeakMap $texts = null;

    /** @param string $shown what may be seen of it */
    public function __construct(#[SensitiveParameter] string $text, public readonly string $shown = '(not shown)')
    {
        self::$texts ??= new WeakMap();
        self::$texts[$this] = $text;
    }

    public function text(): string
    {
        return self::$texts[$this];
    }

    /** Of another one it would be none. */
    private function __clone()
    {
    }
}
