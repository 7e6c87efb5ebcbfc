<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** What the strings of a column are: how they are written as JSON. Other values have their form by their PHP type. */
enum Kind
{
    /** Quoted and escaped. */
    case Text;
    /** Base64. */
    case Bytes;
    /** Embedded as they are. */
    case Json;
    /** Digits of an integer beyond PHP's. */
    case Integer;
    /** The shortest digits of a single. */
    case Single;
    /** The exact digits of a decimal that was asked for as a number. */
    case Number;
}
